"""What a user's dashboard shows: counts, and the executions asked for last."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.executions import Execution
from database.queries import load

SQL = load("dashboard.sql")


@dataclass(frozen=True)
class Summary:
    """Cancelled executions count in the total alone, as in the mission's API."""

    total_executions: int
    running_executions: int
    completed_executions: int
    failed_executions: int
    pending_executions: int
    total_repositories: int
    total_prs_created: int


@dataclass(frozen=True)
class RecentExecution(Execution):
    repository_owner: str | None
    repository_name: str | None


def summary(connection: psycopg.Connection[Any], user_id: UUID) -> Summary:
    with connection.cursor(row_factory=class_row(Summary)) as cursor:
        row = cursor.execute(SQL["summary"], {"user_id": user_id}).fetchone()
    assert row is not None, "an aggregate has always one row"
    return row


def recent(connection: psycopg.Connection[Any], user_id: UUID, *, limit: int = 20) -> list[RecentExecution]:
    with connection.cursor(row_factory=class_row(RecentExecution)) as cursor:
        return cursor.execute(SQL["recent"], {"user_id": user_id, "limit": limit}).fetchall()
