"""One run at a time writes in an environment: whoever is faster, never two, and nobody waits for ever."""

import asyncio
import random

import pytest

from flows.excluding import take_turn
from tasks.errors import Permanent


class Board:
    """What Prefect knows: which runs are running and say that they write."""

    def __init__(self) -> None:
        self.writing: set[str] = set()


class Runs:
    """One run's view of the board. Each question takes a moment, as over a network."""

    def __init__(self, board: Board, name: str) -> None:
        self.board, self.name = board, name

    async def say(self, *, writing: bool) -> None:
        await asyncio.sleep(0)
        (self.board.writing.add if writing else self.board.writing.discard)(self.name)

    async def others(self) -> list[str]:
        await asyncio.sleep(0)
        return sorted(self.board.writing - {self.name})


def test_many_at_once_go_one_after_the_other() -> None:
    board, inside, most, done = Board(), set[str](), list[int](), list[str]()
    chance = random.Random(7)

    async def run(name: str) -> None:
        turns = Runs(board, name)
        await take_turn(turns, refuse=False, sleep=lambda s: asyncio.sleep(s / 1000), draw=chance.uniform)
        inside.add(name)
        most.append(len(inside))
        await asyncio.sleep(0.001)
        inside.discard(name)
        await turns.say(writing=False)
        done.append(name)

    async def all_of_them() -> None:
        await asyncio.gather(*(run(f"run {number}") for number in range(12)))

    asyncio.run(all_of_them())
    assert len(done) == 12
    assert max(most) == 1


def test_it_says_for_whom_it_waits(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    board.writing.add("release local 1f3c2ab")

    async def sleep(_seconds: float) -> None:
        board.writing.clear()

    with caplog.at_level("INFO", logger="flows.excluding"):
        asyncio.run(take_turn(Runs(board, "teardown local"), refuse=False, sleep=sleep))
    assert caplog.messages == [
        "waiting for release local 1f3c2ab, which writes in this environment; cancel it to go on"
    ]
    assert board.writing == {"teardown local"}


def test_it_is_refused_where_the_environment_says_so() -> None:
    board = Board()
    board.writing.add("release local 1f3c2ab")
    with pytest.raises(Permanent, match="release local 1f3c2ab is writing in this environment"):
        asyncio.run(take_turn(Runs(board, "migrate local"), refuse=True))
    assert board.writing == {"release local 1f3c2ab"}
