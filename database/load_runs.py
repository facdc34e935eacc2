"""What load tests measured, and what they look at and leave behind in the database while they run."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.queries import load

SQL = load("load_runs.sql")
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class LoadRun:
    """One load test. Latencies are in milliseconds, and None if nothing was answered."""

    environment: str
    profile: str
    load: str
    """In words; runs of the same words can be compared."""
    passed: bool
    requests: int
    errors: int
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    started_at: datetime
    partial: bool = False
    lambda_version: str | None = None
    flow_run_id: UUID | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    id: UUID | None = None


class Connections(NamedTuple):
    """Clients of the server, of those the ones of this database, and how many it takes."""

    all: int
    here: int
    most: int


def keep_run(connection: Connection, run: LoadRun) -> UUID:
    """Write a run down; its id."""
    row = connection.execute(SQL["keep"], {**asdict(run), "figures": Jsonb(run.figures)}).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def last_runs(connection: Connection, environment: str, profile: str, load: str, *, most: int) -> list[LoadRun]:
    """The last whole runs of the same load, newest first."""
    wanted = {"environment": environment, "profile": profile, "load": load, "most": most}
    with connection.cursor(row_factory=class_row(LoadRun)) as cursor:
        return cursor.execute(SQL["last"], wanted).fetchall()


def count_connections(connection: Connection) -> Connections:
    row = connection.execute(SQL["connections"]).fetchone()
    assert row is not None
    return Connections(*row)


def tidy_executions(connection: Connection, tester: int) -> int:
    """Cancel what the load test's own account asked for and nobody began, and delete what has ended; how many."""
    connection.execute(SQL["cancel_waiting"], {"tester": tester})
    return connection.execute(SQL["forget_ended"], {"tester": tester}).rowcount


def lift_rate_limit(connection: Connection, tester: int) -> None:
    """Let the load test's own account ask the API without a limit."""
    connection.execute(SQL["lift_rate_limit"], {"tester": tester})
