"""Whether a run keeps what the environment promises: one verdict for each threshold.

A load that asks for less than the throughput wanted can show no more than what it asked: then 99 % of that is enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

ENOUGH = 0.99


@dataclass(frozen=True)
class Thresholds:
    """Milliseconds, requests a second, and percent of the requests."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    errors_percent: float

    def wider(self, slack: float) -> "Thresholds":
        """With latencies that may be so many times as long."""
        return replace(self, p50_ms=self.p50_ms * slack, p95_ms=self.p95_ms * slack, p99_ms=self.p99_ms * slack)


@dataclass(frozen=True)
class Verdict:
    """One threshold: what was wanted, what was measured."""

    name: str
    wanted: str
    measured: str
    ok: bool


def judge(figures: Mapping[str, Any], limits: Thresholds, *, asked: float | None = None) -> list[Verdict]:
    """`asked` is the rate of an open load."""
    return [
        *(latency(figures, name, getattr(limits, f"{name}_ms")) for name in ("p50", "p95", "p99")),
        throughput(figures["per_second"], limits.per_second, asked),
        errors(figures, limits.errors_percent),
    ]


def latency(figures: Mapping[str, Any], name: str, limit: float) -> Verdict:
    value = figures["latency"].get(f"{name}_ms")
    measured = "nothing was answered" if value is None else f"{value:.1f} ms"
    return Verdict(f"latency {name}", f"< {limit:g} ms", measured, value is not None and value < limit)


def throughput(rate: float, limit: float, asked: float | None) -> Verdict:
    measured = f"{rate:.1f} /s"
    if asked is None or asked * ENOUGH > limit:
        return Verdict("throughput", f"> {limit:g} /s", measured, rate > limit)
    return Verdict("throughput", f"{asked:g} /s, all that was asked", measured, rate >= asked * ENOUGH)


def errors(figures: Mapping[str, Any], limit: float) -> Verdict:
    share = 100 * figures["errors"] / figures["requests"] if figures["requests"] else 100.0
    return Verdict("errors", f"< {limit:g} %", f"{share:.2f} % ({figures['errors']:,})", share < limit)
