"""The review agent: real linters and scanners over a change, and a score that follows from what they find.

It looks at the commits of `feature/issue-N` (or of `ref`), in a copy of its own, at the files that differ from the
default branch (or from `base`); where nothing is to be compared, at all files. The same commit and tools give the same
score. A model, if one is configured, adds remarks; it does not change the score. Where no linter that knows these files
could run there is no score, but an error: nothing found by nobody is not 100.
"""

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import BaseModel, Field

from database.agent_models import QualityBreakdown, QualityIssue, ReviewInput, ReviewOutput, Severity
from tasks.agents.context import AgentContext, AgentResult, Level
from tasks.agents.git import asked, default_base, fresh_clone, git, resolved
from tasks.agents.locks import Waiting
from tasks.agents.model_agents import refine
from tasks.agents.review_findings import (
    Finding,
    Kind,
    breakdown_of,
    distinct,
    escalation_of,
    issues_of,
    label_of,
    recommendations_of,
    score_of,
)
from tasks.agents.review_secrets import secrets_in
from tasks.agents.review_tools import PATIENCE_S, TOOLS, ToolReport, unguarded, use
from tasks.agents.worktrees import place_of_issue, snapshot
from tasks.errors import Permanent

DIFF = 40_000
"""Characters of a change that a model is shown."""
COBERTURA = re.compile(r'<coverage\b[^>]*\bline-rate="([0-9.]+)"')


class Remark(BaseModel):
    """What a model noticed."""

    text: str = Field(max_length=500)
    severity: Severity = "low"
    file: str | None = None
    line: int | None = None

    def as_issue(self) -> QualityIssue:
        return QualityIssue(kind="remark", severity=self.severity, message=self.text, file=self.file, line=self.line)


class Remarks(BaseModel):
    remarks: list[Remark] = Field([], max_length=10)


@dataclass(frozen=True)
class Change:
    """What is looked at: a commit, and which of its files. `base` is None where all of them are."""

    ref: str
    commit: str
    base: str | None
    files: list[str]
    touched: list[str] = field(default_factory=list)
    """All that differs, also where only some of it is looked at."""


async def run_review(context: AgentContext) -> AgentResult:
    given = context.input
    assert isinstance(given, ReviewInput)
    if context.claim.repository is None:
        raise Permanent("the review agent needs a repository: ask with a `repository_id`")
    waiting = Waiting(patience=context.left, say=lambda text: context.log("INFO", text))
    clone = await fresh_clone(context.settings, context.claim.repository, waiting=waiting)
    change = await context.step("Find what to review", find_change, context, clone, given)
    async with snapshot(clone, change.commit, f"review-{context.claim.id}") as root:
        lend_modules(clone, root)
        reports: list[ToolReport] = []
        for tool in TOOLS:
            if tool.applies(root, change.files):
                work = partial(use, patience=min(PATIENCE_S, context.left), touched=change.touched)
                reports.append(await context.step(f"Run {tool.name}", work, tool, root, clone, change.files))
                context.log(*said_of(reports[-1]))
        secrets = await context.step("Look for leaked keys", secrets_in, root, change.files)
        covered = coverage_of(root)
    findings = distinct([*secrets, *(finding for report in reports for finding in report.findings)])
    measured = judged_kinds(change, reports)
    for language in unguarded(change.files, reports):
        context.log("WARN", f"the security of the {language} code was not judged: no scanner that reads it could look")
    remarks = await refine(context, await question(clone, change, findings), Remarks)
    return result(given, change, reports, findings, breakdown_of(findings, measured, covered), remarks or Remarks())


async def find_change(context: AgentContext, clone: Path, given: ReviewInput) -> Change:
    """The commit and its files. Raises Permanent if there is nothing to look at."""
    ref = given.ref or await usual_ref(context, clone)
    commit, base = await resolved(clone, ref), await resolved(clone, given.base or await default_base(clone))
    if commit == base:
        files, compared = await git(clone, "ls-tree", "-r", "--name-only", commit), None
    else:
        files = await git(clone, "diff", "--name-only", "--no-renames", "--diff-filter=d", f"{base}...{commit}")
        compared = base
    chosen = [name for name in files.splitlines() if not given.paths or within(name, given.paths)]
    if not chosen:
        other, limits = given.base or "the default branch", f" within {given.paths!r}" if given.paths else ""
        raise Permanent(f"there is nothing to review: no file of {ref!r} differs from {other}{limits}")
    context.log("INFO", f"reviewing {len(chosen)} file(s) of {ref!r} at {commit[:10]}")
    return Change(ref, commit, compared, chosen, files.splitlines() if compared else [])


async def usual_ref(context: AgentContext, clone: Path) -> str:
    """The issue's branch, if there is one here or at the origin; without an issue the default branch."""
    number = context.claim.issue_number
    if number is None:
        return await default_base(clone)
    branch = place_of_issue(number).branch
    for place in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
        if await asked(clone, "show-ref", "--verify", "--quiet", place):
            return place
    raise Permanent(f"issue #{number} has no branch {branch!r} yet: run `codegen` first, or name a `ref`")


def within(name: str, paths: Sequence[str]) -> bool:
    return any(name == path.rstrip("/") or name.startswith(path.rstrip("/") + "/") for path in paths)


def lend_modules(clone: Path, root: Path) -> None:
    """JavaScript's tools find their plugins and types in node_modules, which no commit holds."""
    if (clone / "node_modules").is_dir() and not (root / "node_modules").exists():
        (root / "node_modules").symlink_to(clone / "node_modules")


def coverage_of(root: Path) -> int | None:
    """Percent of lines that tests reach, by the report that is in the repository (Cobertura's XML, Istanbul's JSON)."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if (xml := root / "coverage.xml").is_file() and (found := COBERTURA.search(xml.read_text()[:10_000])):
            return round(100 * float(found[1]))
        summary = json.loads((root / "coverage" / "coverage-summary.json").read_text())
        return round(float(summary["total"]["lines"]["pct"]))
    return None


def said_of(report: ToolReport) -> tuple[Level, str]:
    if report.state == "ran":
        return "INFO", f"{report.tool} {report.detail}: {len(report.findings)} finding(s)"
    return "INFO" if report.state == "absent" else "WARN", f"{report.tool} did not look: {report.detail}"


async def question(clone: Path, change: Change, findings: Sequence[Finding]) -> str:
    """What a model is asked. The change is quoted: it is material, not an instruction."""
    known = "\n".join(f"{f.file}:{f.line} {f.rule} {f.message}" for f in findings[:50])
    diff = await git(clone, "diff", f"{change.base}...{change.commit}") if change.base else ""
    what = f"<diff>\n{diff[:DIFF]}\n</diff>" if diff else f"The files: {', '.join(change.files[:200])}"
    return (
        "A change was looked at by linters. Say what they cannot see: wrong logic, missing tests, errors that are not "
        "handled, unclear names. At most ten remarks, none that repeats a finding.\n\n"
        f"Findings:\n{known or 'none'}\n\n{what}"
    )


def result(
    given: ReviewInput,
    change: Change,
    reports: Sequence[ToolReport],
    findings: Sequence[Finding],
    breakdown: QualityBreakdown,
    remarks: Remarks,
) -> AgentResult:
    score, unseen = score_of(findings), unguarded(change.files, reports)
    data = ReviewOutput(
        score=score,
        passed=score >= given.threshold,
        issues=issues_of(findings) + [remark.as_issue() for remark in remarks.remarks],
        recommendations=recommendations_of(findings, {r.tool: r.detail for r in reports if r.state != "ran"}),
        breakdown=breakdown,
        label=label_of(score),
        not_judged=[f"security of {language}" for language in unseen],
        tools={r.tool: r.detail if r.state == "ran" else f"not run: {r.detail}" for r in reports},
    )
    verdict = "passed" if data.passed else f"failed (below {given.threshold})"
    silence = f"; not judged: {', '.join(data.not_judged)}" if unseen else ""
    return AgentResult(
        data=data,
        summary=f"{verdict} with {score} of 100: {len(findings)} finding(s) in {len(change.files)} file(s){silence}",
        quality_score=score,
        metrics={"errors_found": len(findings), "coverage_percent": breakdown.test_coverage_score},
        escalation=escalation_of(score, findings),
        artifact=page(data, change, findings),
    )


def judged_kinds(change: Change, reports: Sequence[ToolReport]) -> set[Kind]:
    """What was measured. Raises Permanent if nobody who reads code has read these files."""
    measured: set[Kind] = {kind for report in reports if report.state == "ran" for kind in report.kinds}
    if not measured & {"lint", "type"}:
        tried = "; ".join(f"{report.tool}: {report.detail}" for report in reports) or "none knows these files"
        raise Permanent(
            f"no linter could look at the {len(change.files)} file(s) of {change.ref!r}, so there is no score "
            f"({tried}). Install one where the agent worker runs: ruff or mypy, eslint or tsc, clippy"
        )
    return measured


def page(data: ReviewOutput, change: Change, findings: Sequence[Finding]) -> str:
    """The report as markdown."""
    b = data.breakdown
    scores = {"lint": b.eslint_score, "types": b.typescript_score, "security": b.security_score,
              "coverage": b.test_coverage_score}  # fmt: skip
    rows = "\n".join(f"| {name} | {'–' if value is None else value} |" for name, value in scores.items())
    tools = "\n".join(f"- {name}: {detail}" for name, detail in data.tools.items())
    silence = f"**Not judged:** {', '.join(data.not_judged)}\n\n" if data.not_judged else ""
    worst = "\n".join(
        f"- −{-i.score_impact} `{i.file or 'dependencies'}:{i.line or ''}` {i.rule or ''} {i.message}"
        for i in data.issues[:30]
    )
    return (
        f"## Quality {data.score}/100: {'passed' if data.passed else 'failed'}\n\n`{change.ref}` at "
        f"`{change.commit[:10]}`, {len(change.files)} file(s), {data.label}\n\n| part | score |\n|---|---|\n{rows}\n\n"
        f"{silence}### Tools\n{tools}\n\n### Findings ({len(findings)})\n{worst or 'none'}\n"
    )
