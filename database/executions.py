"""Executions of agents, as people ask for them, see them, cancel them and have them tried again.

A request is one INSERT of a `pending` row; whoever runs agents takes it from there. What a user may not see is the same
as no row. In a repository without an organization its owner may do everything and others nothing; in one of an
organization the schema's `has_permission` decides: agents.read, agents.execute (also to retry), agents.stop.
An agent that concerns the whole installation demands a grant of the account besides (`Agent.grant`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from database.agents import AGENTS
from database.execution_rows import (
    LISTED,
    Cursor,
    Execution,
    ExecutionDetail,
    Filter,
    ListedExecution,
    Log,
    LogLine,
    Page,
    Request,
    Standing,
    Step,
)
from database.queries import load
from database.refusals import Conflict
from database.repositories import places
from database.users import is_granted

SQL = load("executions.sql")
QUEUE = load("queue.sql")
PAGE_BYTES = 2_000_000
SCANNED = 10_000
"""Rows that a search for a text looks at for one page: the page costs the same however many rows there are."""
Connection = psycopg.Connection[Any]


class NotPermitted(Exception):
    """The user sees it and may not do this with it. The message is the permission that is missing."""


class NotGranted(NotPermitted):
    """The permission is one that an account has system-wide, or not at all."""


class WrongState(Exception):
    """The execution is past this, or not there yet. The message is its status."""


def create(connection: Connection, user_id: UUID, request: Request) -> Execution | None:
    """Write the request down; None if the user sees no such repository. Raises `NotPermitted`, also for an agent of the
    plan that comes with it, and `Conflict` if the repository was deactivated."""
    values = asdict(request) | {
        "user_id": user_id,
        "grants": (grants := grants_of([request.agent_type, *planned_agents(request.input)])),
        "options": Jsonb(request.options),
        "input": Jsonb(request.input),
    }
    with connection.cursor(row_factory=class_row(Execution)) as cursor:
        if made := cursor.execute(SQL["create"], values).fetchone():
            return made
    if connection.execute(SQL["sees_repository"], values).fetchone() == (True,):
        if connection.execute(SQL["is_inactive"], values).fetchone() == (True,):
            raise deactivated()
        demand(connection, user_id, grants)
        raise NotPermitted("agents.execute")
    return None


def deactivated() -> Conflict:
    return Conflict("This repository was deactivated; register it again")


def planned_agents(input: Mapping[str, Any]) -> Iterator[str]:
    """The agents of a plan that a coordinator is asked to carry out, by all names of the field
    (tasks/agents/coordinator_plan.py)."""
    issue = input.get("issue")
    for task in issue.get("tasks", []) if isinstance(issue, dict) else []:
        yield from (str(task[name]) for name in ("agent", "agent_type", "agentType") if name in task)


def grants_of(agent_types: Iterable[str]) -> list[str]:
    """What an account needs to have these agents work; for one that is not known (any more) nothing."""
    return sorted({AGENTS[name].grant or "" for name in agent_types if name in AGENTS} - {""})


def demand(connection: Connection, user_id: UUID, grants: Iterable[str]) -> None:
    """Raises `NotGranted` if the account lacks one."""
    for grant in grants:
        if not is_granted(connection, user_id, grant):
            raise NotGranted(grant)


def get(connection: Connection, user_id: UUID, execution_id: UUID) -> ExecutionDetail | None:
    """One execution with its steps, as far as they have come."""
    values = {"user_id": user_id, "execution_id": execution_id}
    with connection.cursor(row_factory=class_row(ExecutionDetail)) as cursor:
        found = cursor.execute(SQL["get"], values).fetchone()
    if found is None:
        return None
    grants = grants_of([found.agent_type])
    may_execute = found.may_execute and all(is_granted(connection, user_id, grant) for grant in grants)
    with connection.cursor(row_factory=class_row(Step)) as cursor:
        return replace(found, may_execute=may_execute, steps=cursor.execute(SQL["steps"], values).fetchall())


def page(
    connection: Connection, user_id: UUID, wanted: Filter, *, organization_id: UUID | None = None,
    before: Cursor | None = None, limit: int = 50,
) -> Page:  # fmt: skip
    """All of an organization, or what the user has asked for, newest first, those after the row `before`; if `visible`
    is wanted, all that the user may look at."""
    visible = wanted.visible and connection.execute(SQL["sees_more"], {"user_id": user_id}).fetchone() == (True,)
    values = asdict(wanted) | {
        "visible": visible,
        "places": places(connection, organization_id),
        "user_id": user_id,
        "before_at": before and before.created_at,
        "before_id": before and before.id,
        "scanned": SCANNED if wanted.text else limit + 1,
        "limit": limit + 1,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["page"], values, prepare=False).fetchall()  # planned for these values, by their index
    last = rows[limit - 1] if len(rows) > limit else rows[-1] if rows and rows[-1]["place"] == SCANNED else None
    shown = [{name: row[name] for name in LISTED} for row in rows[:limit] if row["found"]]
    return Page([ListedExecution(**row) for row in shown], Cursor(last["created_at"], last["id"]) if last else None)


def logs(connection: Connection, user_id: UUID, execution_id: UUID, *, since: int = 0, limit: int = 1000) -> Log | None:
    """The log after line `since`, in order, about `PAGE_BYTES` of it; None if the user sees no such execution."""
    now = standing(connection, user_id, execution_id, "agents.read")
    if now is None:
        return None
    values = {"execution_id": execution_id, "since": since, "limit": limit, "bytes": PAGE_BYTES}
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return Log(now.status, cursor.execute(SQL["logs"], values).fetchall(), now.snapshot)


def cancel(connection: Connection, user_id: UUID, execution_id: UUID) -> Execution | None:
    """Cancel what is pending, ask the owner of what is running to stop; its descendants too. Twice is once.

    None if the user sees no such execution. Raises `NotPermitted`, and `WrongState` if it has ended.
    """
    if not may(connection, user_id, execution_id, "agents.stop", when=("pending", "running")):
        return None
    (status,) = connection.execute(QUEUE["request_cancel"], {"execution_id": execution_id}).fetchone() or ("gone",)
    if status not in ("cancelled", "running"):  # it ended in between
        raise WrongState(status)
    return row(connection, execution_id)


def retry(connection: Connection, user_id: UUID, execution_id: UUID) -> Execution | None:
    """Put a failed execution back into the queue, with all its attempts; finished steps stay finished.

    None if the user sees no such execution. Raises `NotPermitted`, `WrongState` if it has not failed, and `Conflict` if
    its repository was deactivated.
    """
    if not may(connection, user_id, execution_id, "agents.execute", when=("failed",)):
        return None
    values = {"execution_id": execution_id}
    with connection.transaction():
        if connection.execute(SQL["hold_place"], values).fetchone() == (True,):
            raise deactivated()
        if connection.execute(QUEUE["retry"], values).fetchone() is None:
            now = row(connection, execution_id)  # someone else was faster, or something below it has not stopped yet
            raise WrongState("still stopping its children" if now and now.status == "failed" else "pending")
    return row(connection, execution_id)


def may(connection: Connection, user_id: UUID, execution_id: UUID, permission: str, *, when: Collection[str]) -> bool:
    """False if the user does not see it. Raises `NotPermitted`, and `WrongState` if its status is none of `when`."""
    now = standing(connection, user_id, execution_id, permission)
    if now is None:
        return False
    if not now.permitted:
        raise NotPermitted(permission)
    if permission == "agents.execute":
        demand(connection, user_id, grants_of([now.agent_type]))
    if now.status not in when:
        raise WrongState(now.status)
    return True


def standing(connection: Connection, user_id: UUID, execution_id: UUID, permission: str) -> Standing | None:
    """How it stands with an execution, and whether the user has the permission; None if the user does not see it."""
    values = {"user_id": user_id, "execution_id": execution_id, "permission": permission}
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(SQL["standing"], values).fetchone()


def row(connection: Connection, execution_id: UUID) -> Execution | None:
    with connection.cursor(row_factory=class_row(Execution)) as cursor:
        return cursor.execute(SQL["row"], {"execution_id": execution_id}).fetchone()
