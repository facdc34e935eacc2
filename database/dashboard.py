"""What a user's dashboard shows: counts, and the executions asked for last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.execution_rows import Execution
from database.queries import load
from database.repositories import places

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


@dataclass(frozen=True)
class Hour:
    """Of what was asked for in this hour: how it stands now."""

    start: datetime
    completed: int
    failed: int
    cancelled: int
    open: int


@dataclass(frozen=True)
class AgentState:
    """What an agent does. `completed` and `failed` count the last 24 hours; `last_…` is asked for last, in an
    organization within these hours."""

    agent_type: str
    running: int
    pending: int
    completed: int
    failed: int
    last_id: UUID | None
    last_status: str | None
    last_at: datetime | None


@dataclass(frozen=True)
class Live:
    """24 hours, the present one last, and the agents, those that were never asked too."""

    running: int
    pending: int
    hours: list[Hour]
    agents: list[AgentState]


def summary(connection: psycopg.Connection[Any], user_id: UUID, organization_id: UUID | None = None) -> Summary:
    """Of what the user asked for, or of all in an organization."""
    values = {"user_id": user_id, "organization_id": organization_id}
    with connection.cursor(row_factory=class_row(Summary)) as cursor:
        row = cursor.execute(SQL["summary"], values, prepare=False).fetchone()
    assert row is not None, "an aggregate has always one row"
    return row


def recent(
    connection: psycopg.Connection[Any], user_id: UUID, organization_id: UUID | None = None, *, limit: int = 20
) -> list[RecentExecution]:
    """What the user asked for last, or anybody in an organization."""
    query = "recent_of_organization" if organization_id else "recent"
    values = {"user_id": user_id, "organization_id": organization_id, "limit": limit}
    with connection.cursor(row_factory=class_row(RecentExecution)) as cursor:
        return cursor.execute(SQL[query], values).fetchall()


def live(
    connection: psycopg.Connection[Any], user_id: UUID, agents: Sequence[str], organization_id: UUID | None = None
) -> Live:
    """Reads what is open, the last 24 hours, and of a user one row of each agent: not more when there are a million
    others."""
    values = {"user_id": user_id, "agents": [*agents], "places": places(connection, organization_id)}
    with connection.cursor(row_factory=class_row(Hour)) as cursor:
        hours = cursor.execute(SQL["hours"], values, prepare=False).fetchall()
    with connection.cursor(row_factory=class_row(AgentState)) as cursor:
        states = cursor.execute(
            SQL["agents_of_organization" if organization_id else "agents"], values, prepare=False
        ).fetchall()
    return Live(sum(state.running for state in states), sum(state.pending for state in states), hours, states)
