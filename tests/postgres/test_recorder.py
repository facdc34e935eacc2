"""What an execution has done, written down by groups: who may write, what is refused, and steps done exactly once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from database import documents
from database.documents import NotStorable
from database.queue import LeaseLost
from database.recorder import Recorder, Step
from tests.postgres.queue_support import Async, Rows, rows_in

T = TypeVar("T")


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


def owned(rows: Rows, owner: str = "me") -> UUID:
    """An execution that runs under this owner's lease."""
    execution = rows.add()
    rows.set(execution, status="running", lease_owner=owner)
    return execution


def recorded(dsn: str, call: Callable[[Recorder], Awaitable[T]]) -> T:
    async def in_block() -> T:
        async with Recorder(dsn) as recorder:
            return await asyncio.wait_for(call(recorder), 20)

    return asyncio.run(in_block())


def steps(rows: Rows) -> list[Any]:
    return rows.connection.execute(
        "SELECT number, name, status, output, error FROM execution_steps ORDER BY execution_id, number"
    ).fetchall()


def test_steps_and_the_result_of_an_execution(migrated: str, rows: Rows) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> dict[int, Step]:
        await recorder.start_step(mine, "me", 1, "read")
        await recorder.finish_step(mine, "me", 1, "read", output={"lines": [1, None, "ü"]})
        await recorder.start_step(mine, "me", 2, "write")
        await recorder.finish_step(mine, "me", 2, "write", error="no room")
        await recorder.start_step(mine, "me", 3, "say")
        finished = await recorder.finished_steps(mine)
        await recorder.finish(mine, "me", status="failed", result={"a": 1}, summary="s", quality_score=80, error="no")
        return finished

    assert recorded(migrated, work) == {1: Step(1, "read", {"lines": [1, None, "ü"]})}
    assert steps(rows) == [
        (1, "read", "completed", {"lines": [1, None, "ü"]}, None),
        (2, "write", "failed", None, "no room"),
        (3, "say", "failed", None, "the execution ended"),
    ]
    ended = rows.get(mine, "status", "result", "result_summary", "quality_score", "error_message", "lease_expires_at")
    assert ended == ("failed", {"a": 1}, "s", 80, "no", None)
    assert rows.get(mine, "completed_at")


def test_a_second_attempt_does_a_failed_step_again_and_leaves_a_finished_one(migrated: str, rows: Rows) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> None:
        await recorder.finish_step(mine, "me", 1, "read", output=1)
        await recorder.finish_step(mine, "me", 2, "write", error="no room")
        await recorder.start_step(mine, "me", 1, "read")
        await recorder.finish_step(mine, "me", 1, "read", output=2)
        await recorder.start_step(mine, "me", 2, "write")
        assert steps(rows)[1] == (2, "write", "running", None, None)
        await recorder.finish_step(mine, "me", 2, "write", output=3)

    recorded(migrated, work)
    assert steps(rows) == [(1, "read", "completed", 1, None), (2, "write", "completed", 3, None)]


def test_a_lost_lease_is_told_to_its_loser_alone(migrated: str, rows: Rows) -> None:
    mine, lost, ended = owned(rows), owned(rows, "you"), owned(rows)
    rows.set(ended, status="cancelled")

    async def work(recorder: Recorder) -> list[Any]:
        return await asyncio.gather(
            recorder.start_step(mine, "me", 1, "a"), recorder.start_step(lost, "me", 1, "a"),
            recorder.finish_step(lost, "me", 2, "a"), recorder.finish_step(ended, "me", 1, "a"),
            recorder.finish(lost, "me", status="completed"), recorder.finish(ended, "me", status="completed"),
            return_exceptions=True,
        )  # fmt: skip

    first, *others = recorded(migrated, work)
    assert first is None
    assert [type(error) for error in others] == [LeaseLost] * 5
    assert len(steps(rows)) == 1
    assert (rows.status(lost), rows.status(ended)) == ("running", "cancelled")


def test_a_repeated_end_is_fine_and_another_one_is_not(migrated: str, rows: Rows) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> None:
        await recorder.finish(mine, "me", status="completed", summary="first")
        await recorder.finish(mine, "me", status="completed", summary="first")
        with pytest.raises(LeaseLost):
            await recorder.finish(mine, "me", status="failed")

    recorded(migrated, work)
    assert rows.get(mine, "status", "result_summary") == ("completed", "first")


def test_what_postgres_refuses_spoils_nothing_else(migrated: str, rows: Rows) -> None:
    good, bad = [owned(rows) for _ in range(5)], owned(rows)

    async def work(recorder: Recorder) -> list[Any]:
        return await asyncio.gather(
            *(recorder.finish_step(one, "me", 1, "a") for one in good),
            recorder.finish_step(bad, "me", 0, "steps count from 1"),
            recorder.finish(bad, "me", status="completed", quality_score=101),
            return_exceptions=True,
        )

    *fine, number, score = recorded(migrated, work)
    assert fine == [None] * 5
    assert isinstance(number, psycopg.errors.CheckViolation)
    assert isinstance(score, psycopg.errors.CheckViolation)
    assert len(steps(rows)) == 5
    assert rows.status(bad) == "running"


def test_texts_that_postgres_cannot_hold_are_mended_and_no_json_is_refused(migrated: str, rows: Rows) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> None:
        odd = {"nul\x00": ["\ud800", "fine \\u0000"]}
        await recorder.finish_step(mine, "me", 1, "nul\x00", output=odd)
        await recorder.finish_step(mine, "me", 2, "b", error="\udfff and \x00")
        for value in (float("nan"), object(), {"a": {1, 2}}):
            with pytest.raises(NotStorable, match="is not JSON"):
                await recorder.finish_step(mine, "me", 3, "c", output=value)
        with pytest.raises(NotStorable, match="16,777,216"):
            await recorder.finish(mine, "me", status="completed", result="x" * documents.MAX_DOCUMENT)
        await recorder.finish(mine, "me", status="completed", summary="\x00")

    recorded(migrated, work)
    assert steps(rows) == [
        (1, "nul\ufffd", "completed", {"nul\ufffd": ["\ufffd", "fine \\u0000"]}, None),
        (2, "b", "failed", None, "\ufffd and \ufffd"),
    ]


def test_writes_of_one_moment_are_one_transaction(migrated: str, rows: Rows) -> None:
    mine = [owned(rows) for _ in range(200)]

    async def work(recorder: Recorder) -> None:
        await asyncio.gather(*(recorder.start_step(one, "me", 1, "a") for one in mine))
        await asyncio.gather(*(recorder.finish_step(one, "me", 1, "a", output=1) for one in mine))

    recorded(migrated, work)
    assert rows.one("SELECT count(*) FROM execution_steps WHERE status = 'completed'") == 200
    assert rows.one("SELECT count(DISTINCT completed_at) FROM execution_steps") <= 2


def test_who_stops_waiting_disturbs_nobody(migrated: str, rows: Rows) -> None:
    mine = [owned(rows) for _ in range(3)]

    async def work(recorder: Recorder) -> None:
        first, second = (asyncio.ensure_future(recorder.start_step(one, "me", 1, "a")) for one in mine[:2])
        await asyncio.sleep(0)
        first.cancel()
        await second
        await recorder.start_step(mine[2], "me", 1, "a")

    recorded(migrated, work)
    assert len(steps(rows)) >= 2


def test_what_is_not_written_when_the_block_ends_says_so(rows: Rows) -> None:
    async def leave() -> None:
        async with Recorder("host=127.0.0.1 port=1") as recorder:
            waiting = asyncio.ensure_future(recorder.start_step(owned(rows), "me", 1, "a"))
            await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="closed before this was written"):
            await waiting

    asyncio.run(leave())


@pytest.fixture
def effects(rows: Rows) -> Iterator[Callable[[], int]]:
    """A table for side effects, and how many there were."""
    rows.connection.execute("CREATE TABLE effects (id UUID)")
    yield lambda: int(rows.one("SELECT count(*) FROM effects"))
    rows.connection.execute("DROP TABLE effects")


async def affect(connection: Async) -> dict[str, int]:
    await connection.execute("INSERT INTO effects VALUES (gen_random_uuid())")
    return {"done": 1}


def test_a_step_and_its_effect_happen_once(migrated: str, rows: Rows, effects: Callable[[], int]) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> list[Any]:
        await recorder.start_step(mine, "me", 1, "a")
        return [await recorder.once(mine, "me", 1, "a", affect) for _ in range(3)]

    assert recorded(migrated, work) == [{"done": 1}] * 3
    assert effects() == 1
    assert steps(rows) == [(1, "a", "completed", {"done": 1}, None)]


def test_the_same_step_twice_at_a_time_has_one_effect(migrated: str, rows: Rows, effects: Callable[[], int]) -> None:
    mine = owned(rows)

    async def work(recorder: Recorder) -> list[Any]:
        return await asyncio.gather(*(recorder.once(mine, "me", 1, "a", affect) for _ in range(5)))

    assert recorded(migrated, work) == [{"done": 1}] * 5
    assert effects() == 1


def test_a_step_that_fails_or_lost_its_lease_has_no_effect(
    migrated: str, rows: Rows, effects: Callable[[], int]
) -> None:
    mine, lost = owned(rows), owned(rows, "you")

    async def fail(connection: Async) -> None:
        await affect(connection)
        raise ZeroDivisionError

    async def lose(connection: Async) -> None:
        await affect(connection)
        rows.set(mine, status="pending")  # a reaper, while the step is being done

    async def answer_no_json(connection: Async) -> object:
        return (await affect(connection)), object()

    async def work(recorder: Recorder) -> None:
        for step, error in ((fail, ZeroDivisionError), (answer_no_json, NotStorable), (lose, LeaseLost)):
            with pytest.raises(error):
                await recorder.once(mine, "me", 1, "a", step)
        with pytest.raises(LeaseLost):
            await recorder.once(lost, "me", 1, "a", affect)

    recorded(migrated, work)
    assert effects() == 0
    assert steps(rows) == []


def test_a_step_being_done_holds_up_no_heartbeat(migrated: str, rows: Rows, effects: Callable[[], int]) -> None:
    mine = owned(rows)

    async def slow(connection: Async) -> None:
        await affect(connection)
        rows.connection.execute("SET lock_timeout = '1s'")
        rows.set(mine, lease_expires_at="2030-01-01")

    recorded(migrated, lambda recorder: recorder.once(mine, "me", 1, "a", slow))
    assert effects() == 1
