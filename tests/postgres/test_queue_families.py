"""The end of an execution and those that it asked for: they end with it, and come back with it."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from database import asking
from database.asking import ChildRequest, NotRunning
from database.recorder import Recorder
from tests.postgres.queue_support import Async, Rows, rows_in, run
from tests.postgres.test_queue_leases import Queue


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


@pytest.fixture
def do(migrated: str) -> Queue:
    return Queue(migrated)


class Family:
    """A parent that runs and has a child of each kind; `below` is asked for by the one that runs."""

    def __init__(self, rows: Rows, do: Queue) -> None:
        self.rows, self.do = rows, do
        self.parent = rows.add("coordinator", max_attempts=1, priority="P0")
        assert do.take("mine", limit=1) == [self.parent]
        self.runs = rows.add("review", parent_id=self.parent, priority="P0")
        assert do.take("theirs", limit=1) == [self.runs]
        self.waits = rows.add("issue", parent_id=self.parent)
        self.dispatched = rows.add("codegen", parent_id=self.parent)
        rows.connection.execute(
            "UPDATE agent_executions SET dispatched_until = now() + interval '1 h' WHERE id = %s", [self.dispatched]
        )
        self.done = rows.add("issue", parent_id=self.parent)
        rows.set(self.done, status="running")
        rows.set(self.done, status="completed")
        self.below = rows.add("issue", parent_id=self.runs)

    @property
    def open(self) -> list[UUID]:
        return [self.runs, self.waits, self.dispatched, self.below]

    def statuses(self) -> list[str]:
        return [self.rows.status(one) for one in self.open]

    def end(self, how: str) -> None:
        """The parent's, however it comes."""
        match how:
            case "lease":
                self.rows.expire(self.parent)
                assert self.do.reap(grace_s=0).failed == (self.parent,)
            case "given up":
                back = {"execution_id": self.parent, "attempt_used": True, "error": "out of attempts"}
                assert self.do.give_back("mine", **back) == "failed"
            case "api":
                assert self.do.request_cancel(self.parent) == "running"
            case _:
                finish(self.do.dsn, self.parent, "mine", how, "timed out after 4 s")

    def stopped(self) -> None:
        """Who works on the running child notices that it is to stop."""
        assert self.do.renew("theirs", executions=[self.runs], lease_s=30).cancel == {self.runs}
        finish(self.do.dsn, self.runs, "theirs", "cancelled", "cancelled")


def finish(dsn: str, execution: UUID, owner: str, status: str, error: str) -> None:
    async def write(_connection: Async) -> None:
        async with Recorder(dsn) as recorder:
            await recorder.finish(execution, owner, status=status, error=error)  # type: ignore[arg-type]

    run(dsn, write)


@pytest.fixture
def family(rows: Rows, do: Queue) -> Family:
    return Family(rows, do)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("failed", "which failed: timed out after 4 s"),
        ("cancelled", "which was cancelled"),
        ("lease", "which failed: its worker 'mine' stopped answering"),
        ("given up", "which failed: out of attempts"),
        ("api", "which was cancelled"),
    ],
)
def test_what_it_asked_for_ends_with_it(rows: Rows, family: Family, how: str, reason: str) -> None:
    stranger = rows.add("issue")
    rows.connection.execute("LISTEN agent_cancellations")
    family.end(how)
    assert family.statuses() == ["running", "cancelled", "cancelled", "cancelled"]
    told = {note.payload for note in rows.connection.notifies(timeout=0.2)}
    assert told - {str(family.parent)} == set(map(str, family.open))
    family.stopped()
    assert family.statuses() == ["cancelled"] * 4
    for one in family.open:
        why, when = rows.get(one, "error_message", "cancelled_at")
        assert why.startswith(f"cancelled with coordinator {family.parent}, {reason}")
        assert when
    assert rows.get(family.done, "status", "error_message") == ("completed", None)
    assert rows.status(stranger) == "pending"


def test_one_that_goes_on_elsewhere_keeps_its_children(rows: Rows, do: Queue, family: Family) -> None:
    rows.set(family.parent, max_attempts=3)
    kept = family.statuses()
    rows.expire(family.parent)
    assert do.reap(grace_s=0).pending == (family.parent,)
    assert family.statuses() == kept
    assert family.parent in do.take("another")
    do.give_back("another", execution_id=family.parent, attempt_used=True, error="the database was away")
    do.take("another")
    finish(do.dsn, family.parent, "another", "completed", "")
    assert rows.get(family.parent, "status") == "completed"
    assert (rows.status(family.runs), rows.get(family.runs, "cancel_requested_at")) == ("running", None)


def test_one_that_is_tried_again_gets_them_back(rows: Rows, do: Queue, family: Family) -> None:
    family.end("failed")
    assert do.retry(family.parent) is False, "one of them has not stopped yet"
    assert rows.status(family.parent) == "failed"
    family.stopped()
    assert do.retry(family.parent) is True
    assert rows.status(family.parent) == "pending"
    for one in family.open:
        again = rows.get(one, "status", "cancelled_with", "cancel_requested_at", "completed_at", "error_message")
        assert again == ("pending", None, None, None, None)
    assert rows.status(family.done) == "completed"
    assert do.retry(family.parent) is False


def test_what_a_person_cancelled_stays_so(rows: Rows, do: Queue, family: Family) -> None:
    do.request_cancel(family.waits)
    family.end("failed")
    family.stopped()
    assert do.retry(family.parent) is True
    assert rows.get(family.waits, "status", "cancelled_with", "error_message") == ("cancelled", None, None)
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.set(family.waits, status="pending")


def test_a_child_may_be_tried_again_before_its_parent(rows: Rows, do: Queue, family: Family) -> None:
    """As a coordinator's failure says: mend and try the children again, and then the coordinator."""
    rows.set(family.runs, max_attempts=1)
    assert do.give_back("theirs", execution_id=family.runs, attempt_used=True, error="no") == "failed"
    assert rows.get(family.below, "cancelled_with") == family.runs
    family.end("failed")
    assert do.retry(family.runs) is True
    do.reap(grace_s=0)
    assert [rows.status(one) for one in (family.runs, family.below)] == ["pending", "pending"]
    assert rows.status(family.parent) == "failed"


def test_no_child_begins_in_the_name_of_one_that_has_ended(migrated: str, rows: Rows, family: Family) -> None:
    """An insertion that is under way holds the parent's end up, and is seen by it."""
    late = [ChildRequest("review")]

    async def scene(connection: Async) -> UUID:
        async with connection.transaction():
            (child,) = await asking.add_children(connection, family.parent, "step", late)
            rows.connection.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                rows.set(family.parent, status="failed")
        rows.set(family.parent, status="failed")
        with pytest.raises(NotRunning, match="asks for no children"):
            await asking.add_children(connection, family.parent, "another step", late)
        return child

    assert rows.status(run(migrated, scene)) == "cancelled"
