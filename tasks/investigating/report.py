"""The investigation as the mission's Phase 0 report: discoveries, details, problems, plan, risks, completeness."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from database.investigation_models import Evidence, Finding, InvestigationOutput, Phase, Problem
from tasks.investigating.looking import together
from tasks.investigating.planning import RATE

MARKS = {
    "working": "🟢 Working",
    "ready": "🟡 Ready",
    "partly": "🟡 Partly",
    "absent": "🔴 Absent",
    "unknown": "⚪ Unknown",
}
VERDICTS = {"confirmed": "✅ confirmed", "outdated": "❌ outdated", "partly": "🟡 partly", "unknown": "⚪ unknown"}
IMPACTS = {"critical": "🔴 **CRITICAL**", "high": "🟡 **HIGH**", "medium": "🟡 **MEDIUM**", "low": "🟢 **LOW**"}
LANGUAGES = {
    "rs": "rust",
    "py": "python",
    "js": "javascript",
    "ts": "typescript",
    "tsx": "tsx",
    "sql": "sql",
    "sh": "bash",
}
QUOTED = 6
"""Pieces of evidence of one finding that are quoted; the JSON has all."""


def render(found: InvestigationOutput, at: datetime | None = None) -> str:
    """The report as Markdown."""
    parts = [
        *head(found, at or datetime.now(UTC)),
        *discoveries(found),
        *details(found.findings),
        *problems(found.problems),
        *plan(found.phases),
        *completeness(found),
        *recommendations(found.problems),
        *risks(found),
        *unchecked(found.not_checked),
        *conclusion(found),
    ]
    return "\n\n".join(parts) + "\n"


def head(found: InvestigationOutput, at: datetime) -> Iterator[str]:
    yield f"# Investigation of {found.repository}"
    yield "\n".join(
        [
            f"**Date**: {at:%Y-%m-%d %H:%M} UTC",
            f"**Commit**: {found.commit or 'a folder, as it is'}",
            f"**Issue**: {found.issue or 'none'}",
            f"**Read**: {found.files} files in {found.seconds:.2f} s",
        ]
    ).replace("\n", "  \n")
    yield "## Executive summary"
    yield f"**{found.headline}**"


def discoveries(found: InvestigationOutput) -> Iterator[str]:
    yield "### Key discoveries"
    standing = {one.check: one.standing for one in found.findings}
    if found.claims:
        yield table(
            ("Component", "The issue says", "Verdict", "Status", "Actual state"),
            [
                (
                    one.subject,
                    one.claimed,
                    VERDICTS[one.verdict],
                    MARKS[standing.get(one.check or "", "unknown")],
                    f"{one.actual} {places(one.evidence)}".strip(),
                )
                for one in found.claims
            ],
        )
        if doubts := [
            f"- **{one.subject}** ({one.place}): {one.why}" for one in found.claims if one.verdict == "unknown"
        ]:
            yield "Unknown, because:"
            yield "\n".join(doubts)
    else:
        rows = [
            (title, MARKS[one.standing], f"{one.says} {places(one.evidence)}".strip())
            for title, one in grouped(found.findings)
        ]
        yield table(("Component", "Status", "Actual state"), rows)


def places(evidence: Sequence[Evidence]) -> str:
    found = [one.place for one in evidence if one.place]
    return f"({', '.join(found[:3])}{' …' if len(found) > 3 else ''})" if found else ""


def details(findings: Sequence[Finding]) -> Iterator[str]:
    yield "## Detailed investigation"
    for number, (title, one) in enumerate(grouped(findings), 1):
        yield f"### {number}. {title}"
        yield f"**Status**: {MARKS[one.standing]}: {one.says}"
        for piece in one.evidence[:QUOTED]:
            yield f"**{piece.place}**: {piece.says}" if piece.place else piece.says
            if piece.excerpt:
                yield fenced(piece)
        if len(one.evidence) > QUOTED:
            yield f"… and {len(one.evidence) - QUOTED} more places (in the JSON)"


def grouped(findings: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """Findings under their titles; those that nobody could look at for the same reason are one."""
    found: dict[str, tuple[list[str], Finding]] = {}
    for one in findings:
        same = one.says if one.standing == "unknown" and not one.evidence else one.check
        found.setdefault(same, ([], one))[0].append(one.title)
    return [(", ".join(titles), one) for titles, one in found.values()]


def fenced(piece: Evidence) -> str:
    language = LANGUAGES.get(piece.place.split(":")[0].rpartition(".")[2], "")
    fence = "````" if "```" in piece.excerpt else "```"
    return f"{fence}{language}\n{piece.excerpt}\n{fence}"


def problems(found: Sequence[Problem]) -> Iterator[str]:
    yield "## Actual problems identified"
    if not found:
        yield "None."
    for number, one in enumerate(found, 1):
        yield f"### Problem {number}: {one.title}"
        yield "  \n".join(
            [
                f"**Evidence**: {', '.join(one.evidence) or 'nothing of the kind was found'}",
                f"**Impact**: {IMPACTS[one.impact]} - {one.why}",
                "**Fix required**:",
            ]
        )
        yield "\n".join(f"{step}. {text}" for step, text in enumerate(one.fix, 1))
        yield f"**Estimated effort**: {hours(one.hours)}  \n**Cost**: {one.cost}"


def plan(phases: Sequence[Phase]) -> Iterator[str]:
    yield "## Revised plan"
    rows = [
        (
            one.title,
            hours(one.estimated) if one.estimated else "none",
            hours(one.hours) if one.hours[1] else "0h: done",
            "; ".join(one.steps) or "nothing is left",
        )
        for one in phases
    ]
    yield table(("Phase", "The issue's estimate", "What is left", "Steps"), rows)
    left = summed([one.hours for one in phases])
    estimated = [one.estimated for one in phases if one.estimated]
    cost = f"${left[0] * RATE[0]:,.0f}-{left[1] * RATE[1]:,.0f}"
    line = f"**Total**: {hours(left)}, {cost} at ${RATE[0]} an hour (the mission's rate), by the problems above."
    if estimated:
        before = summed(estimated)
        line += f" The issue estimated {hours(before)}: {100 - 100 * left[1] / before[1]:.0f} % less."
    yield line
    for phase in phases:
        if phase.estimated and not phase.hours[1]:
            yield f"**{phase.title}** is not needed: {'; '.join(phase.done) or 'no check found anything left to do'}."


def summed(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(one[0] for one in found), sum(one[1] for one in found)


def hours(span: tuple[float, float]) -> str:
    return f"{span[0]:g}h" if span[0] == span[1] else f"{span[0]:g}-{span[1]:g}h"


def completeness(found: InvestigationOutput) -> Iterator[str]:
    yield "## Completeness"
    rows = [
        (one.name, "unknown" if one.percent is None else f"{one.percent} %", one.counted) for one in found.components
    ]
    yield table(("Component", "Complete", "How it was counted"), rows)
    yield "Each check that could be answered counts the same; `partly` counts half."


def recommendations(found: Sequence[Problem]) -> Iterator[str]:
    """What to do in which order: what stops everything first, then what hurts, then the rest."""
    yield "## Recommendations"
    orders = {"At once": ("critical",), "Then": ("high", "medium"), "When there is time": ("low",)}
    for order, impacts in orders.items():
        if due := [one for one in found if one.impact in impacts]:
            yield f"### {order} ({hours(summed([one.hours for one in due]))})"
            yield "\n".join(f"{n}. **{one.title}** ({hours(one.hours)}): {one.fix[0]}" for n, one in enumerate(due, 1))
    if not found:
        yield "Nothing is left but to validate it."


def conclusion(found: InvestigationOutput) -> Iterator[str]:
    yield "## Conclusion"
    parts = [f"{one.name} {one.percent} %" for one in found.components if one.percent is not None]
    left = summed([one.hours for one in found.phases])
    costs = list(dict.fromkeys(one.cost for one in found.problems if one.cost != "$0"))
    yield f"**{found.headline}.** Completeness: {', '.join(parts) or 'unknown'}. What is left takes {hours(left)}."
    if costs:
        yield f"At AWS it costs {', '.join(costs)}."


def risks(found: InvestigationOutput) -> Iterator[str]:
    """What may still go wrong: by the worst problem of each component, and what nobody looked at."""
    yield "## Risks"
    levels: dict[str, list[Finding]] = {"High": [], "Medium": [], "Low": []}
    for finding in found.findings:
        impacts = {problem.impact for problem in finding.problems}
        level = "High" if "critical" in impacts else "Medium" if impacts & {"high", "medium"} else "Low"
        levels["Medium" if finding.standing == "unknown" else level].append(finding)
    for level, findings in levels.items():
        yield f"### {level}"
        yield "\n".join(f"- **{titles}**: {says}" for titles, says in together(findings)) or "None."


def unchecked(lines: Sequence[str]) -> Iterator[str]:
    yield "## What could not be checked"
    yield "\n".join(f"- {line}" for line in lines) or "Nothing."


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
