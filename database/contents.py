"""What a database holds: rows and a checksum of each table, its objects by name, sequences, the ledger of migrations.

Two databases that hold the same have equal contents, in whatever order their rows lie; so a restored copy is held
against what was noted when the backup was taken. Everything is read in one transaction, whose snapshot `pg_dump` can
share (`frozen`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from database.migration_ledger import Entry, read_ledger
from database.queries import load

SQL = load("contents.sql")
Connection = psycopg.Connection[Any]
LEDGER = "public._sqlx_migrations"

# A sum does not mind the order of rows, and two equal rows do not cancel each other out as with XOR.
COUNT = sql.SQL(
    "SELECT count(*), coalesce(sum(('x' || left(encode(sha256(convert_to((r.*)::text, 'UTF8')), 'hex'), 15))"
    "::bit(60)::bigint), 0)::text FROM ONLY {} AS r"
)


@dataclass(frozen=True)
class Table:
    """A table's rows: how many, and a checksum of all of them."""

    rows: int
    checksum: str


@dataclass(frozen=True)
class Contents:
    """A database at one moment. Names are `schema.name`."""

    server_version: str
    """`15.18`"""
    tables: Mapping[str, Table]
    sequences: Mapping[str, int]
    objects: Mapping[str, tuple[str, ...]]
    """Names by kind: columns with their types, indexes, constraints, triggers, functions, …"""
    ledger: tuple[Entry, ...]

    @property
    def rows(self) -> int:
        """All rows but those of the ledger."""
        return sum(table.rows for name, table in self.tables.items() if name != LEDGER)

    @property
    def schema_version(self) -> int:
        """That of the newest migration that was applied; 0 without one."""
        return max((entry.version for entry in self.ledger if entry.success), default=0)


@contextmanager
def frozen(dsn: str) -> Iterator[Connection]:
    """A connection that sees one moment, and cannot write."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="miyabi backup") as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(SQL["settle"])
        yield connection


def export_snapshot(connection: Connection) -> str:
    """The name of what the connection sees, for `pg_dump --snapshot`; it holds while the connection does."""
    row = connection.execute(SQL["export"]).fetchone()
    assert row
    return str(row[0])


def read_contents(connection: Connection) -> Contents:
    """Everything, through a connection of `frozen`. Reads each table once, whole."""
    version = connection.info.server_version
    names = [(str(schema), str(name)) for schema, name in connection.execute(SQL["tables"])]
    objects: dict[str, list[str]] = {}
    for kind, name in connection.execute(SQL["objects"]):
        objects.setdefault(kind, []).append(name)
    return Contents(
        f"{version // 10_000}.{version % 10_000}",
        {f"{schema}.{name}": _count(connection, schema, name) for schema, name in names},
        {str(name): int(value) for name, value in connection.execute(SQL["sequences"])},
        {kind: tuple(found) for kind, found in objects.items()},
        _ledger(connection) if ("public", "_sqlx_migrations") in names else (),
    )


def _count(connection: Connection, schema: str, name: str) -> Table:
    row = connection.execute(COUNT.format(sql.Identifier(schema, name))).fetchone()
    assert row
    return Table(int(row[0]), str(row[1]))


def _ledger(connection: Connection) -> tuple[Entry, ...]:
    """Found through the search path, as the runner does."""
    connection.execute("SET LOCAL search_path = public")
    return tuple(read_ledger(connection))
