"""One investigation, from a folder to its result: facts, findings, claims judged, a plan. Reads, and writes nothing
but the facts that it keeps for the next time."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from database.investigation_models import Finding, InvestigationOutput, JudgedClaim
from tasks.investigating.claims import claims_in, estimates_in, passed_over
from tasks.investigating.gathering import Finder, gather
from tasks.investigating.judging import find_all, judge
from tasks.investigating.looking import count, listed, together
from tasks.investigating.model import Built, Facts, Resource
from tasks.investigating.planning import components_of, phases_of
from tasks.investigating.quoting import Quoter


@dataclass(frozen=True)
class IssueRead:
    """An issue as text. `source` is where a reader finds it: a file, or `#970`."""

    title: str
    body: str
    source: str


@dataclass(frozen=True)
class Subject:
    """What is investigated: a folder, by the name and commit that it is known by."""

    folder: Path
    name: str
    commit: str | None = None


def investigate(
    subject: Subject, issue: IssueRead | None, *, addresses: Finder, kept: Path | None = None,
    cloud: Sequence[Resource] | None = None, built: Built | None = None,
) -> InvestigationOutput:  # fmt: skip
    """Everything that can be found out. What could not be is in `not_checked`."""
    began = time.perf_counter()
    facts = gather(subject.folder, name=subject.name, addresses=addresses, kept=kept)
    facts = replace(facts, cloud=list(cloud) if cloud is not None else None, built=built)
    quote = Quoter(subject.folder)
    findings = find_all(facts, quote)
    claims = [judge(claim, facts, issue.source, quote) for claim in claims_in(issue.body)] if issue else []
    return InvestigationOutput(
        repository=subject.name, commit=subject.commit, issue=f"{issue.title} ({issue.source})" if issue else None,
        headline=headline(issue, claims, findings), claims=claims, findings=findings,
        phases=phases_of(findings, estimates_in(issue.body) if issue else []), components=components_of(findings),
        not_checked=not_checked(facts, issue, claims, findings), files=facts.files,
        routes=dict(Counter(route.state for route in facts.served)), seconds=round(time.perf_counter() - began, 3),
    )  # fmt: skip


def headline(issue: IssueRead | None, claims: Sequence[JudgedClaim], findings: Sequence[Finding]) -> str:
    """What a reader should know if they read one sentence."""
    problems = sum(len(one.problems) for one in findings)
    left = f"{count(problems, 'problem')} {'is' if problems == 1 else 'are'} left"
    if issue is None or not claims:
        return left
    counted = Counter(claim.verdict for claim in claims)
    told = ", ".join(f"{number} {verdict}" for verdict, number in counted.most_common())
    judgement = "outdated" if counted["outdated"] > counted["confirmed"] else "right in the main"
    return f"The issue's description is {judgement}: {told}. {left[0].upper()}{left[1:]}"


def not_checked(
    facts: Facts, issue: IssueRead | None, claims: Sequence[JudgedClaim], findings: Sequence[Finding]
) -> list[str]:
    """What could not be looked at, and why."""
    unknown = together(one for one in findings if one.standing == "unknown")
    found = [f"{titles}: {says}" for titles, says in unknown]
    if issue is None:
        found.insert(0, "Claims: no issue was given")
    elif not claims:
        found.insert(0, f"Claims: {issue.source} has no table or list that says how things stand")
    if issue and (passed := passed_over(issue.body)):
        quoted = listed([f"line {one.line} “{one.text[:60]}”" for one in passed], 3)
        found.insert(0, f"Claims: {issue.source} has lines that assert nothing which can be told: {quoted}")
    if untried := [one for one in facts.migrations if one.applied is None and not (one.refused or one.problems)]:
        why = untried[0].untried or "MIYABI_SCRATCH_DATABASE is not set"
        found.append(f"whether the migrations of {listed([one.folder or '.' for one in untried])} apply: {why}")
    return [*found, *facts.unread]
