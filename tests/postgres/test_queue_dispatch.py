"""Executions that need a process of their own: reserved, submitted to Prefect, claimed there, or taken back."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from database.queue import Limits, Reservation
from tests.postgres.queue_support import Rows, rows_in
from tests.postgres.test_queue_leases import Queue


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


@pytest.fixture
def do(migrated: str) -> Queue:
    return Queue(migrated)


def reserve(do: Queue, **options: object) -> list[Reservation]:
    found: list[Reservation] = do.awaiting_dispatch(
        **{"agent_types": ["codegen", "pr"], "limit": 10, "limits": Limits(), **options}
    )
    return found


def ids(reservations: list[Reservation]) -> list[UUID]:
    return [reservation.id for reservation in reservations]


def test_a_reserved_one_is_nobody_elses_for_a_while_and_then_has_the_same_key(rows: Rows, do: Queue) -> None:
    rows.add("review")
    mine = rows.add(input={"issue": 7})
    (reserved,) = reserve(do)
    assert (reserved.id, reserved.input, reserved.attempt, reserved.key) == (mine, {"issue": 7}, 0, f"{mine}:1")
    assert rows.status(mine) == "pending"
    assert reserve(do) == []
    assert mine not in do.take()
    rows.connection.execute("UPDATE agent_executions SET dispatched_until = now() WHERE id = %s", [mine])
    assert reserve(do)[0].key == f"{mine}:1", "so Prefect makes no second run"


def test_reserved_ones_count_as_running(rows: Rows, do: Queue) -> None:
    here = rows.repository()
    first, second = rows.add("pr", here), rows.add("pr", here)
    red = rows.add("coordinator", here)
    crowd = [rows.add() for _ in range(3)]
    assert ids(reserve(do, limits=Limits(total=3))) == [first, *crowd[:2]]
    assert ids(reserve(do, limits=Limits(total=4))) == [crowd[2]]
    assert do.take() == [], "red waits, and all places are taken"
    assert rows.status(second) == rows.status(red) == "pending"


def test_its_flow_process_claims_it_by_id(rows: Rows, do: Queue) -> None:
    here = rows.repository()
    mine, run_id = rows.add("codegen", here), uuid4()
    (reserved,) = reserve(do)
    assert do.submitted(mine, dispatch=reserved.dispatch, flow_run_id=run_id)
    claimed = do.claim_one("p1", execution_id=mine, lease_s=30)
    assert (claimed.id, claimed.attempt, claimed.flow_run_id, claimed.repository) == (mine, 1, run_id, "hana/r1")
    assert do.claim_one("p2", execution_id=mine, lease_s=30) is None
    assert not do.submitted(mine, dispatch=reserved.dispatch, flow_run_id=uuid4()), "it was faster than the answer"
    assert rows.get(mine, "flow_run_id") == run_id
    do.give_back("p1", execution_id=mine, attempt_used=True)
    assert reserve(do)[0].key == f"{mine}:2"


def test_an_unreserved_one_is_claimed_by_id_if_the_rules_allow(rows: Rows, do: Queue) -> None:
    here = rows.repository()
    first, second = rows.add("pr", here), rows.add("pr", here)
    assert do.claim_one("me", execution_id=first, lease_s=30).id == first
    assert do.claim_one("me", execution_id=second, lease_s=30) is None
    assert do.claim_one("me", execution_id=uuid4(), lease_s=30) is None
    rows.set(first, status="completed")
    assert do.claim_one("me", execution_id=second, lease_s=30).id == second


def test_a_flow_run_that_died_before_it_claimed_is_followed_by_another(rows: Rows, do: Queue) -> None:
    mine = rows.add(max_attempts=2)
    (reserved,) = reserve(do)
    do.submitted(mine, dispatch=reserved.dispatch, flow_run_id=uuid4())
    gone = {"dispatch": reserved.dispatch, "attempt_used": True, "error": "the process was killed"}
    assert do.withdraw(mine, **gone, delay_s=60) == "pending"
    assert reserve(do) == [], "not before its time"
    assert do.withdraw(mine, **gone) is None, "another dispatcher was faster"
    rows.connection.execute("UPDATE agent_executions SET run_after = now() WHERE id = %s", [mine])
    (reserved,) = reserve(do)
    assert reserved.key == f"{mine}:2"
    assert do.withdraw(mine, **gone | {"dispatch": reserved.dispatch}) == "failed"
    assert rows.get(mine, "attempt", "error_message") == (2, "the process was killed")
    assert rows.get(mine, "completed_at")


def test_withdrawn_unused_it_keeps_its_attempts(rows: Rows, do: Queue) -> None:
    mine = rows.add(max_attempts=1)
    (reserved,) = reserve(do)
    assert do.withdraw(mine, dispatch=reserved.dispatch, attempt_used=False) == "pending"
    assert reserve(do)[0].key == f"{mine}:2"


def test_the_end_of_an_earlier_run_is_no_reason_to_take_the_next_one_back(rows: Rows, do: Queue) -> None:
    """Reconcilers ask for the run that shows a row; until the next one is made, there is none."""
    mine = rows.add()
    (reserved,) = reserve(do)
    do.submitted(mine, dispatch=reserved.dispatch, flow_run_id=uuid4())
    do.withdraw(mine, dispatch=reserved.dispatch, attempt_used=False)
    (again,) = reserve(do)
    assert (again.flow_run_id, do.linked()) == (None, [])
    assert do.submitted(mine, dispatch=again.dispatch, flow_run_id=uuid4())
    assert [linked.id for linked in do.linked()] == [mine]


def test_cancelled_while_prefect_has_it(rows: Rows, do: Queue) -> None:
    mine = rows.add()
    (reserved,) = reserve(do)
    do.submitted(mine, dispatch=reserved.dispatch, flow_run_id=uuid4())
    assert do.request_cancel(mine) == "cancelled"
    assert do.claim_one("p1", execution_id=mine, lease_s=30) is None
    assert do.withdraw(mine, dispatch=reserved.dispatch, attempt_used=True) is None


def test_what_prefect_shows_is_listed_for_whoever_reconciles(rows: Rows, do: Queue) -> None:
    waits, runs, ended, long_ago, hidden = (rows.add() for _ in range(5))
    for execution in (waits, runs, ended, long_ago):
        rows.set(execution, flow_run_id=uuid4())
    rows.connection.execute(
        "UPDATE agent_executions SET dispatched_until = now() + interval '1 h' WHERE id = %s", [waits]
    )
    do.take(limit=4)
    for execution, age in ((ended, "1 min"), (long_ago, "1 day")):
        rows.connection.execute(
            "UPDATE agent_executions SET status = 'completed', completed_at = now() - %s::interval WHERE id = %s",
            [age, execution],
        )
    found = {linked.id: linked for linked in do.linked()}
    assert set(found) == {waits, runs, ended}
    assert (found[runs].status, found[runs].lease_owner, found[runs].lease_expired) == ("running", "me", False)
    assert rows.status(hidden) == "running"
    assert len(do.linked(limit=1)) == 1
