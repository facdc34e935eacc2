"""What has come to a stop: executions without a sign of life, and tasks that are ready and that nobody has begun.

All functions are async and take a psycopg connection in autocommit mode.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.agents import AGENTS
from database.queries import load

SQL = load("stalls.sql")
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class Stalled:
    """An execution without a sign of life."""

    id: UUID
    agent_type: str
    status: str


@dataclass(frozen=True)
class ReadyTask:
    """A task whose agent may begin."""

    id: UUID
    agent_type: str
    name: str
    description: str | None


async def counts(connection: Connection) -> tuple[int, int]:
    """How many wait, and how many run."""
    row = await (await connection.execute(SQL["counts"])).fetchone()
    assert row
    return row[0], row[1]


async def stalled(connection: Connection, *, after_s: float, limit: int = 1000) -> list[Stalled]:
    """Those that nobody has looked after for `after_s` seconds, oldest first."""
    async with connection.cursor(row_factory=class_row(Stalled)) as cursor:
        await cursor.execute(SQL["stalled"], {"after_s": after_s, "limit": limit})
        return await cursor.fetchall()


async def wake(connection: Connection) -> None:
    """Have all workers and dispatchers look into the queue."""
    await connection.execute(SQL["wake"])


async def ready_tasks(connection: Connection, *, after_s: float, limit: int = 100) -> list[ReadyTask]:
    """Tasks that have been there for `after_s` seconds, whose agent exists, and that depend on nothing any more."""
    async with connection.cursor(row_factory=class_row(ReadyTask)) as cursor:
        await cursor.execute(SQL["ready_tasks"], {"known": list(AGENTS), "after_s": after_s, "limit": limit})
        return await cursor.fetchall()


async def supply(connection: Connection, task: ReadyTask, given: Mapping[str, Any]) -> UUID | None:
    """Ask for the execution of a task; None if somebody else was faster."""
    values = {"task": task.id, "input": Jsonb(dict(given)), "max_attempts": AGENTS[task.agent_type].max_attempts}
    row = await (await connection.execute(SQL["supply"], values)).fetchone()
    return row[0] if row else None
