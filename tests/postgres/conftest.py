"""Databases in the session's PostgreSQL (tests/conftest.py).

`database` is an empty database's connection string and `migrated` one with all of `migrations/`. Each is one database
that is wiped before the test that asks for it: making a new one costs 100 ms and more, wiping a few. `hana` and `kenji`
are users of the API on the latter, `visitor` has not signed in.
"""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn

from api.app import create_app
from database import migrations
from localcloud.postgres import Postgres
from tests.backend import Client, make_backend
from tests.postgres.migration_support import Project

MIGRATIONS = Path(__file__).parents[2] / "migrations"

WIPE = """
DO $$
DECLARE
    name TEXT;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END;
$$
"""
# Foreign keys are not asked: all rows go. (TRUNCATE makes new files for every table and index: a second on some disks.)
EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE
    name TEXT;
BEGIN
    FOR name IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('_sqlx_migrations', 'permissions', 'roles', 'role_permissions')
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END;
$$
"""


@pytest.fixture
def database(postgres: Postgres, _scratch: str) -> str:
    """The connection string of an empty database, owned by the superuser."""
    with psycopg.connect(_scratch, autocommit=True) as conn:
        conn.execute(WIPE)
    return _scratch


@pytest.fixture
def migrated(_migrated: str) -> str:
    """The connection string of a database with our schema and the permissions, and no other rows."""
    with psycopg.connect(_migrated, autocommit=True) as conn:
        conn.execute(EMPTY)
    return _migrated


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    """An empty directory of migrations and an empty database."""
    return Project(tmp_path, database)


@pytest.fixture(scope="session")
def _scratch(postgres: Postgres) -> str:
    return made(postgres, "scratch")


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres) -> str:
    dsn = made(postgres, "migrated")
    migrations.run(dsn, migrations.load(MIGRATIONS))
    return dsn


def made(postgres: Postgres, name: str) -> str:
    with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return postgres.dsn(name) + "?sslmode=disable"


@pytest.fixture
def visitor(migrated: str) -> Iterator[Client]:
    backend = make_backend(migrated)
    yield Client(backend)
    backend.pool.close()


@pytest.fixture
def hana(visitor: Client) -> Client:
    return visitor.sign_in(42, "hana@example.com")


@pytest.fixture
def kenji(visitor: Client) -> Client:
    return visitor.sign_in(43, "kenji@example.com")


@pytest.fixture
def served(migrated: str) -> Iterator[Any]:
    """`served(**settings)` serves the API; its URL."""
    servers: list[tuple[uvicorn.Server, threading.Thread, Any]] = []

    def serve(**settings: Any) -> str:
        backend = make_backend(migrated, **settings)
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(backend), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        servers.append((server, thread, backend))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    for server, thread, backend in servers:
        server.should_exit = True
        thread.join()
        backend.pool.close()
