"""A run for people: one page of markdown with its picture, complete in itself."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tasks.loading.apart import ColdStart
from tasks.loading.comparison import Compared
from tasks.loading.verdicts import Verdict

PERCENTILES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


@dataclass(frozen=True)
class Told:
    """All that the page says. Nothing in it is secret."""

    environment: str
    profile: str
    load: str
    url: str
    figures: Mapping[str, Any]
    verdicts: Sequence[Verdict]
    compared: Sequence[Compared] = ()
    no_history: str = ""
    """Why nothing is compared."""
    starts: Sequence[ColdStart] = ()
    warm: Mapping[str, float] | None = None
    """The latency of the requests beside no cold start; None where there was none."""
    warm_up: Mapping[str, Any] | None = None
    connections: str = ""
    cut_short: str = ""
    """Why the run ended early."""
    picture: bytes = b""
    files: str = ""

    @property
    def passed(self) -> bool:
        return all(verdict.ok for verdict in self.verdicts) and not self.figures["partial"]

    @property
    def outcome(self) -> str:
        missed = [verdict.name for verdict in self.verdicts if not verdict.ok]
        if self.figures["partial"]:
            return "cut short"
        return "passed" if not missed else f"failed ({', '.join(missed)})"


def render(told: Told) -> str:
    parts = [
        f"# Load test {told.environment}, {told.profile}: {told.outcome}",
        f"{told.load}, at `{told.url}`.",
        grid(("threshold", "wanted", "measured", ""), [verdict_row(verdict) for verdict in told.verdicts]),
        picture(told.picture),
        *section("Requests", request_rows(told.figures)),
        *section("Answers", outcome_rows(told.figures["outcomes"])),
        *section("Beside the last runs of this load", compared_rows(told)),
        "\n".join(f"- {note}" for note in notes(told)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def picture(data: bytes) -> str:
    return (
        f"![latency, throughput, connections](data:image/png;base64,{base64.b64encode(data).decode()})" if data else ""
    )


def section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def verdict_row(verdict: Verdict) -> tuple[str, ...]:
    return verdict.name, verdict.wanted, verdict.measured, "✓ kept" if verdict.ok else "✗ **missed**"


def request_rows(figures: Mapping[str, Any]) -> str:
    rows = [("**all**", figures, figures["latency"])]
    rows += [(name, kind, kind) for name, kind in figures["kinds"].items() if len(figures["kinds"]) > 1]
    fresh = figures["fresh"]
    head = ("request", "asked", "errors", "p50", "p95", "p99", "slowest, ms")
    lines = [(name, f"{whole['requests']:,}", f"{whole['errors']:,}", *ms(latency)) for name, whole, latency in rows]
    if fresh["requests"]:
        lines.append(("*of these, the first on a connection*", f"{fresh['requests']:,}", "", *ms(fresh)))
    return grid(head, lines)


def ms(latency: Mapping[str, float]) -> list[str]:
    return [f"{latency[name]:.1f}" if name in latency else "-" for name in PERCENTILES]


def outcome_rows(outcomes: Mapping[str, int]) -> str:
    """Only where there is something to tell."""
    return grid(("answer", "requests"), [(name, f"{count:,}") for name, count in outcomes.items()]) \
        if set(outcomes) - {"2xx"} else ""  # fmt: skip


def compared_rows(told: Told) -> str:
    if not told.compared:
        return told.no_history or "This is the first run of this load."
    head = ("figure", "now", "usual", "off by", "noise explains", "")
    rows = [
        (
            one.figure.replace("_ms", ", ms").replace("per_second", "answers a second"),
            f"{one.now:.1f}", f"{one.usual:.1f}", f"{one.now - one.usual:+.1f}", f"±{one.allowed:.1f}", one.verdict,
        )
        for one in told.compared
    ]  # fmt: skip
    return grid(head, rows) + f"\n\n*usual*: the median of the last {told.compared[0].runs}."


def notes(told: Told) -> list[str]:
    return [note for note in (
        f"**The run was cut short**: {told.cut_short}. The figures are of what was asked until then."
        if told.figures["partial"] else "",
        cold_note(told),
        warm_up_note(told.warm_up),
        f"Database connections: {told.connections}." if told.connections else "",
        "Latency counts from when a request was due, so it includes waiting for a free connection and for TLS; it is of"
        " requests that were answered or ran into the timeout. Percentiles are exact.",
        generator_note(told.figures),
        f"Files: `{told.files}`." if told.files else "",
    ) if note]  # fmt: skip


def cold_note(told: Told) -> str:
    if not told.starts:
        return "Cold starts: none."
    inits = [start.init_ms for start in told.starts]
    warm = told.warm
    rest = f" Requests beside none of them: p50 {ms(warm)[0]}, p95 {ms(warm)[1]}, p99 {ms(warm)[2]} ms." if warm else ""
    return f"Cold starts: {len(inits)}, initialised in {median(inits):.0f} ms (median), {max(inits):.0f} at most.{rest}"


def warm_up_note(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return ""
    count, slowest = figures["requests"], figures["latency"].get("max_ms", 0.0)
    return f"Before it, {count:,} requests warmed the function up (slowest {slowest:.0f} ms); they do not count."


def generator_note(figures: Mapping[str, Any]) -> str:
    late = figures["late"] / figures["requests"] if figures["requests"] else 0.0
    busy = f"The generator was busy for {100 * figures['busy']:.0f} % of the time"
    trouble = " — **too slow a machine for this load: part of the latency is its own**" if late > 0.01 else ""
    return f"{busy} and began {100 * late:.1f} % of the requests over 5 ms late{trouble}."


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
