"""From findings to a score: the deductions of the mission (reference: miyabi.md §5.5), and the report they make.

100 to begin with; off go 20 for a linter's error, 10 for its warning, 30 for a type or compile error, and for a
vulnerability 40, 20, 10 or 5 by its severity; never below 0. What nothing measured has no score: it is null, not 100.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from database.agent_models import QualityBreakdown, QualityIssue, Severity
from tasks.agents.context import Escalation

Kind = Literal["lint", "type", "security"]
Label = Literal["quality:excellent", "quality:good", "quality:needs-improvement", "quality:poor"]

LINT: Mapping[Severity, int] = {"critical": 20, "high": 20, "medium": 10, "low": 10}
"""A linter's error is `high`, its warning `medium`."""
TYPE: Mapping[Severity, int] = dict.fromkeys(LINT, 30)
SECURITY: Mapping[Severity, int] = {"critical": 40, "high": 20, "medium": 10, "low": 5}
DEDUCTIONS: Mapping[Kind, Mapping[Severity, int]] = {"lint": LINT, "type": TYPE, "security": SECURITY}
ESCALATED = 50
"""Below this score the tech lead looks at it."""
SHOWN = 200
"""So many findings are in the report, those that cost most first."""


@dataclass(frozen=True)
class Finding:
    """What a tool found. `file` is relative to the repository; None where it is about a dependency."""

    tool: str
    kind: Kind
    severity: Severity
    message: str
    rule: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def deduction(self) -> int:
        return DEDUCTIONS[self.kind][self.severity]


def distinct(findings: Sequence[Finding]) -> list[Finding]:
    """Each fault once: two tools see the same syntax error, and one is told it twice; bandit's B105 is ruff's S105;
    what has the form of a key need not be a password by its name, too."""
    broken = {(f.file, f.line) for f in findings if f.kind == "type" and f.tool == "ruff"}
    insecure = {(f.file, f.line, f.rule) for f in findings if f.tool == "ruff security"}
    leaked = {(f.file, f.line) for f in findings if f.rule == "leaked-key"}

    def twice(f: Finding) -> bool:
        at, rule = (f.file, f.line), f.rule or ""
        return (
            (rule == "syntax" and at in broken)
            or (f.tool == "bandit" and (*at, f"S{rule[1:]}") in insecure)
            or (rule[1:] in ("105", "106", "107") and f.kind == "security" and at in leaked)
        )

    return list(dict.fromkeys(f for f in findings if not twice(f)))


def score_of(findings: Sequence[Finding]) -> int:
    return max(0, 100 - sum(finding.deduction for finding in findings))


def breakdown_of(findings: Sequence[Finding], measured: Collection[Kind], coverage: int | None) -> QualityBreakdown:
    """The score of each kind that was measured, alone."""

    def alone(kind: Kind) -> int | None:
        return score_of([finding for finding in findings if finding.kind == kind]) if kind in measured else None

    return QualityBreakdown(
        eslint_score=alone("lint"), typescript_score=alone("type"), security_score=alone("security"),
        test_coverage_score=coverage,
    )  # fmt: skip


def label_of(score: int) -> Label:
    if score >= 90:
        return "quality:excellent"
    if score >= 80:
        return "quality:good"
    return "quality:needs-improvement" if score >= 60 else "quality:poor"


def escalation_of(score: int, findings: Sequence[Finding]) -> Escalation | None:
    """A critical vulnerability is the security officer's, a score below 50 the tech lead's."""
    if critical := [f for f in findings if f.kind == "security" and f.severity == "critical"]:
        reason = f"{len(critical)} critical vulnerability(ies): {critical[0].message}"
        return Escalation("CISO", reason, "Sev.1-Critical")
    if score < ESCALATED:
        return Escalation("TechLead", f"the quality score is {score}, below {ESCALATED}", "Sev.2-High")
    return None


def issues_of(findings: Sequence[Finding]) -> list[QualityIssue]:
    """The findings as the report has them, those that cost most first."""
    order = sorted(findings, key=lambda f: (-f.deduction, f.file or "", f.line or 0))
    return [
        QualityIssue(
            kind=f.kind, severity=f.severity, message=f.message[:500], rule=f.rule, file=f.file, line=f.line,
            column=f.column, score_impact=-f.deduction,
        )
        for f in order[:SHOWN]
    ]  # fmt: skip


def recommendations_of(findings: Sequence[Finding], unseen: Mapping[str, str]) -> list[str]:
    """What to do, in the order of what it gains; and what nobody looked at, by tool with the reason."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.tool, finding.rule or finding.kind), []).append(finding)
    gains = sorted(groups.items(), key=lambda item: -sum(f.deduction for f in item[1]))
    advice = [
        f"Mend {len(found)} × {tool} {rule} (+{sum(f.deduction for f in found)} points): {found[0].message[:120]}"
        for (tool, rule), found in gains[:10]
    ]
    return advice + [f"Not looked at by {tool}: {reason}" for tool, reason in unseen.items()]
