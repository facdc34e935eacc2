"""A database that sqlx migrated continues here, and what we leave is what sqlx leaves.

sqlx is played by the statements of its own runner (sqlx-postgres 0.8/0.9, `migrate.rs`), one by one, with parameters.
"""

import hashlib
import zlib
from pathlib import Path

import psycopg
import pytest

from database import migrations
from database.migration_errors import ExecuteMigration
from tests.postgres.conftest import MIGRATIONS
from tests.postgres.migration_support import Project

TABLE = """
CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL
)
"""


def sqlx_migrate_run(dsn: str, directory: Path) -> list[int]:
    """What `sqlx migrate run` does with simple files; the versions it applied."""
    applied = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        key = 0x3D32AD9E * zlib.crc32(conn.info.dbname.encode())
        conn.execute("SELECT pg_advisory_lock(%s)", [key])
        conn.execute(TABLE)
        assert conn.execute("SELECT version FROM _sqlx_migrations WHERE success = false").fetchall() == []
        known = dict(conn.execute("SELECT version, checksum FROM _sqlx_migrations ORDER BY version").fetchall())
        files = {int(file.name.partition("_")[0]): file for file in directory.glob("*.sql")}
        assert set(known) <= set(files)
        for version, file in sorted(files.items()):
            checksum = hashlib.sha384(file.read_bytes()).digest()
            assert known.get(version, checksum) == checksum
            if version not in known:
                with conn.transaction():
                    conn.execute(file.read_bytes())
                    conn.execute(
                        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) "
                        "VALUES (%s, %s, TRUE, %s, -1)",
                        [version, file.stem.partition("_")[2].replace("_", " "), checksum],
                    )
                conn.execute("UPDATE _sqlx_migrations SET execution_time = 5 WHERE version = %s", [version])
                applied.append(version)
        conn.execute("SELECT pg_advisory_unlock(%s)", [key])
    return applied


def test_what_sqlx_began_is_continued_here(project: Project) -> None:
    for version in (1, 2):
        project.write(f"{version}_it_is.sql", f"CREATE TABLE t{version} ();\n")
    assert sqlx_migrate_run(project.dsn, project.directory) == [1, 2]
    before = project.query("SELECT * FROM _sqlx_migrations")
    project.write("3_more.sql", "CREATE TABLE t3 ();\n")
    assert project.versions() == [3]
    assert project.query("SELECT * FROM _sqlx_migrations WHERE version < 3") == before


def test_what_began_here_is_continued_by_sqlx(project: Project) -> None:
    for version in (1, 2):
        project.write(f"{version}_it_is.sql", f"CREATE TABLE t{version} ();\n")
    project.run()
    assert sqlx_migrate_run(project.dsn, project.directory) == []
    project.write("3_more.sql", "CREATE TABLE t3 ();\n")
    assert sqlx_migrate_run(project.dsn, project.directory) == [3]
    assert project.versions() == []


def test_both_leave_the_same_ledger_and_the_same_schema(project: Project) -> None:
    columns = "SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY version"
    schema = (
        "SELECT table_name, column_name, data_type, column_default FROM information_schema.columns ORDER BY 1, 2, 3"
    )
    sqlx_migrate_run(project.dsn, MIGRATIONS)
    theirs = project.query(columns), project.query(schema)
    project.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    migrations.run(project.dsn, migrations.load(MIGRATIONS))
    assert (project.query(columns), project.query(schema)) == theirs


def test_a_failure_here_leaves_nothing_that_stops_sqlx(project: Project) -> None:
    project.write("1_a.sql", "CREATE TABLE a ();\nSELECT 1/0;\n")
    with pytest.raises(ExecuteMigration):
        project.run()
    project.write("1_a.sql", "CREATE TABLE a ();\n")
    assert sqlx_migrate_run(project.dsn, project.directory) == [1]
    assert project.versions() == []


def test_the_lock_is_seen_where_sqlx_puts_it(project: Project) -> None:
    project.write(
        "1_a.sql",
        "CREATE TABLE a AS SELECT classid::bigint << 32 | objid::bigint AS key, objsubid FROM pg_locks "
        "WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    )
    project.run()
    name = psycopg.conninfo.conninfo_to_dict(project.dsn)["dbname"]
    assert project.query("SELECT key, objsubid FROM a") == [(0x3D32AD9E * zlib.crc32(str(name).encode()), 1)]
