"""Tasks that people plan, and the moves between their states:

    start     pending -> running            unless what it depends on is not done
    complete  running -> completed
    fail      pending, running -> failed
    cancel    pending, running -> cancelled
    retry     failed -> pending             max_retries times

A task that an execution does follows that execution, and moves in no other way while it is under way. Whether the user
may do what is asked is decided before (api/permissions.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.queries import load
from database.refusals import Absent, Conflict, Invalid
from database.repositories import places

SQL = load("tasks.sql")
Connection = psycopg.Connection[Any]
Move = Literal["start", "complete", "fail", "cancel", "retry"]
Priority = Literal["P0", "P1", "P2", "P3"]
TaskStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
DependencyType = Literal["finish_to_start", "start_to_start", "finish_to_finish"]
FROM: Mapping[Move, tuple[TaskStatus, ...]] = {
    "start": ("pending",),
    "complete": ("running",),
    "fail": ("pending", "running"),
    "cancel": ("pending", "running"),
    "retry": ("failed",),
}
TO: Mapping[TaskStatus, Move] = {
    "running": "start", "completed": "complete", "failed": "fail", "cancelled": "cancel", "pending": "retry",
}  # fmt: skip
STARTED: tuple[TaskStatus, ...] = ("running", "completed", "cancelled")
BARRED: Mapping[DependencyType, tuple[TaskStatus, ...]] = {
    "finish_to_start": STARTED,
    "start_to_start": STARTED,
    "finish_to_finish": ("completed", "cancelled"),
}
"""Where it is too late to wait. What has failed may be tried again."""
MOST_DEPENDENCIES = 1000
MOST_COUNTED = 10_000
"""A list costs the same however many tasks there are."""


@dataclass(frozen=True)
class Task:
    id: UUID
    user_id: UUID | None
    repository_id: UUID | None
    name: str
    description: str | None
    status: str
    priority: str | None
    agent_type: str | None
    issue_number: int | None
    execution_id: UUID | None
    started_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    retry_count: int | None
    max_retries: int | None
    timeout_seconds: int | None
    metadata: Any
    result: Any
    error_message: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Filter:
    status: str | None = None
    priority: str | None = None
    agent_type: str | None = None
    repository_id: UUID | None = None


@dataclass(frozen=True)
class Stats:
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True)
class Dependency:
    """`name` and `status` are those of the task that it depends on."""

    id: UUID
    task_id: UUID
    depends_on_task_id: UUID
    dependency_type: str | None
    created_at: datetime
    name: str
    status: str


@dataclass(frozen=True)
class Locked:
    """A task that nobody else changes now. `executing`: an execution that has not ended does it."""

    status: str
    retry_count: int | None
    max_retries: int | None
    execution_id: UUID | None
    executing: bool


def task_id(coordinator: UUID, key: str) -> UUID:
    """The id of a coordinator's task of that key."""
    return uuid5(coordinator, key)


def page(
    connection: Connection, user_id: UUID, organization_id: UUID | None, wanted: Filter, *, number: int, limit: int
) -> list[Task]:
    """The page of that number, from 1: of the user's own tasks, or of all of an organization."""
    values = asdict(wanted) | {
        "user_id": user_id, "organization_id": organization_id, "limit": limit, "offset": (number - 1) * limit,
    }  # fmt: skip
    query = SQL["page_of_organization"] if organization_id else SQL["wanted"] + SQL["page"]
    with connection.cursor(row_factory=class_row(Task)) as cursor:
        return cursor.execute(query, values, prepare=False).fetchall()


def total(connection: Connection, user_id: UUID, organization_id: UUID | None, wanted: Filter) -> int:
    """How many there are on all pages; `MOST_COUNTED` says that there may be more."""
    values = asdict(wanted) | {"user_id": user_id, "organization_id": organization_id, "most": MOST_COUNTED}
    ((found,),) = connection.execute(SQL["wanted"] + SQL["total"], values, prepare=False).fetchall()
    return int(found)


def stats(connection: Connection, user_id: UUID, organization_id: UUID | None) -> Stats:
    values = {"user_id": user_id, "places": places(connection, organization_id)}
    with connection.cursor(row_factory=class_row(Stats)) as cursor:
        row = cursor.execute(SQL["stats"], values, prepare=False).fetchone()
    assert row is not None, "an aggregate has always one row"
    return row


def get(connection: Connection, task_id: UUID) -> Task:
    """Raises Absent."""
    with connection.cursor(row_factory=class_row(Task)) as cursor:
        if found := cursor.execute(SQL["get"], {"task_id": task_id}).fetchone():
            return found
    raise absent()


def absent() -> Absent:
    return Absent("Task not found")


def create(connection: Connection, user_id: UUID, given: Mapping[str, Any]) -> Task:
    """Raises psycopg's ForeignKeyViolation if the user or the repository is gone."""
    values = {**given, "user_id": user_id, "metadata": Jsonb(given["metadata"])}
    with connection.cursor(row_factory=class_row(Task)) as cursor:
        made = cursor.execute(SQL["create"], values).fetchone()
    assert made is not None
    return made


def update(connection: Connection, task_id: UUID, changes: Mapping[str, Any]) -> Task:
    """Write `name`, `description`, `priority` and `metadata`, those that are given, and make the move to a given
    `status`. Raises as `move`."""
    values = dict.fromkeys(("name", "description", "priority", "metadata")) | dict(changes)
    values |= {"metadata": Jsonb(values["metadata"]), "task_id": task_id, "given": list(changes)}
    with connection.transaction():
        now = lock(connection, task_id)
        connection.execute(SQL["update"], values)
        status = changes.get("status", now.status)
        return get(connection, task_id) if status == now.status else move(connection, task_id, TO[status])


def lock(connection: Connection, task_id: UUID) -> Locked:
    """Raises Absent."""
    with connection.cursor(row_factory=class_row(Locked)) as cursor:
        if found := cursor.execute(SQL["lock"], {"task_id": task_id}).fetchone():
            return found
    raise absent()


def move(
    connection: Connection, task_id: UUID, how: Move, *, result: Any = None, error_message: str | None = None
) -> Task:
    """Raises Absent, and Conflict with the reason if it cannot make the move."""
    with connection.transaction():
        now = lock(connection, task_id)
        refuse_executing(now)
        if now.status not in FROM[how]:
            text = f"You can {how} a task that is {' or '.join(FROM[how])}; this one is {now.status}"
            raise Conflict(text, {"status": now.status})
        if how == "retry" and (now.retry_count or 0) >= (now.max_retries or 0):
            raise Conflict("This task was tried again as often as it may", {"max_retries": now.max_retries})
        refuse_unmet(connection, task_id, how)
        kept = None if result is None else Jsonb(result)
        connection.execute(SQL[how], {"task_id": task_id, "result": kept, "error_message": error_message})
        return get(connection, task_id)


def refuse_executing(now: Locked) -> None:
    if now.executing:
        text = f"Execution {now.execution_id} does this task: cancel or retry that, the task follows"
        raise Conflict(text, {"execution_id": str(now.execution_id)})


def refuse_unmet(connection: Connection, task_id: UUID, how: Move) -> None:
    unmet = connection.execute(SQL["unmet"], {"task_id": task_id, "move": how}).fetchall()
    if unmet:
        waits = [str(id) for (id,) in unmet]
        raise Conflict(f"This task waits for {len(waits)} other(s)", {"waits_for": waits})


def delete(connection: Connection, task_id: UUID) -> None:
    """Raises Absent, and Conflict while an execution does it."""
    with connection.transaction():
        refuse_executing(lock(connection, task_id))
        connection.execute(SQL["delete"], {"task_id": task_id})


def dependencies(connection: Connection, task_id: UUID, depends_on: UUID | None = None) -> list[Dependency]:
    with connection.cursor(row_factory=class_row(Dependency)) as cursor:
        values = {"task_id": task_id, "depends_on": depends_on, "limit": MOST_DEPENDENCIES}
        return cursor.execute(SQL["dependencies"], values).fetchall()


def dependency(connection: Connection, task_id: UUID, depends_on: UUID) -> Dependency:
    """Raises Absent."""
    if found := dependencies(connection, task_id, depends_on):
        return found[0]
    raise Absent("The task does not depend on this one")


def add_dependency(connection: Connection, task_id: UUID, depends_on: UUID, kind: DependencyType) -> Dependency:
    """Raises Invalid if the tasks are not of one place, and Conflict for what is there already, makes a circle, or
    comes too late."""
    values = {"task_id": task_id, "depends_on": depends_on, "dependency_type": kind}
    if task_id == depends_on:
        raise Conflict("A task cannot wait for itself")
    if connection.execute(SQL["same_place"], values).fetchone() != (True,):
        raise Invalid("A task waits only for tasks of its own organization")
    try:
        with connection.transaction():
            refuse_late(lock(connection, task_id), kind)
            made = connection.execute(SQL["add_dependency"], values).fetchone()
    except psycopg.errors.RaiseException:  # of check_task_cycle
        raise Conflict("The tasks would wait for each other in a circle") from None
    if made is None:
        raise Conflict("The task depends on this one already")
    return dependency(connection, task_id, depends_on)


def refuse_late(now: Locked, kind: DependencyType) -> None:
    if now.status in BARRED[kind]:
        raise Conflict(f"This task is {now.status}: it is too late for it to wait ({kind})", {"status": now.status})


def remove_dependency(connection: Connection, task_id: UUID, depends_on: UUID) -> None:
    """Raises Absent."""
    values = {"task_id": task_id, "depends_on": depends_on}
    if not connection.execute(SQL["remove_dependency"], values).rowcount:
        raise Absent("The task does not depend on this one")


assert set(TO) == set(get_args(TaskStatus))
