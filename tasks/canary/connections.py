"""Does a version leave connections to the database open?

A process that starts opens a pool, once, and other programs open connections whether the version is asked or not. One
that leaks opens more for as long as it is asked. So what is looked for is growth in each third of the time after the
start, in step with the requests, without the pools of processes that started meanwhile, and without what others opened
and kept at a steady rate before the canary began.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from database.server_use import Connections, connection_ages, count_connections
from tasks.errors import MiyabiError
from tasks.releases import Store

PARTS = 3
SPANS_S = (9.0, 60.0, 300.0)
"""How far back a steady rate of others is looked for."""


@dataclass(frozen=True)
class Sample:
    """Connections when the new version had answered so many requests and started so many processes."""

    requests: int
    seen: Connections
    processes: int = 0
    at: float = 0.0


class Counter:
    """Samples of a whole canary. `warm` is the number of requests after which a version has started, `pool` how many
    connections each of its processes may hold."""

    def __init__(self, store: Store, *, warm: int, pool: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._warm, self._pool, self._clock = store, warm, pool, clock
        self._others: float | None = None
        self.samples: list[Sample] = []
        self.trouble = ""
        """Why the last sample could not be taken."""

    def begin(self) -> None:
        """Before the version is asked for the first time: how quickly do others open connections?"""
        if self._others is not None:
            return
        try:
            with self._store.connection() as connection:
                self._others = steady(connection_ages(connection))
        except MiyabiError as error:
            self.trouble = str(error)

    def sample(self, requests: int, processes: int) -> None:
        try:
            with self._store.connection() as connection:
                seen = count_connections(connection)
            self.samples.append(Sample(requests, seen, processes, self._clock()))
            self.trouble = ""
        except MiyabiError as error:
            self.trouble = str(error)

    @property
    def last(self) -> Connections | None:
        return self.samples[-1].seen if self.samples else None

    @property
    def leak(self) -> tuple[int, int]:
        """(connections that stayed, requests meanwhile) since the version had started; (0, 0) if none stayed."""
        warm = [sample for sample in self.samples if sample.requests >= self._warm]
        return growth(warm, others=self._others or 0.0, pool=self._pool)


def steady(ages: Sequence[float]) -> float:
    """Connections a second that were opened and kept in each third of a span; of several spans the quickest."""
    rates = [0.0]
    for span in SPANS_S:
        parts = [sum(k * span <= PARTS * age < (k + 1) * span for age in ages) for k in range(PARTS)]
        if all(parts):
            rates.append(sum(parts) / span)
    return max(rates)


def growth(samples: Sequence[Sample], *, others: float = 0.0, pool: int = 1) -> tuple[int, int]:
    """What the version added from the first sample to the last, if each part of them has about its share of it: at
    least half of what its requests let one expect."""

    def added(before: Sample, after: Sample) -> float:
        pools, by_others = pool * (after.processes - before.processes), others * (after.at - before.at)
        return after.seen.here - before.seen.here - pools - by_others

    if len(samples) <= PARTS:
        return 0, 0
    ends = [samples[k * (len(samples) - 1) // PARTS] for k in range(PARTS + 1)]
    whole, requests = added(ends[0], ends[-1]), ends[-1].requests - ends[0].requests
    for before, after in itertools.pairwise(ends):
        if (
            added(before, after) <= 0
            or added(before, after) * requests < whole * (after.requests - before.requests) / 2
        ):
            return 0, 0
    return int(whole), requests
