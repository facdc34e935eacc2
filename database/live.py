"""What has just happened, heard from PostgreSQL instead of asked for: one connection listens for a whole process.

A message is a kind, an id, and perhaps a status and a transaction (migrations/20261127005003_live_order.sql). What it
is about is read afterwards, for all messages of a moment at once, with whose it is.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from database.execution_rows import LogLine
from database.queries import load

SQL = load("live.sql")
GATHER_S = 0.05
"""How long messages gather: a burst costs one look at the tables."""
QUIET_S = 5.0
MANY = 500
"""Lines read at once."""
Kind = Literal["execution", "steps", "logs", "new_task", "task", "release", "invitation"]
Connection = psycopg.Connection[Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Notice:
    """Something happened to this row. `status` is what it moved to, of what has one, and `transaction` the one that
    did it."""

    kind: Kind
    id: UUID
    status: str | None = None
    transaction: int = 0


@dataclass(frozen=True)
class Snapshot:
    """What a statement saw (pg_current_snapshot): the transactions that had been committed."""

    least: int
    next: int
    open: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        least, following, open = text.split(":")
        return cls(int(least), int(following), frozenset(map(int, filter(None, open.split(",")))))

    def shows(self, transaction: int) -> bool:
        return transaction < self.least or (transaction < self.next and transaction not in self.open)


@dataclass(frozen=True)
class Happened:
    """A notice with what the tables say: `row` is the execution, task, release or invitation."""

    notice: Notice
    row: Row
    step: Row | None = None
    lines: Sequence[LogLine] = ()


@dataclass(frozen=True)
class Reach:
    """Where a user may read what is not the user's own, by permission."""

    organizations: frozenset[tuple[str, UUID]]
    everywhere: frozenset[str]

    def has(self, permission: str, organization_id: UUID | None) -> bool:
        return permission in self.everywhere or (
            organization_id is not None and (permission, organization_id) in self.organizations
        )


async def listen(dsn: str, *, quiet_s: float = QUIET_S) -> AsyncIterator[list[Notice]]:
    """What happens from the first answer on, which is empty, in order; an empty one too after each `quiet_s` seconds in
    which nothing did. Raises psycopg.Error once the connection is lost: then something may have been missed."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("LISTEN live")
        yield []
        while True:
            heard = [found.payload async for found in connection.notifies(timeout=quiet_s, stop_after=1)]
            if heard:
                heard += [found.payload async for found in connection.notifies(timeout=GATHER_S)]
            else:
                await connection.execute("SELECT 1")  # a line that is dead says nothing either
            yield [parse(payload) for payload in dict.fromkeys(heard)]


def parse(payload: str) -> Notice:
    kind, id, *moved = payload.split(" ")
    status, transaction = (*moved, None, None)[:2]
    return Notice(kind, UUID(id), status, int(transaction or 0))  # type: ignore[arg-type]


def look_up(
    connection: Connection, notices: Sequence[Notice], *, since: dict[UUID, int], everything: bool = True
) -> Iterator[Happened]:
    """What has happened, in order. `since` are the executions that are followed line by line, with the last line seen,
    which is brought up to date; of others their logs are left out, and without `everything` all else too."""

    def about(*kinds: Kind) -> set[UUID]:
        return {notice.id for notice in notices if notice.kind in kinds and (everything or notice.id in since)}

    steps = about("steps")
    executions = rows(connection, "executions", about("execution") | steps | (about("logs") & since.keys()))
    step_rows = rows(connection, "steps", steps, key="execution_id")
    others = {
        **rows(connection, "tasks", about("new_task", "task")),
        **rows(connection, "releases", about("release")),
        **rows(connection, "invitations", about("invitation")),
    }
    for notice in notices:
        row = executions.get(notice.id) or others.get(notice.id)
        if row is None:
            continue
        if notice.kind == "logs":
            yield from new_lines(connection, notice, row, since)
        else:
            yield Happened(notice, row, step_rows.get(notice.id) if notice.kind == "steps" else None)


def rows(connection: Connection, table: str, ids: set[UUID], *, key: str = "id") -> dict[UUID, Row]:
    if not ids:
        return {}
    with connection.cursor(row_factory=dict_row) as cursor:
        return {row[key]: row for row in cursor.execute(SQL[table], {"ids": list(ids)})}


def new_lines(connection: Connection, notice: Notice, row: Row, since: dict[UUID, int]) -> Iterator[Happened]:
    while notice.id in since and (lines := lines_after(connection, notice.id, since[notice.id])):
        since[notice.id] = lines[-1].sequence
        yield Happened(notice, row, lines=lines)


def lines_after(connection: Connection, execution_id: UUID, since: int) -> list[LogLine]:
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["lines"], {"id": execution_id, "since": since, "limit": MANY}).fetchall()


def reach_of(connection: Connection, users: Collection[UUID]) -> dict[UUID, Reach]:
    """What each of these users may read, in one statement."""
    found = connection.execute(SQL["readers"], {"users": list(users)}).fetchall()

    def reach(user: UUID) -> Reach:
        codes = [(code, organization) for whose, code, organization in found if whose == user]
        return Reach(
            frozenset((code, organization) for code, organization in codes if organization is not None),
            frozenset(code for code, organization in codes if organization is None),
        )

    return {user: reach(user) for user in users}
