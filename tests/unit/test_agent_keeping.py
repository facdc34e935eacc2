"""Leases: renewed together, lost by an answer or by the clock, stopped when somebody asks."""

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

from database.queue import Claim, Renewal
from tasks.agents.keeping import Held, Keeper
from tasks.agents.store import Away, Store
from tests.agents import Scene


class Leases:
    """The database's answers. `away` makes it not answer."""

    def __init__(self) -> None:
        self.away = False
        self.lost: set[UUID] = set()
        self.cancel: set[UUID] = set()
        self.asked: list[set[UUID]] = []

    async def once(self, _function: Any, _owner: str, *, executions: list[UUID], lease_s: float) -> Renewal:
        if self.away:
            raise Away("the database does not answer")
        self.asked.append(set(executions))
        held = frozenset(set(executions) - self.lost)
        return Renewal(held, frozenset(self.lost), held & frozenset(self.cancel))


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def claim() -> Claim:
    return Claim(**{**vars(Scene().context("waterspider").claim), "id": uuid4()})


def keeper(leases: Leases, clock: Clock) -> Keeper:
    return Keeper(cast(Store, leases), "me", lease_s=0.3, clock=clock)


def test_all_are_renewed_together_and_told_what_became_of_them() -> None:
    async def scene() -> list[Held]:
        leases, clock = Leases(), Clock()
        kept = keeper(leases, clock)
        held = [kept.keep(claim(), since=clock()) for _ in range(3)]
        leases.lost, leases.cancel = {held[1].claim.id}, {held[2].claim.id}
        await kept.renew()
        assert leases.asked == [{one.claim.id for one in held}]
        return held

    assert [held.why for held in asyncio.run(scene())] == [None, "lost", "cancelled"]


def test_the_clock_tells_that_a_lease_is_lost_while_the_database_is_away() -> None:
    async def scene() -> None:
        leases, clock = Leases(), Clock()
        kept = keeper(leases, clock)
        held = kept.keep(claim(), since=clock())
        leases.away, clock.time = True, 100.2
        await kept.renew()
        assert held.why is None
        clock.time = 100.31
        await kept.renew()
        assert held.why == "lost"

    asyncio.run(scene())


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    async def scene() -> None:
        leases, clock = Leases(), Clock()
        kept = keeper(leases, clock)
        held = kept.keep(claim(), since=clock())
        clock.time = 100.2
        await kept.renew()
        leases.away, clock.time = True, 100.45
        await kept.renew()
        assert held.why is None
        clock.time = 100.51
        await kept.renew()
        assert held.why == "lost"

    asyncio.run(scene())


def test_a_hint_makes_it_look_at_once() -> None:
    async def scene() -> None:
        leases = Leases()
        kept = Keeper(cast(Store, leases), "me", lease_s=3000)
        held = kept.keep(claim(), since=kept.now())
        leases.cancel = {held.claim.id}
        task = asyncio.create_task(kept.run())
        kept.look()
        async with asyncio.timeout(1):
            await held.stopped.wait()
        task.cancel()
        assert held.why == "cancelled"

    asyncio.run(scene())


def test_the_first_reason_stands() -> None:
    held = Held(claim())
    held.stop("cancelled")
    held.stop("returned")
    assert held.why == "cancelled"


def test_one_that_waits_for_others_says_so() -> None:
    held, told = Held(claim()), []
    held.changed = lambda: told.append(held.waits)
    with held.waiting(), held.waiting():
        assert held.waits == 2
    assert (held.waits, told) == (0, [1, 2])
