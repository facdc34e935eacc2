"""Executions for tests of the queue: rows made and looked at with plain SQL, and connections for what is async."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Async = psycopg.AsyncConnection[Any]
T = TypeVar("T")


class Rows:
    """The table, seen from outside. All executions belong to one user."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._number = 0
        self.user = self.one("INSERT INTO users (github_id, email, access_token) VALUES (1, 'a@b', '') RETURNING id")

    def one(self, query: str, *values: Any) -> Any:
        row = self.connection.execute(query.encode(), values).fetchone()
        assert row is not None
        return row[0]

    def repository(self, name: str = "") -> UUID:
        """Another one of that name, or of a new one."""
        self._number += 1
        name = name or f"r{self._number}"
        return self.one(  # type: ignore[no-any-return]
            "INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name) "
            "VALUES (%s, %s, 'hana', %s, %s) RETURNING id",
            self.user, self._number, name, f"hana/{name}",
        )  # fmt: skip

    def add(self, agent_type: str = "codegen", repository: UUID | None = None, **columns: Any) -> UUID:
        """A pending execution, a second younger than the one before."""
        self._number += 1
        values = {
            "user_id": self.user, "repository_id": repository, "agent_type": agent_type, "status": "pending",
            "created_at": datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self._number),
        } | columns  # fmt: skip
        values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        query = sql.SQL("INSERT INTO agent_executions ({}) VALUES ({}) RETURNING id").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
        )
        row = self.connection.execute(query, list(values.values())).fetchone()
        assert row is not None
        return row[0]  # type: ignore[no-any-return]

    def set(self, execution: UUID, **columns: Any) -> None:
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        query = sql.SQL("UPDATE agent_executions SET {} WHERE id = %s").format(assignments)
        self.connection.execute(query, [*columns.values(), execution])

    def expire(self, *executions: UUID) -> None:
        """As if the owners had been silent for a while."""
        self.connection.execute(
            "UPDATE agent_executions SET lease_expires_at = now() - interval '1 s', "
            "heartbeat_at = now() - interval '10 s' WHERE id = ANY (%s)",
            [list(executions)],
        )

    def get(self, execution: UUID, *columns: str) -> Any:
        """The value of a column, or a tuple of several."""
        query = sql.SQL("SELECT {} FROM agent_executions WHERE id = %s")
        row = self.connection.execute(
            query.format(sql.SQL(", ").join(map(sql.Identifier, columns))), [execution]
        ).fetchone()
        assert row is not None
        return row if len(columns) > 1 else row[0]

    def status(self, execution: UUID) -> str:
        return str(self.get(execution, "status"))

    def running(self) -> int:
        return int(self.one("SELECT count(*) FROM agent_executions WHERE status = 'running'"))


@contextmanager
def rows_in(dsn: str) -> Iterator[Rows]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Rows(connection)


def run(dsn: str, call: Callable[[Async], Awaitable[T]]) -> T:
    """What a coroutine function returns that is given a connection."""

    async def connected() -> T:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            return await call(connection)

    return asyncio.run(connected())
