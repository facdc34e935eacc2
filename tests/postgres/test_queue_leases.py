"""What happens to an execution that is owned: renewed, given back, lost, cancelled, tried again."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from database import queue
from database.queue import LeaseLost, Renewal
from tests.postgres.queue_support import Async, Rows, rows_in, run

NOBODY: frozenset[UUID] = frozenset()


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


class Queue:
    """The queue's functions on one database: `do.renew("me", executions=[…], lease_s=30)`."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Awaitable[Any]] = getattr(queue, name)
        return lambda *args, **options: run(self.dsn, lambda connection: function(connection, *args, **options))

    def take(self, owner: str = "me", limit: int = 10) -> list[UUID]:
        claims = self.claim(owner, agent_types=list(queue.COLOURS), limit=limit, lease_s=30)
        return [claim.id for claim in claims]


@pytest.fixture
def do(migrated: str) -> Queue:
    return Queue(migrated)


def test_a_lease_is_renewed_by_its_owner_alone(rows: Rows, do: Queue) -> None:
    mine, asked, gone = rows.add(), rows.add(), rows.add()
    do.take()
    rows.set(gone, status="pending")
    do.request_cancel(asked)
    rows.expire(mine)
    assert do.renew("you", executions=[mine], lease_s=30) == Renewal(NOBODY, frozenset({mine}), NOBODY)
    renewed = do.renew("me", executions=[mine, asked, gone], lease_s=30)
    assert renewed == Renewal(frozenset({mine, asked}), frozenset({gone}), frozenset({asked}))
    assert do.reap(grace_s=0) == queue.Reaped()
    assert do.renew("me", executions=[], lease_s=30) == Renewal(NOBODY, NOBODY, NOBODY)


def test_renewing_is_no_change_and_all_else_is(rows: Rows, do: Queue) -> None:
    """`updated_at` is the version that If-Match names: a cancel of what runs for an hour is not refused."""
    mine = rows.add()
    versions = [rows.one("SELECT updated_at FROM agent_executions WHERE id = %s", mine)]

    def is_new() -> bool:
        versions.append(rows.one("SELECT updated_at FROM agent_executions WHERE id = %s", mine))
        return bool(versions[-1] != versions[-2])

    do.take()
    assert is_new()
    do.renew("me", executions=[mine], lease_s=30)
    assert not is_new()
    do.request_cancel(mine)
    assert is_new()
    rows.set(mine, lease_owner="you")
    assert is_new()


def test_renewing_touches_no_index(migrated: str, rows: Rows, do: Queue) -> None:
    mine = rows.add()
    do.take()
    kept_in_place = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'agent_executions'"
    before = rows.one(kept_in_place)

    async def renew(connection: Async) -> None:
        for _ in range(3):
            await queue.renew(connection, "me", executions=[mine], lease_s=30)
        await connection.execute("SELECT pg_stat_force_next_flush()")

    run(migrated, renew)
    assert rows.one(kept_in_place) - before == 3


def test_the_flow_run_is_linked_by_the_owner(rows: Rows, do: Queue) -> None:
    mine, run_id = rows.add(), uuid4()
    do.take()
    do.link("me", execution_id=mine, flow_run_id=run_id)
    assert rows.get(mine, "flow_run_id") == run_id
    with pytest.raises(LeaseLost, match="not run by 'you'"):
        do.link("you", execution_id=mine, flow_run_id=uuid4())


def test_given_back_after_a_failed_attempt_it_waits_and_counts(rows: Rows, do: Queue) -> None:
    mine = rows.add(max_attempts=2)
    do.take()
    back = {"execution_id": mine, "attempt_used": True}
    assert do.give_back("me", **back, delay_s=60, error="the model is overloaded") == "pending"
    assert rows.get(mine, "attempt", "lease_owner", "error_message") == (1, None, "the model is overloaded")
    assert do.take() == [], "not before its time"
    rows.connection.execute("UPDATE agent_executions SET run_after = now()")
    assert do.take() == [mine]
    assert do.give_back("me", **back, error="still") == "failed"
    assert rows.get(mine, "status", "attempt", "error_message") == ("failed", 2, "still")
    assert rows.get(mine, "completed_at")


def test_given_back_unused_it_keeps_its_attempts(rows: Rows, do: Queue) -> None:
    mine = rows.add(max_attempts=1)
    for _ in range(3):
        assert do.take() == [mine]
        assert do.give_back("me", execution_id=mine, attempt_used=False) == "pending"
    assert rows.get(mine, "attempt") == 0


def test_only_the_owner_gives_back(rows: Rows, do: Queue) -> None:
    mine = rows.add()
    do.take()
    with pytest.raises(LeaseLost):
        do.give_back("you", execution_id=mine, attempt_used=True)
    do.give_back("me", execution_id=mine, attempt_used=True)
    with pytest.raises(LeaseLost):
        do.give_back("me", execution_id=mine, attempt_used=True)


def test_what_is_to_be_cancelled_does_not_wait_again(rows: Rows, do: Queue) -> None:
    returned, abandoned = rows.add(), rows.add()
    do.take()
    for execution in (returned, abandoned):
        assert do.request_cancel(execution) == "running"
    assert do.give_back("me", execution_id=returned, attempt_used=False) == "cancelled"
    rows.expire(abandoned)
    assert do.reap(grace_s=0).cancelled == (abandoned,)
    assert rows.get(abandoned, "cancelled_at")
    assert rows.get(returned, "cancelled_at")


def test_what_dead_owners_left_is_tried_again_until_its_attempts_are_used_up(rows: Rows, do: Queue) -> None:
    last, again, held = rows.add(max_attempts=1), rows.add(), rows.add()
    do.take("w1")
    rows.expire(last, again)
    assert do.reap(grace_s=3600) == queue.Reaped(), "the server has only just started"
    reaped = do.reap(grace_s=0)
    assert (reaped.failed, reaped.pending) == ((last,), (again,))
    reason = rows.get(last, "error_message")
    assert reason.startswith("its worker 'w1' stopped answering in attempt 1 of 1: the lease ran out at 20")
    assert rows.get(again, "lease_owner", "attempt") == (None, 1)
    assert rows.status(held) == "running"
    with pytest.raises(LeaseLost):
        do.give_back("w1", execution_id=again, attempt_used=True)
    assert do.take("w2") == [again]


def test_the_steps_of_what_is_given_up_do_not_run_on(rows: Rows, do: Queue) -> None:
    dead, returned, again = (rows.add(max_attempts=number) for number in (1, 1, 2))
    do.take()
    for execution in (dead, returned, again):
        rows.connection.execute(
            "INSERT INTO execution_steps (execution_id, number, name) VALUES (%s, 1, 's')", [execution]
        )
    do.give_back("me", execution_id=returned, attempt_used=True)
    rows.expire(dead, again)
    do.reap(grace_s=0)
    steps = dict(rows.connection.execute("SELECT execution_id, status FROM execution_steps").fetchall())
    assert steps == {dead: "failed", returned: "failed", again: "running"}


def test_two_reapers_take_different_rows(migrated: str, rows: Rows, do: Queue) -> None:
    one, other = rows.add(), rows.add()
    do.take()
    rows.expire(one, other)
    with psycopg.connect(migrated) as elsewhere:
        elsewhere.execute("SELECT FROM agent_executions WHERE id = %s FOR UPDATE", [one])
        assert do.reap(grace_s=0).pending == (other,)


def test_what_runs_without_a_lease_is_failed_and_not_started_again(rows: Rows, do: Queue) -> None:
    old, fresh = rows.add(status="running"), rows.add(status="running")
    with rows.connection.transaction():
        rows.connection.execute("SET LOCAL session_replication_role = replica")
        rows.connection.execute("UPDATE agent_executions SET updated_at = now() - interval '2 h' WHERE id = %s", [old])
    assert do.reap(grace_s=0).failed == (old,)
    assert "without a lease" in rows.get(old, "error_message")
    assert rows.status(fresh) == "running"


def test_cancelling_takes_the_descendants_along(rows: Rows, do: Queue) -> None:
    parent = rows.add("issue")
    do.take()
    runs, waits, ended = (rows.add(parent_id=parent, priority=priority) for priority in ("P0", "P1", "P0"))
    do.take(limit=1)
    rows.set(ended, status="running")
    rows.set(ended, status="completed")
    below = rows.add(parent_id=runs)
    stranger = rows.add()
    rows.connection.execute("LISTEN agent_cancellations")
    assert do.request_cancel(parent) == "running"
    assert {note.payload for note in rows.connection.notifies(timeout=1, stop_after=4)} == set(
        map(str, (parent, runs, waits, below))
    )
    assert [rows.status(one) for one in (parent, runs, waits, below)] == ["running"] * 2 + ["cancelled"] * 2
    assert rows.get(runs, "cancel_requested_at")
    assert rows.get(waits, "cancelled_at")
    assert (rows.status(ended), rows.status(stranger)) == ("completed", "pending")
    assert do.request_cancel(ended) == "completed"
    assert rows.get(ended, "cancel_requested_at") is None
    assert do.request_cancel(uuid4()) is None


def test_asking_twice_to_cancel_wakes_nobody_again(rows: Rows, do: Queue) -> None:
    mine = rows.add()
    do.take()
    do.request_cancel(mine)
    rows.connection.execute("LISTEN agent_cancellations")
    assert do.request_cancel(mine) == "running"
    assert list(rows.connection.notifies(timeout=0.05)) == []


def test_a_parent_hears_of_the_end_of_its_children(rows: Rows, do: Queue) -> None:
    parent = rows.add("issue")
    do.take()
    children = [rows.add(parent_id=parent) for _ in range(3)]
    do.take()
    rows.connection.execute("LISTEN agent_ended")
    rows.connection.execute("UPDATE agent_executions SET status = 'failed' WHERE id = ANY (%s)", [children])
    rows.set(parent, status="completed")
    assert [note.payload for note in rows.connection.notifies(timeout=0.2)] == [str(parent)]


def test_a_person_lets_a_failed_one_run_again(rows: Rows, do: Queue) -> None:
    mine = rows.add(max_attempts=1)
    do.take()
    dispatch = rows.get(mine, "dispatch")
    assert do.retry(mine) is False, "it runs"
    do.give_back("me", execution_id=mine, attempt_used=True, error="no")
    assert rows.status(mine) == "failed"
    assert do.retry(mine) is True
    assert rows.get(mine, "status", "attempt", "error_message", "started_at", "completed_at") == (
        "pending", 0, None, None, None,
    )  # fmt: skip
    assert rows.get(mine, "dispatch") == dispatch, "a flow run's key is never used twice"
    assert do.take() == [mine]


def test_what_waits_for_an_agent_that_is_unknown_fails(rows: Rows, do: Queue) -> None:
    odd, known = rows.add("o'reilly"), rows.add()
    assert do.refuse_unknown() == [odd]
    assert rows.get(odd, "status", "error_message") == ("failed", "there is no agent 'o''reilly'")
    assert rows.status(known) == "pending"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pending", "completed"), ("completed", "pending"), ("completed", "running"), ("completed", "failed"),
        ("cancelled", "pending"), ("cancelled", "running"), ("failed", "running"), ("failed", "completed"),
    ],
)  # fmt: skip
def test_illegal_moves_are_refused_whoever_makes_them(rows: Rows, before: str, after: str) -> None:
    mine = rows.add(status=before)
    with pytest.raises(psycopg.errors.CheckViolation, match=f"cannot go from {before} to {after}"):
        rows.set(mine, status=after)


def test_ancestors_follow_from_the_parent_and_outlive_it(rows: Rows) -> None:
    one = rows.add()
    two = rows.add(parent_id=one)
    three = rows.add(parent_id=two)
    assert rows.get(three, "ancestors") == [two, one]
    rows.connection.execute("DELETE FROM agent_executions WHERE id = %s", [one])
    assert rows.get(two, "parent_id", "ancestors") == (None, [one])


def test_a_dead_client_does_not_hold_the_queue(migrated: str, rows: Rows, do: Queue) -> None:
    """The lock and the statement are one message: a claim leaves no transaction open."""
    rows.add()

    async def claim_and_look(connection: Async) -> str:
        await queue.claim(connection, "me", agent_types=["codegen"], limit=5, lease_s=30)
        return connection.info.transaction_status.name

    assert run(migrated, claim_and_look) == "IDLE"
