"""Does a version leave connections to the database open?

A version that starts opens some, once. One that leaks opens more for as long as it is asked: that is what is looked
for, after the start, in each third of the time.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from database.server_use import Connections, count_connections
from tasks.errors import MiyabiError
from tasks.releases import Store

PARTS = 3


@dataclass(frozen=True)
class Sample:
    """Connections when the new version had answered so many requests."""

    requests: int
    seen: Connections


class Counter:
    """Samples of a whole canary. `warm` is the number of requests after which a version has started."""

    def __init__(self, store: Store, *, warm: int) -> None:
        self._store, self._warm = store, warm
        self.samples: list[Sample] = []
        self.trouble = ""
        """Why the last sample could not be taken."""

    def sample(self, requests: int) -> None:
        try:
            with self._store.connection() as connection:
                self.samples.append(Sample(requests, count_connections(connection)))
            self.trouble = ""
        except MiyabiError as error:
            self.trouble = str(error)

    @property
    def last(self) -> Connections | None:
        return self.samples[-1].seen if self.samples else None

    @property
    def leak(self) -> tuple[int, int]:
        """(connections that stayed, requests meanwhile) since the version had started; (0, 0) if none stayed."""
        return growth([sample for sample in self.samples if sample.requests >= self._warm])


def growth(samples: Sequence[Sample]) -> tuple[int, int]:
    """What was added from the first sample to the last, if something was in each part of them."""
    if len(samples) <= PARTS:
        return 0, 0
    ends = [samples[k * (len(samples) - 1) // PARTS] for k in range(PARTS + 1)]
    if any(after.seen.here <= before.seen.here for before, after in itertools.pairwise(ends)):
        return 0, 0
    return ends[-1].seen.here - ends[0].seen.here, ends[-1].requests - ends[0].requests
