"""Holding on to executions: a heartbeat for all that this process works on, and the news that one of them must stop.

Every third of a lease all of them are renewed in one statement, whose answer says which are lost and which are to be
cancelled; a NOTIFY only makes it look sooner. A process that cannot reach the database for a whole lease takes them
for lost, since others may: it is told so by its own clock, not by an answer that does not come.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import UUID

from database import queue
from database.queue import Claim
from tasks.agents.store import Away, Store

logger = logging.getLogger(__name__)
Why = Literal["cancelled", "lost", "returned"]


async def wanted() -> bool:
    """Nobody cancelled it."""
    return False


class Stopped(Exception):
    """The agent's code was told to end, because of `why`."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Held:
    """An execution that this process works on. It is asked to stop once; the first reason stands."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.stopped = asyncio.Event()
        self.why: Why | None = None
        self.working = False
        """True from when its code begins; before that it is only on its way into Prefect."""
        self.said = 0
        """How many lines it has logged."""
        self.waits = 0
        """How often it waits for its children now; then it does not count against the worker's limit."""
        self.changed: Callable[[], None] = lambda: None
        """Called when it begins to work, or to wait: there is room for another one."""

        self.unwanted: Callable[[], Awaitable[bool]] = wanted
        """Asked when its process is told to end: true if a person cancelled its flow run."""

    def begin(self) -> None:
        self.working = True
        self.changed()

    def stop(self, why: Why) -> None:
        if self.why is None:
            self.why = why
            self.stopped.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.waits += 1
        self.changed()
        try:
            yield
        finally:
            self.waits -= 1


class Keeper:
    """Renews the leases of one owner. `run` it in a task; `look` makes it ask at once."""

    def __init__(
        self, store: Store, owner: str, *, lease_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.owner, self.lease_s = owner, lease_s
        self._store, self._clock = store, clock
        self._held: dict[UUID, Held] = {}
        self._renewed: dict[UUID, float] = {}
        self._look = asyncio.Event()

    def now(self) -> float:
        return self._clock()

    def keep(self, claim: Claim, *, since: float) -> Held:
        """Hold what was claimed; `since` is the clock's time before the claim was sent."""
        held = self._held[claim.id] = Held(claim)
        self._renewed[claim.id] = since
        return held

    def drop(self, held: Held) -> None:
        """Let go of what has ended."""
        if self._held.get(held.claim.id) is held:
            del self._held[held.claim.id], self._renewed[held.claim.id]

    def find(self, execution: UUID) -> Held | None:
        """It, if this process works on it."""
        return self._held.get(execution)

    @property
    def held(self) -> list[Held]:
        return list(self._held.values())

    def look(self) -> None:
        self._look.set()

    def stop_all(self, why: Why) -> None:
        for held in self.held:
            held.stop(why)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self.lease_s / 3):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            await self.renew()

    async def renew(self) -> None:
        """Once, for all. While the database is away, those whose lease must have run out are told that it is lost."""
        asked, began = dict(self._held), self._clock()
        if not asked:
            return
        try:
            async with asyncio.timeout(self.lease_s / 3):
                answer = await self._store.once(queue.renew, self.owner, executions=list(asked), lease_s=self.lease_s)
        except (Away, TimeoutError) as error:
            logger.warning("the leases could not be renewed: %s", error or "no answer")
            self._expire()
            self._look.set()
            await asyncio.sleep(min(1.0, self.lease_s / 10))
            return
        for id in answer.held:
            if id in self._renewed:
                self._renewed[id] = began
        for ids, why in ((answer.lost, "lost"), (answer.cancel, "cancelled")):
            for id in ids:
                asked[id].stop(why)  # type: ignore[arg-type]

    def _expire(self) -> None:
        for id, held in list(self._held.items()):
            if self._clock() - self._renewed[id] > self.lease_s:
                held.stop("lost")
