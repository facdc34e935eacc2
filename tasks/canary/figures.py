"""What is counted of a version: requests, failures, latency."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

EXAMPLES = 3
"""Failures that are told in words."""


@dataclass(frozen=True)
class Figures:
    """Requests of one kind in one window."""

    requests: int = 0
    failures: int = 0
    p95_ms: float | None = None
    p50_ms: float | None = field(default=None, compare=False)
    cold: int = field(default=0, compare=False)
    """Requests for which a process was started, where that is known."""

    @property
    def error_rate(self) -> float:
        return self.failures / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        """`2 of 40 failed (5.0 %)`."""
        return f"{self.failures} of {self.requests} failed ({100 * self.error_rate:.1f} %)"


NOTHING = Figures()


def p95(values: Sequence[float]) -> float | None:
    """The exact 95th percentile by nearest rank; None of nothing."""
    return rank(values, 0.95)


def rank(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


class Tally:
    """Counts answers from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._failures = 0
        self._latencies: list[float] = []
        self.examples: list[str] = []

    def add(self, *, failure: str, ms: float | None) -> None:
        """One answer; `failure` says what was wrong with it, `ms` is None for one that was not quick by nature."""
        with self._lock:
            self._requests += 1
            if ms is not None:
                self._latencies.append(ms)
            if failure:
                self._failures += 1
                if failure not in self.examples:
                    self.examples = [*self.examples, failure][:EXAMPLES]

    @property
    def figures(self) -> Figures:
        with self._lock:
            cold = self._requests - len(self._latencies)
            middle = rank(self._latencies, 0.5)
            return Figures(self._requests, self._failures, p95(self._latencies), middle, cold)
