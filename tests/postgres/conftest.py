"""A real PostgreSQL for the whole session, and databases in it.

`database` is an empty database's connection string and `migrated` one with all of `migrations/`. Each is one database
that is wiped before the test that asks for it: making a new one costs 100 ms and more, wiping a few.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database import migrations
from localcloud.postgres import Postgres

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
END;
$$
"""
EMPTY = """
DO $$
DECLARE
    tables TEXT;
BEGIN
    SELECT string_agg(format('%I', relname), ', ') INTO tables FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
      AND relname NOT IN ('_sqlx_migrations', 'permissions', 'roles', 'role_permissions');
    EXECUTE 'TRUNCATE ' || tables || ' RESTART IDENTITY';
END;
$$
"""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


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
