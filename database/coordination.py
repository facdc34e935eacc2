"""The tasks of a coordinator's plan, and the executions that do them.

A task has an id that follows from its coordinator and its key, and its execution a key that follows from the task: a
second attempt of the coordinator finds both again and makes neither twice. Whoever else starts a task's execution (the
waterspider) has to use that key, `task:<id>`. All functions are async and take a connection in autocommit mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.agents import AGENTS
from database.asking import NotRunning
from database.queries import load
from database.tasks import task_id

SQL = load("coordination.sql")
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class StoredTask:
    """A task as its table holds it. `depends_on` are keys of other tasks of the plan; `metadata` is for people."""

    key: str
    name: str
    description: str
    priority: str
    agent_type: str
    issue_number: int | None
    depends_on: Sequence[str]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """How a task's execution stands. `outcome` is the mission's word in its result: success or escalated. A task that a
    person has cancelled before it was begun has none."""

    task_id: UUID
    execution_id: UUID | None
    status: str
    outcome: str | None
    escalation: dict[str, Any] | None
    result_summary: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None


async def store(connection: Connection, coordinator: UUID, tasks: Sequence[StoredTask]) -> None:
    """Write down the plan: all of it or nothing. What is stored already stays as it is. Raises NotRunning."""
    rows = [
        {
            "id": str(task_id(coordinator, task.key)), "name": task.name, "description": task.description,
            "priority": task.priority, "agent_type": task.agent_type, "issue_number": task.issue_number,
            "metadata": {**task.metadata, "key": task.key},
        }
        for task in tasks
    ]  # fmt: skip
    edges = [
        {"task_id": str(task_id(coordinator, task.key)), "depends_on": str(task_id(coordinator, other))}
        for task in tasks
        for other in task.depends_on
    ]
    async with connection.transaction():
        if await (await connection.execute(SQL["hold"], {"coordinator": coordinator})).fetchone() is None:
            raise not_running(coordinator)
        await connection.execute(SQL["store_tasks"], {"coordinator": coordinator, "tasks": Jsonb(rows)})
        await connection.execute(SQL["store_dependencies"], {"dependencies": Jsonb(edges)})


async def start(
    connection: Connection, coordinator: UUID, key: str, *, input: Mapping[str, Any], options: Mapping[str, Any],
    agent_type: str,
) -> UUID | None:  # fmt: skip
    """Ask for the execution of a task; its id, the same one however often it is asked for, and None if the task was
    cancelled before. Raises NotRunning."""
    values = {
        "coordinator": coordinator, "task": task_id(coordinator, key), "input": Jsonb(dict(input)),
        "options": Jsonb(dict(options)), "max_attempts": AGENTS[agent_type].max_attempts,
    }  # fmt: skip
    for _ in range(2):  # who is second sees the first one's row only in a statement that begins after its commit
        if found := await (await connection.execute(SQL["start"], values)).fetchone():
            return UUID(str(found[0]))
    if await (await connection.execute(SQL["cancelled"], values)).fetchone() == (True,):
        return None
    raise not_running(coordinator)


def not_running(coordinator: UUID) -> NotRunning:
    return NotRunning(f"execution {coordinator} is not running, or to be cancelled: it starts no task")


async def standing(connection: Connection, coordinator: UUID, keys: Sequence[str]) -> dict[str, Standing]:
    """How the tasks stand that have an execution, or were cancelled, by key. Their own rows follow by a trigger."""
    ids = {task_id(coordinator, key): key for key in keys}
    async with connection.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(SQL["standing"], {"tasks": list(ids)})
        return {ids[found.task_id]: found for found in await cursor.fetchall()}


async def skip(connection: Connection, coordinator: UUID, reasons: Mapping[str, str]) -> None:
    """Write down which tasks are not run, and why, by key."""
    rows = [{"id": str(task_id(coordinator, key)), "reason": reason} for key, reason in reasons.items()]
    await connection.execute(SQL["skip"], {"skipped": Jsonb(rows)})
