"""The investigation agent: is what an issue says of the repository true, and what is really left to do?

It looks at a commit in a copy of its own, as the review does, and runs nothing of it. The flow `investigate` gives the
same answer for any folder or address (docs/investigate.md).
"""

from pathlib import Path

from database.investigation_models import InvestigationInput, InvestigationOutput
from tasks.agents.context import AgentContext, AgentResult
from tasks.agents.git import default_base, fresh_clone, resolved
from tasks.agents.issue_source import read_issue
from tasks.agents.locks import Waiting
from tasks.agents.worktrees import snapshot
from tasks.errors import Permanent
from tasks.investigating.investigation import IssueRead, Subject, investigate
from tasks.investigating.report import render
from tasks.sites.search import hits_in


async def run_investigation(context: AgentContext) -> AgentResult:
    given = context.input
    assert isinstance(given, InvestigationInput)
    name = context.claim.repository
    if name is None:
        raise Permanent("the investigation agent needs a repository: ask with a `repository_id`")
    issue = await issue_of(context, given)
    waiting = Waiting(patience=context.left, say=lambda text: context.log("INFO", text))
    clone = await fresh_clone(context.settings, name, waiting=waiting)
    commit = await resolved(clone, given.ref or await default_base(clone))
    kept = clone.with_name(f"{clone.name}.facts.json")
    async with snapshot(clone, commit, f"investigation-{context.claim.id}") as root:
        found = await context.step("Investigate", looked_at, Subject(root, name, commit), issue, kept)
    for claim in found.claims:
        context.log("INFO", f"{claim.verdict}: {claim.subject}: {claim.claimed} ({claim.actual})")
    for line in found.not_checked:
        context.log("WARN", f"not checked: {line}")
    return AgentResult(found, found.headline, artifact=render(found))


async def issue_of(context: AgentContext, given: InvestigationInput) -> IssueRead | None:
    """The issue, if the execution names one; without it the repository is looked at all the same."""
    if given.issue is None and context.claim.issue_number is None:
        return None
    issue = await read_issue(context, given.issue)
    return IssueRead(issue.title, issue.body, f"#{issue.number}" if issue.number else issue.source)


def looked_at(subject: Subject, issue: IssueRead | None, kept: Path) -> InvestigationOutput:
    return investigate(subject, issue, addresses=hits_in, kept=kept)
