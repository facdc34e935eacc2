"""Executions that are asked for from inside: by an agent for its children, by a person in the Prefect UI.

All functions are async and take a psycopg connection in autocommit mode. Asking twice with one key makes one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.agents import AGENTS
from database.queries import load
from database.queue import Linked
from database.repositories import SQL as REPOSITORIES
from database.repositories import provisional_id
from database.users import SQL as USERS

SQL = load("asking.sql")
Connection = psycopg.AsyncConnection[Any]
ENDED = frozenset({"completed", "failed", "cancelled"})


class NotRunning(Exception):
    """The parent has ended or is to be cancelled: it may start nothing."""


@dataclass(frozen=True)
class ChildRequest:
    """An execution that an agent asks for, in its own repository and for its own user."""

    agent_type: str
    input: Mapping[str, Any] = field(default_factory=dict)
    issue_number: int | None = None
    priority: str | None = None
    """None: the parent's."""


@dataclass(frozen=True)
class Child:
    """How a child stands. `result` is what its row holds: the agent's output under `data`, beside its metrics."""

    id: UUID
    agent_type: str
    status: str
    result: Any = None
    result_summary: str | None = None
    quality_score: int | None = None
    pr_number: int | None = None
    error_message: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class FormRequest:
    """What a person fills in. `repository` is `owner/name`."""

    agent_type: str
    repository: str | None = None
    issue_number: int | None = None
    priority: str = "P2"
    input: Mapping[str, Any] = field(default_factory=dict)


async def add_children(connection: Connection, parent: UUID, key: str, requests: Sequence[ChildRequest]) -> list[UUID]:
    """Ask for these; their ids, in the same order. The n-th of a key is made once, however often it is asked for.

    Raises NotRunning.
    """
    keys = [f"child:{key}:{number}" for number in range(len(requests))]
    children = [
        {
            "key": one, "agent_type": r.agent_type, "issue_number": r.issue_number, "priority": r.priority,
            "input": dict(r.input), "max_attempts": AGENTS[r.agent_type].max_attempts,
        }
        for one, r in zip(keys, requests, strict=True)
    ]  # fmt: skip
    values = {"parent": parent, "children": Jsonb(children), "keys": keys}
    for _ in range(2):  # who is second sees the first one's rows only in a statement that begins after its commit
        rows = await (await connection.execute(SQL["add_children"], values)).fetchall()
        if len(ids := {key: id for id, key in rows}) == len(keys):
            return [ids[one] for one in keys]
    raise NotRunning(f"execution {parent} is not running, or to be cancelled: it asks for no children")


async def look(connection: Connection, ids: Sequence[UUID]) -> list[Child]:
    """How they stand, in the same order. Raises LookupError if one is gone."""
    async with connection.cursor(row_factory=class_row(Child)) as cursor:
        await cursor.execute(SQL["look"], {"ids": list(ids)})
        found = {child.id: child for child in await cursor.fetchall()}
    if gone := [str(id) for id in ids if id not in found]:
        raise LookupError(f"these executions were deleted: {', '.join(gone)}")
    return [found[id] for id in ids]


async def standing(connection: Connection, ids: Sequence[UUID]) -> list[Linked]:
    """What Postgres says of those of them that exist; their `flow_run_id` may be None."""
    async with connection.cursor(row_factory=class_row(Linked)) as cursor:
        await cursor.execute(SQL["standing"], {"ids": list(ids)})
        return await cursor.fetchall()


async def ask(connection: Connection, request: FormRequest, *, key: str) -> UUID:
    """Write down what a person asked for in the Prefect UI; the row's id. One key, one row.

    It belongs to the repository's owner, or to the account `prefect` where there is none, or where the owner may lack
    what the agent demands.
    """
    user_id, repository_id = await _whose(connection, request.repository)
    if AGENTS[request.agent_type].grant:
        user_id = await _prefect(connection)
    values = {
        "user_id": user_id, "repository_id": repository_id, "agent_type": request.agent_type,
        "issue_number": request.issue_number, "priority": request.priority, "input": Jsonb(dict(request.input)),
        "max_attempts": AGENTS[request.agent_type].max_attempts, "key": key,
    }  # fmt: skip
    for query in ("ask", "asked"):
        if found := await (await connection.execute(SQL[query], values)).fetchone():
            return UUID(str(found[0]))
    raise LookupError(f"the execution that was asked for with key {key!r} was deleted")


async def _whose(connection: Connection, full_name: str | None) -> tuple[UUID, UUID | None]:
    """User and repository; both are made where they are missing."""
    if full_name is not None:
        known = await (await connection.execute(SQL["repository"], {"full_name": full_name})).fetchone()
        if known and known[1]:
            return known[1], known[0]
    user_id = await _prefect(connection)
    if full_name is None:
        return user_id, None
    owner, _slash, name = full_name.partition("/")
    values = {
        "user_id": user_id, "organization_id": None, "full_name": full_name, "owner": owner, "name": name,
        "github_repo_id": provisional_id(user_id, full_name),
    }  # fmt: skip
    await connection.execute(REPOSITORIES["create"], values)
    made = await (await connection.execute(SQL["repository"], {"full_name": full_name})).fetchone()
    if made is None:
        raise LookupError(f"the repository {full_name!r} of the account prefect was deactivated")
    return user_id, made[0]


async def _prefect(connection: Connection) -> UUID:
    """The account `prefect`."""
    await connection.execute(SQL["user"])
    user = await (await connection.execute(SQL["system_user"])).fetchone()
    assert user
    return UUID(str(user[0]))


async def is_granted(connection: Connection, user_id: UUID | None, permission: str) -> bool:
    """Whether an account has the permission system-wide, now."""
    found = await connection.execute(USERS["is_granted"], {"user_id": user_id, "code": permission})
    return await found.fetchone() == (True,)
