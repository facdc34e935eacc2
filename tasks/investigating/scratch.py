"""Migrations on a scratch database, to see that they work: made for this, and dropped afterwards.

MIYABI_SCRATCH_DATABASE, where the worker runs, is the address of a PostgreSQL whose user may create databases. It is
for this: SQL of a stranger's repository runs on it, so its user owns nothing else there, and is no superuser, who could
start programs from SQL. On a laptop that is a role of its own on the embedded cloud's server.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from database import migrations as runner
from database.migration_errors import MigrationError
from tasks.investigating.model import Migrations

VARIABLE = "MIYABI_SCRATCH_DATABASE"
PATIENCE_MS = 60_000
COUNTS = """
SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p') AND c.relname <> '_sqlx_migrations'),
       count(*) FILTER (WHERE c.relkind IN ('v', 'm')),
       (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype = 'e' AND n.nspname = 'public')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
"""

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relispartition AND c.relname <> '_sqlx_migrations'
"""


def tried(folder: Path, found: list[Migrations], server: str | None = None) -> list[Migrations]:
    """Each directory with what it made, or why it was refused; as it was, where no server is given."""
    server = server or os.environ.get(VARIABLE)
    return [applied(folder, one, server) if server and not one.problems else one for one in found]


def applied(folder: Path, one: Migrations, server: str) -> Migrations:
    try:
        with scratch(server) as database:
            runner.run(database, runner.load(folder / one.folder))
            with psycopg.connect(database) as connection:
                tables, views, enums = connection.execute(COUNTS).fetchone() or (0, 0, 0)
                rows = seeded(connection)
    except MigrationError as error:
        return replace(one, refused=" ".join(str(error).replace(f"{folder}/", "").split()))
    except psycopg.Error as error:
        return replace(one, untried=f"the scratch database cannot be used: {str(error).splitlines()[0]}")
    return replace(one, applied={"table": tables, "view": views, "enum": enums, "seeded row": sum(rows.values())},
                   seeds=rows)  # fmt: skip


def seeded(connection: psycopg.Connection) -> dict[str, int]:
    """How many rows the migrations put into which table."""
    names = [name for (name,) in connection.execute(TABLES).fetchall()]
    counted = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,) for name in names}
    return {name: rows for name, (rows,) in sorted(counted.items()) if rows}


@contextmanager
def scratch(server: str) -> Iterator[str]:
    """A new database's address; it goes afterwards, with whoever is still on it."""
    name = f"miyabi_scratch_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
        if connection.info.parameter_status("is_superuser") != "off":
            raise psycopg.OperationalError("its user is a superuser: name one that may create databases and no more")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield conninfo.make_conninfo(server, dbname=name, options=f"-c statement_timeout={PATIENCE_MS}")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
