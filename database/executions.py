"""Executions of agents, as their owner asks for them and sees them.

A request is one INSERT of a `pending` row; whoever runs agents takes it from there. All reads are limited to the rows
of one user: a row of another user is the same as no row.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.queries import load

SQL = load("executions.sql")
Connection = psycopg.Connection[Any]


class KeyReused(Exception):
    """The idempotency key belongs to an earlier, different request of this user."""


@dataclass(frozen=True)
class Request:
    """What an agent is asked to do. `priority` is P0 (first) to P3."""

    repository_id: UUID
    agent_type: str
    issue_number: int | None = None
    priority: str = "P2"
    options: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """One execution, as the mission's API shows it, with its priority and the reason of a failure."""

    id: UUID
    repository_id: UUID | None
    issue_number: int | None
    agent_type: str
    status: str
    priority: str
    started_at: datetime | None
    completed_at: datetime | None
    result_summary: str | None
    quality_score: int | None
    pr_number: int | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ExecutionDetail(Execution):
    """With what was asked and what came out, which can be large."""

    options: dict[str, Any]
    input: dict[str, Any]
    result: Any
    attempt: int
    max_attempts: int


@dataclass(frozen=True)
class LogLine:
    """`sequence` grows with each line: the next page is `since` the last one seen."""

    sequence: int
    id: UUID
    execution_id: UUID
    log_level: str
    message: str
    timestamp: datetime
    metadata: Any


@dataclass(frozen=True)
class Cursor:
    """The last row seen."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True)
class Filter:
    status: str | None = None
    agent_type: str | None = None
    repository_id: UUID | None = None


def create(connection: Connection, user_id: UUID, request: Request, *, key: str | None = None) -> Execution | None:
    """Write the request down; None if the repository is not this user's.

    With a key the second call of the same request returns the first one's row; another request raises `KeyReused`.
    """
    values = asdict(request) | {
        "user_id": user_id,
        "key": key,
        "options": Jsonb(request.options),
        "input": Jsonb(request.input),
    }
    with connection.cursor(row_factory=class_row(Execution)) as cursor:
        if made := cursor.execute(SQL["create"], values).fetchone():
            return made
        if key is None:
            return None
        earlier = cursor.execute(SQL["find_by_key"], values).fetchone()
    if earlier and not connection.execute(SQL["is_same_request"], values).fetchone() == (True,):
        raise KeyReused
    return earlier


def get(connection: Connection, user_id: UUID, execution_id: UUID) -> ExecutionDetail | None:
    with connection.cursor(row_factory=class_row(ExecutionDetail)) as cursor:
        return cursor.execute(SQL["get"], {"user_id": user_id, "execution_id": execution_id}).fetchone()


def page(
    connection: Connection, user_id: UUID, wanted: Filter, *, before: Cursor | None = None, limit: int = 50
) -> list[Execution]:
    """The newest executions, or those that come after the row `before`."""
    values = asdict(wanted) | {
        "user_id": user_id,
        "before_at": before and before.created_at,
        "before_id": before and before.id,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(Execution)) as cursor:
        return cursor.execute(SQL["page"], values).fetchall()


def logs(
    connection: Connection, user_id: UUID, execution_id: UUID, *, since: int = 0, limit: int = 1000
) -> list[LogLine] | None:
    """The log after line `since`, in order; None if there is no such execution of this user."""
    values = {"user_id": user_id, "execution_id": execution_id, "since": since, "limit": limit}
    if connection.execute(SQL["is_owner"], values).fetchone() != (True,):
        return None
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["logs"], values).fetchall()
