"""A line per request, and the exact figures of all of them.

18 bytes a request: an hour at 50/s is 3 MB, ten million are 180. Percentiles are nearest-rank values of the sorted
latencies, not estimates. Latency counts from when a request was due; it is that of what was answered, however, or ran
into the timeout. What was refused, cut off or throttled was not served at all and has no latency, but is an error.
"""

import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FAILURES = ("timeout", "refused", "reset", "closed", "tls", "protocol", "network")
"""What can happen instead of an answer. `closed`: the server ended the connection before it; `protocol`: not HTTP."""
OUTCOMES = ("2xx", "3xx", "4xx", "5xx", "throttled", "other", *FAILURES)
CODES = {name: code for code, name in enumerate(OUTCOMES)}
ANSWERED = CODES["throttled"]
"""Outcomes below it were answered by the backend."""
TIMEOUT = CODES["timeout"]
WRONG, FRESH = 0x40, 0x80
"""Bits beside the outcome: another status than the request accepts; the first request of a connection."""
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


class Samples:
    """Grows while the engine runs. Times are in seconds, `due` since the start."""

    def __init__(self) -> None:
        self.due, self.took = array("d"), array("d")
        self.kinds, self.outcomes = array("B"), array("B")
        self._columns = self.due.append, self.took.append, self.kinds.append, self.outcomes.append

    def __len__(self) -> int:
        return len(self.due)

    def add(self, due: float, took: float, kind: int, outcome: int) -> None:
        put_due, put_took, put_kind, put_outcome = self._columns
        put_due(due)
        put_took(took)
        put_kind(kind)
        put_outcome(outcome)

    def table(self) -> "Table":
        return Table(np.array(self.due), np.array(self.took), np.array(self.kinds), np.array(self.outcomes))


class Table:
    """The lines of a run that has ended, as columns."""

    def __init__(self, due: Floats, took: Floats, kinds: Bytes, flags: Bytes) -> None:
        self.due, self.took, self.kinds, self.flags = due, took, kinds, flags
        self.outcomes = flags & (WRONG - 1)

    @property
    def served(self) -> Flags:
        """Those that have a latency."""
        return np.asarray((self.outcomes < ANSWERED) | (self.outcomes == TIMEOUT))

    @property
    def good(self) -> Flags:
        """Those that got what they asked for."""
        return np.asarray((self.outcomes < ANSWERED) & (self.flags & WRONG == 0))

    @property
    def fresh(self) -> Flags:
        return np.asarray(self.flags & FRESH != 0)

    def only(self, chosen: Flags) -> "Table":
        return Table(self.due[chosen], self.took[chosen], self.kinds[chosen], self.flags[chosen])

    def save(self, path: Path) -> None:
        np.savez(path, due=self.due, took=self.took, kinds=self.kinds, flags=self.flags)

    @classmethod
    def load(cls, path: Path) -> "Table":
        with np.load(path) as data:
            return cls(data["due"], data["took"], data["kinds"], data["flags"])


def outcome_of(status: int, accept: Sequence[int]) -> int:
    """The outcome of an answer, with WRONG if it is not what the request accepts."""
    right = status in accept if accept else 200 <= status < 400
    if status == 429 and not right:
        return CODES["throttled"] | WRONG
    return CODES.get(f"{status // 100}xx", CODES["other"]) | (0 if right else WRONG)


def percentile(ranked: Sequence[float] | Floats, share: float) -> float:
    """The smallest value that at least this share of them does not exceed. `ranked` is sorted."""
    return float(ranked[max(0, math.ceil(share * len(ranked) - 1e-9) - 1)])


def latency_of(table: Table) -> dict[str, float]:
    """`p50_ms`, … of what was served; empty if nothing was."""
    ranked = np.sort(table.took[table.served]) * 1000
    if not len(ranked):
        return {}
    named = {f"p{100 * share:g}_ms".replace(".", "_"): percentile(ranked, share) for share in QUANTILES}
    return {"min_ms": float(ranked[0]), **named, "max_ms": float(ranked[-1]), "mean_ms": float(ranked.mean())}


def counts_of(table: Table) -> dict[str, int]:
    """How many had each outcome; those that none had are left out."""
    counted = np.bincount(table.outcomes, minlength=len(OUTCOMES))
    return {name: int(number) for name, number in zip(OUTCOMES, counted, strict=True) if number}


def figures(table: Table, names: Sequence[str], period_s: float | None = None) -> dict[str, Any]:
    """Everything that is said of a run, from its lines: `names` are those of the kinds of request.

    The throughput is of what was answered well while requests were due, which in an open load is its period. What is
    under way when that ends is no part of it.
    """
    ends = (table.due + table.took) if len(table.due) else np.zeros(1)
    seconds = period_s if period_s is not None else float(ends.max())
    good = int(table.good.sum())
    return {
        "requests": len(table.due),
        "good": good,
        "errors": len(table.due) - good,
        "seconds": seconds,
        "per_second": int((table.good & (ends <= seconds)).sum()) / seconds if seconds else 0.0,
        "outcomes": counts_of(table),
        "latency": latency_of(table),
        "fresh": {"requests": int(table.fresh.sum()), **latency_of(table.only(table.fresh))},
        "kinds": {name: kind_figures(table.only(table.kinds == number)) for number, name in enumerate(names)},
    }


def kind_figures(table: Table) -> dict[str, Any]:
    good = int(table.good.sum())
    return {"requests": len(table.due), "errors": len(table.due) - good, **latency_of(table)}
