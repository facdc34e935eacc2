"""Executions as a queue: who may run what now, and until when it is theirs.

A worker claims rows (`pending` → `running`) under a lease and renews it; the lease lost, every write of that owner is
refused. A dispatcher reserves rows that need a process of their own and submits them to Prefect; the flow process then
claims its one row. `reap` brings back what dead owners left. Connections are in autocommit mode; each call is one
transaction. What may run beside what: red alone in its repository (but for its ancestors and descendants), yellow
not twice of a type in a repository, blue and green in parallel.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.agents import AGENTS
from database.queries import load

SQL = load("queue.sql")
WINDOW = 64  # rows that are compared beyond those wanted, in one look at the queue
COLOURS: Mapping[str, str] = {agent.id: agent.colour for agent in AGENTS.values()}

Connection = psycopg.AsyncConnection[Any]
Status = Literal["pending", "running", "completed", "failed", "cancelled"]


class LeaseLost(Exception):
    """The execution is not this owner's any more: stop working on it, and write nothing of it."""


@dataclass(frozen=True)
class Limits:
    """How many run at once; None: any number. A parent whose children have not ended waits for them: it counts for
    neither `total` nor `per_repository`, or a few parents would keep their own children out for ever."""

    total: int | None = None
    per_repository: int | None = None
    per_parent: int = 5


@dataclass(frozen=True)
class Claim:
    """An execution that may be worked on. `repository` is `owner/name`, `attempt` counts from 1."""

    id: UUID
    agent_type: str
    repository_id: UUID | None
    repository: str | None
    issue_number: int | None
    user_id: UUID | None
    priority: str
    options: dict[str, Any]
    input: dict[str, Any]
    attempt: int
    max_attempts: int
    timeout_seconds: int | None
    parent_id: UUID | None
    flow_run_id: UUID | None
    created_at: datetime


@dataclass(frozen=True)
class Reservation(Claim):
    """A waiting execution to hand to Prefect, which no flow run shows. `attempt` counts those made."""

    dispatch: int

    @property
    def key(self) -> str:
        """The idempotency key of the flow run's creation: the same until a run has claimed the row or has died."""
        return f"{self.id}:{self.dispatch}"


@dataclass(frozen=True)
class Renewal:
    """`cancel` is a part of `held`."""

    held: frozenset[UUID]
    lost: frozenset[UUID]
    cancel: frozenset[UUID]


@dataclass(frozen=True)
class Reaped:
    """What dead owners left, by what became of it."""

    pending: tuple[UUID, ...] = ()
    failed: tuple[UUID, ...] = ()
    cancelled: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Linked:
    """What Postgres says of an execution that Prefect shows."""

    id: UUID
    agent_type: str
    status: Status
    flow_run_id: UUID
    attempt: int
    dispatch: int
    lease_owner: str | None
    lease_expired: bool | None
    cancel_requested: bool
    completed_at: datetime | None
    error_message: str | None


AnyClaim = TypeVar("AnyClaim", bound=Claim)


async def claim(
    connection: Connection,
    owner: str,
    *,
    agent_types: Sequence[str],
    limit: int,
    lease_s: float,
    limits: Limits = Limits(),
    colours: Mapping[str, str] = COLOURS,
    running: Collection[UUID] | None = None,
) -> list[Claim]:
    """Up to `limit` executions that may start now, by priority and age. They are `running` and `owner`'s for `lease_s`
    seconds. `running` is all that this owner works on, even without a lease: that is not claimed again, and what else
    is marked as its own goes back to the queue, for it was claimed in a call whose answer was lost."""
    values = _rules(agent_types, limits, colours, running or ()) | {"owner": owner, "lease_s": lease_s}
    if running is not None:
        await connection.execute(SQL["release_unknown"], values)
    return await _taken(connection, "take", Claim, limit, values)


async def claim_one(
    connection: Connection,
    owner: str,
    *,
    execution_id: UUID,
    lease_s: float,
    limits: Limits = Limits(),
    colours: Mapping[str, str] = COLOURS,
) -> Claim | None:
    """This execution, if it waits and was reserved for Prefect, or else may start now; None if not."""
    values: dict[str, Any] = {"owner": owner, "lease_s": lease_s, "only": execution_id}
    reserved: list[Claim] = await _rows(connection, "take_reserved", Claim, values)
    if reserved:
        return reserved[0]
    row = await (await connection.execute(SQL["agent_type"], values)).fetchone()
    if row is None:
        return None
    free = await _taken(connection, "take", Claim, 1, _rules([row[0]], limits, colours, ()) | values)
    return free[0] if free else None


async def awaiting_dispatch(
    connection: Connection,
    *,
    agent_types: Sequence[str],
    limit: int,
    limits: Limits = Limits(),
    colours: Mapping[str, str] = COLOURS,
    hold_s: float = 60,
) -> list[Reservation]:
    """Up to `limit` executions to submit to Prefect now, by priority and age; they count as running from here on. No
    other dispatcher gets them for `hold_s` seconds: `submitted` or `withdraw` follows, or they are handed out again."""
    values = _rules(agent_types, limits, colours, ()) | {"hold_s": hold_s}
    return await _taken(connection, "reserve", Reservation, limit, values)


async def submitted(
    connection: Connection, execution_id: UUID, *, dispatch: int, flow_run_id: UUID, patience_s: float = 86_400
) -> bool:
    """Prefect has a flow run for it. If no process claimed the row `patience_s` seconds from now, it is handed out
    again, with the same key. False if it was claimed, cancelled or withdrawn meanwhile."""
    values = {"execution_id": execution_id, "dispatch": dispatch, "flow_run_id": flow_run_id, "patience_s": patience_s}
    return (await connection.execute(SQL["submitted"], values)).rowcount == 1


async def withdraw(
    connection: Connection,
    execution_id: UUID,
    *,
    dispatch: int,
    attempt_used: bool,
    delay_s: float = 0,
    error: str | None = None,
) -> Status | None:
    """Its flow run ended without claiming it: the next one gets a new key. The new status (failed if its attempts are
    used up), or None if the row has moved on."""
    values = {"execution_id": execution_id, "dispatch": dispatch, "used": int(attempt_used), "delay_s": delay_s}
    return await _status(connection, "withdraw", values | {"error": error})


async def renew(connection: Connection, owner: str, *, executions: Collection[UUID], lease_s: float) -> Renewal:
    """Hold these for another `lease_s` seconds."""
    asked = frozenset(executions)
    values = {"owner": owner, "executions": list(asked), "lease_s": lease_s}
    rows = await (await connection.execute(SQL["renew"], values)).fetchall()
    held = frozenset(row[0] for row in rows)
    return Renewal(held, asked - held, frozenset(row[0] for row in rows if row[1]))


async def link(connection: Connection, owner: str, *, execution_id: UUID, flow_run_id: UUID) -> None:
    """Note the flow run that shows it. Raises LeaseLost."""
    values = {"execution_id": execution_id, "owner": owner, "flow_run_id": flow_run_id}
    if (await connection.execute(SQL["link"], values)).rowcount != 1:
        raise LeaseLost(f"execution {execution_id} is not run by {owner!r} any more")


async def give_back(
    connection: Connection,
    owner: str,
    *,
    execution_id: UUID,
    attempt_used: bool,
    delay_s: float = 0,
    error: str | None = None,
) -> Status:
    """Let it wait again, at least `delay_s` seconds. Failed instead if this was its last attempt, cancelled if that was
    asked for: the new status. Raises LeaseLost."""
    values = {"execution_id": execution_id, "owner": owner, "used": attempt_used, "delay_s": delay_s, "error": error}
    if (status := await _status(connection, "give_back", values)) is None:
        raise LeaseLost(f"execution {execution_id} is not run by {owner!r} any more")
    return status


async def reap(connection: Connection, *, grace_s: float = 30) -> Reaped:
    """Take back what dead owners left; nothing in the first `grace_s` seconds of a PostgreSQL server's life."""
    rows = await (await connection.execute(SQL["reap"], {"grace_s": grace_s})).fetchall()
    became = {status: tuple(id for id, now in rows if now == status) for _id, status in rows}
    return Reaped(**became)


async def request_cancel(connection: Connection, execution_id: UUID) -> Status | None:
    """Cancel it and, by a trigger, its descendants: what waits at once, what runs by asking (NOTIFY
    `agent_cancellations`). Its status now; None if there is no such execution."""
    return await _status(connection, "request_cancel", {"execution_id": execution_id})


async def retry(connection: Connection, execution_id: UUID) -> bool:
    """Let a failed one wait again with all its attempts, because a person said so, and with it what its end cancelled.
    Finished steps are not repeated. False if it has not failed, or if something below it is still being stopped."""
    return (await connection.execute(SQL["retry"], {"execution_id": execution_id})).rowcount == 1


async def refuse_unknown(connection: Connection, *, known: Collection[str] = AGENTS) -> list[UUID]:
    """Fail what waits for an agent that does not exist."""
    rows = await (await connection.execute(SQL["refuse_unknown"], {"known": list(known)})).fetchall()
    return [row[0] for row in rows]


async def linked(connection: Connection, *, ended_within_s: float = 3600, limit: int = 1000) -> list[Linked]:
    """What has a flow run and is under way, or ended of late: whoever reconciles asks Prefect for the same runs."""
    return await _rows(connection, "linked", Linked, {"ended_within_s": ended_within_s, "limit": limit})


def _rules(
    agent_types: Sequence[str], limits: Limits, colours: Mapping[str, str], running: Collection[UUID]
) -> dict[str, Any]:
    return {
        "agent_types": list(agent_types),
        "red": [id for id, colour in colours.items() if colour == "red"],
        "yellow": [id for id, colour in colours.items() if colour == "yellow"],
        "total": limits.total,
        "per_repository": limits.per_repository,
        "per_parent": limits.per_parent,
        "running": list(running),
        "only": None,
    }


async def _taken(
    connection: Connection, then: str, kind: type[AnyClaim], limit: int, values: dict[str, Any]
) -> list[AnyClaim]:
    """Look at the queue until it has no more, or `limit` are taken. One message a look: nobody waits for our client."""
    taken: list[AnyClaim] = []
    while len(taken) < limit:
        wanted = limit - len(taken)
        values |= {"limit": wanted, "window": wanted + WINDOW}
        cursor = connection.cursor()
        async with connection.pipeline(), connection.transaction():
            await connection.execute(SQL["lock"])
            await cursor.execute(SQL["permitted"] + SQL[then], values)
        rows = await cursor.fetchall()
        taken += [kind(*row[:-1]) for row in rows]
        if not rows or not rows[-1][-1]:
            break
    return taken


async def _rows(connection: Connection, query: str, kind: Any, values: Mapping[str, Any]) -> list[Any]:
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(SQL[query], values)
        return await cursor.fetchall()


async def _status(connection: Connection, query: str, values: Mapping[str, Any]) -> Status | None:
    row = await (await connection.execute(SQL[query], values)).fetchone()
    return row[0] if row else None
