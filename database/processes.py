"""The processes that run agents, as they said themselves: `beat` is theirs, every few seconds; the rest for people."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from database.queries import load

SQL = load("processes.sql")
WORKERS, COORDINATORS = ("worker", "prefect"), ("dispatcher",)


@dataclass(frozen=True)
class Process:
    """How a process is. Times that are None are now; `patience_s`: silent for longer, it counts as gone."""

    id: str
    kind: Literal["worker", "dispatcher", "prefect"]
    name: str
    environment: str
    host: str | None = None
    pool: str | None = None
    capacity: int | None = None
    cpu_usage: float | None = None
    memory_usage: float | None = None
    disk_usage: float | None = None
    latency_ms: float | None = None
    patience_s: int = 30
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    stopped: bool = False


@dataclass(frozen=True)
class CurrentTask:
    """What a worker is at. `progress` is the share of its steps that are done, in percent: they become more."""

    task_id: UUID
    title: str
    started_at: datetime | None
    progress: int | None


@dataclass(frozen=True)
class Worker:
    """`kind`: an agent worker of ours, or a worker of Prefect's in the work pool `pool`. `status` is `idle`, `busy` or
    `offline`; `current_task` is there if the user who asks may see it."""

    worker_id: str
    name: str
    kind: str
    environment: str
    pool: str | None
    status: str
    current_task: CurrentTask | None
    cpu_usage: float | None
    memory_usage: float | None
    tasks_completed: int
    tasks_failed: int
    capacity: int | None
    uptime_seconds: int
    last_heartbeat: datetime


@dataclass(frozen=True)
class Coordinator:
    """A dispatcher: `port` is null, since it listens on none. `status` is `online` or `offline`."""

    coordinator_id: str
    name: str
    environment: str
    host: str | None
    port: int | None
    status: str
    workers_managed: list[str]
    active_tasks: int
    total_capacity: int
    cpu_usage: float | None
    memory_usage: float | None
    disk_usage: float | None
    network_latency_ms: float | None
    last_heartbeat: datetime


async def beat(connection: psycopg.AsyncConnection[Any], process: Process) -> None:
    """Write down that it lives."""
    await connection.execute(SQL["beat"], asdict(process))


async def forget(connection: psycopg.AsyncConnection[Any]) -> None:
    """Those of which nothing was heard for a week."""
    await connection.execute(SQL["forget"])


def workers(
    connection: psycopg.Connection[Any], user_id: UUID, *, id: str | None = None, after: str | None = None,
    limit: int = 50,
) -> list[Worker]:  # fmt: skip
    """By their ids."""
    values = {"user_id": user_id, "id": id, "after": after, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        return [worker(row) for row in cursor.execute(SQL["workers"], values).fetchall()]


def worker(row: dict[str, Any]) -> Worker:
    parts = {name: row.pop(name) for name in ("task_id", "title", "started_at", "progress")}
    return Worker(**row, current_task=CurrentTask(**parts) if parts["task_id"] else None)


def coordinators(
    connection: psycopg.Connection[Any], *, id: str | None = None, after: str | None = None, limit: int = 50
) -> list[Coordinator]:
    values = {"id": id, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(Coordinator)) as cursor:
        return cursor.execute(SQL["coordinators"], values).fetchall()


def count(connection: psycopg.Connection[Any], kinds: Sequence[str]) -> int:
    ((found,),) = connection.execute(SQL["count"], {"kinds": list(kinds)}).fetchall()
    return int(found)
