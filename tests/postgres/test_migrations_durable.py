"""What a run said it applied survives a crash of the server, though only its last write waited for the disk."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database.migration_errors import ExecuteMigration
from localcloud.postgres import Postgres
from tests.postgres.migration_support import Project


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A server of its own that flushes the log by itself every ten seconds only."""
    server = Postgres(tmp_path / "home")
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        conn.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()


def crash(server: Postgres) -> None:
    """Ends every process at once: what is in memory and not on the disk is lost. Then it starts again."""
    os.kill(int((server.data / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGQUIT)
    server.stop()
    server.start()


def test_a_run_that_failed_halfway_has_kept_what_it_applied(server: Postgres, tmp_path: Path) -> None:
    directory = tmp_path / "migrations"
    directory.mkdir()
    project = Project(directory, server.dsn())
    for version in (1, 2, 3):
        project.write(f"{version}_t.sql", f"CREATE TABLE t{version} ()")
    project.write("4_bad.sql", "CREATE TABLE t4 (); SELECT 1/0")
    with pytest.raises(ExecuteMigration):
        project.run()
    crash(server)
    project.dsn = server.dsn()
    assert project.tables() == ["_sqlx_migrations", "t1", "t2", "t3"]
    assert project.query("SELECT version, execution_time > 0 FROM _sqlx_migrations ORDER BY 1") == [
        (1, True), (2, True), (3, True),
    ]  # fmt: skip
