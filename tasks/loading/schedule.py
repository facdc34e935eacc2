"""When requests are due: pure arithmetic, in seconds since the start.

Both kinds answer the same four questions of the engine: when is the next one due, take one that is, one has been
answered (does its user go on at once?), is anything still to come.
"""

import heapq
import math
import random
from typing import Protocol

from tasks.loading.job import Closed, Load, Open

FAILED_PAUSE_S = 0.1
"""A user who was refused waits so long; else a dead server would be asked a hundred thousand times a second."""


class Schedule(Protocol):
    """Due times of one load."""

    def next_at(self) -> float:
        """When the next request is due; infinity while nobody is ready."""
        ...

    def take(self, now: float) -> float | None:
        """The due time of a request that is due by now."""
        ...

    def answered(self, now: float, *, failed: bool = False) -> float | None:
        """A request has ended. If the one who asked it asks again at this moment: the due time of that."""
        ...

    def adjust(self, now: float) -> None:
        """Let users come and go. Called every few milliseconds."""
        ...

    def over(self, now: float) -> bool:
        """True when no request will be due any more."""
        ...


class Arrivals:
    """Open: request k is due at k/rate, whatever happens to the others."""

    def __init__(self, load: Open) -> None:
        self.rate, self.total, self.taken = load.rate, max(1, round(load.rate * load.duration_s)), 0

    def next_at(self) -> float:
        return self.taken / self.rate if self.taken < self.total else math.inf

    def take(self, now: float) -> float | None:
        if self.taken == self.total or (due := self.taken / self.rate) > now:
            return None
        self.taken += 1
        return due

    def answered(self, now: float, *, failed: bool = False) -> float | None:
        return None

    def adjust(self, now: float) -> None:
        pass

    def over(self, now: float) -> bool:
        return self.taken == self.total


class Crowd:
    """Closed: users that come and go along the points, think between requests, and share a limit to their rate."""

    def __init__(self, load: Closed, random: random.Random) -> None:
        self.load, self.random = load, random
        self.users, self.taken, self.slot = 0, 0, 0.0
        self.ready: list[float] = []
        self.limit = math.inf if load.requests is None else load.requests
        self.end, self.flat = load.duration_s, len({users for _, users in load.points}) == 1
        self.direct = self.flat and load.think_s == (0.0, 0.0) and load.rate_cap is None
        self.adjust(0.0)

    def next_at(self) -> float:
        return self.ready[0] if self.ready and self.taken < self.limit else math.inf

    def take(self, now: float) -> float | None:
        if not self.ready or self.ready[0] > now or self.over(now):
            return None
        self.taken += 1
        return heapq.heappop(self.ready)

    def answered(self, now: float, *, failed: bool = False) -> float | None:
        if self.taken >= self.limit or now >= self.end:
            return None
        if self.direct and not failed:
            self.taken += 1
            return now
        if not self.flat and self.users > wanted_users(self.load.points, now):
            self.users -= 1
        else:
            self.join(now + self.random.uniform(*self.load.think_s) + (FAILED_PAUSE_S if failed else 0.0))
        return None

    def adjust(self, now: float) -> None:
        while self.users < math.floor(wanted_users(self.load.points, now)):
            self.users += 1
            self.join(now)

    def over(self, now: float) -> bool:
        return self.taken >= self.limit or now >= self.end

    def join(self, at: float) -> None:
        """A user asks at this time, or at the next slot that their common limit leaves."""
        if self.load.rate_cap is not None:
            at = max(at, self.slot)
            self.slot = at + 1 / self.load.rate_cap
        heapq.heappush(self.ready, at)


def wanted_users(points: tuple[tuple[float, float], ...], now: float) -> float:
    """How many users there are to be: on the straight line between the points around now."""
    (before, users) = points[0]
    for at, level in points[1:]:
        if now < at:
            return users + (level - users) * max(0.0, now - before) / (at - before)
        before, users = at, level
    return users


def schedule_for(load: Load, random: random.Random) -> Schedule:
    return Arrivals(load) if isinstance(load, Open) else Crowd(load, random)
