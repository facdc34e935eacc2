"""Applying: what is new, once, in order, durable; and nothing when there is nothing."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from database import migrations
from database.migrate_cli import main
from database.migration_errors import CannotConnect, VersionTooOld
from database.migration_ledger import lock_key
from tests.postgres.conftest import MIGRATIONS
from tests.postgres.migration_support import Project


def test_new_files_are_applied_in_order_and_recorded_as_sqlx_records_them(project: Project) -> None:
    project.write("10_then_b.sql", "INSERT INTO a VALUES (1)")
    project.write("9_first_it's.sql", "CREATE TABLE a (i int); -- the end")
    assert project.versions() == [9, 10]
    assert project.ledger() == [
        (9, "first it's", True, hashlib.sha384(b"CREATE TABLE a (i int); -- the end").hexdigest()),
        (10, "then b", True, hashlib.sha384(b"INSERT INTO a VALUES (1)").hexdigest()),
    ]
    columns = project.query(
        "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_name = '_sqlx_migrations' ORDER BY ordinal_position"
    )
    assert columns == [
        ("version", "bigint", "NO", None),
        ("description", "text", "NO", None),
        ("installed_on", "timestamp with time zone", "NO", "now()"),
        ("success", "boolean", "NO", None),
        ("checksum", "bytea", "NO", None),
        ("execution_time", "bigint", "NO", None),
    ]
    assert all(0 < time < 10**11 for (time,) in project.query("SELECT execution_time FROM _sqlx_migrations"))


def test_a_second_run_reads_and_does_nothing_else(project: Project) -> None:
    project.write("1_a.sql", "CREATE TABLE a ()")
    project.run()
    before = project.query("SELECT xmin::text, * FROM _sqlx_migrations")
    with psycopg.connect(project.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [lock_key(other.info.dbname)])
        assert project.run() == []  # and waits for no lock
    assert project.query("SELECT xmin::text, * FROM _sqlx_migrations") == before


def test_an_older_version_that_comes_late_is_applied(project: Project) -> None:
    project.write("2_b.sql", "SELECT 1")
    project.run()
    project.write("1_a.sql", "SELECT 1")
    assert project.versions() == [1]


@pytest.mark.parametrize("sql", ["", "-- only words", "/* only words */", ";", "-- no-transaction\n"])
def test_a_file_that_does_nothing_is_recorded(project: Project, sql: str) -> None:
    project.write("1_.sql", sql)
    assert project.versions() == [1]
    assert project.ledger()[0][1:3] == ("", True)


def test_files_are_sent_as_they_are(project: Project) -> None:
    """Percent signs, dollar quotes, semicolons in bodies, CRLF, other alphabets."""
    project.write("1_a.sql", "CREATE TABLE a (t text);\r\nINSERT INTO a VALUES ('100 % %s 日本');\r\n")
    project.write("2_b.sql", "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $l$ BEGIN RETURN '$$;'; END; $l$;")
    project.run()
    assert project.query("SELECT t, f() FROM a") == [("100 % %s 日本", "$$;")]


def test_the_session_is_as_under_sqlx(project: Project) -> None:
    project.dsn += "&options=-c%20TimeZone%3DAsia/Tokyo%20-c%20DateStyle%3DGerman"
    project.write(
        "1_a.sql", "CREATE TABLE a AS SELECT s, current_setting(s) FROM unnest(ARRAY['TimeZone', 'DateStyle']) s"
    )
    project.run()
    assert dict(project.query("SELECT * FROM a")) == {"TimeZone": "UTC", "DateStyle": "ISO, MDY"}


def test_files_in_pairs_and_simple_ones_with_a_way_back_run_forward_only(project: Project) -> None:
    for version in range(1, 6):
        ending = ".up.sql" if version % 2 else ".sql"
        project.write(f"{version}_t{ending}", f"CREATE TABLE t{version} ()")
        project.write(f"{version}_t.down.sql", f"DROP TABLE t{version}; SELECT 1/0")
    project.write("9_only_back.down.sql", "SELECT 1/0")
    assert project.versions() == [1, 2, 3, 4, 5]
    assert project.versions() == []
    (project.directory / "3_t.up.sql").unlink()
    assert project.versions() == []  # its way back still says that the version is known


def test_our_own_directory_runs_in_one_go_and_from_the_deployed_state(project: Project) -> None:
    files = migrations.load(MIGRATIONS)
    done = migrations.run(project.dsn, files, target=20251125000001)
    assert [entry.outcome for entry in done].count("Applied") == 7
    assert len(migrations.pending(project.dsn, files)) == len(files) - 7
    migrations.run(project.dsn, files)
    assert migrations.pending(project.dsn, files) == []


class TestTarget:
    @pytest.fixture(autouse=True)
    def files(self, project: Project) -> None:
        for version in (1, 2, 3):
            project.write(f"{version}_t.sql", f"CREATE TABLE t{version} ()")

    def test_newer_ones_are_skipped(self, project: Project) -> None:
        assert [(e.version, e.outcome) for e in project.run(target=2)] == [
            (1, "Applied"), (2, "Applied"), (3, "Skipped"),
        ]  # fmt: skip
        assert project.log[2] == "Skipped 3/migrate t (0ns)"

    def test_the_latest_is_a_target_that_changes_nothing(self, project: Project) -> None:
        project.run(target=2)
        assert project.versions(target=2) == []

    def test_an_older_one_is_refused(self, project: Project) -> None:
        project.run()
        with pytest.raises(VersionTooOld, match=r"^migration 2 is older than the latest applied migration 3"):
            project.run(target=2)


def test_a_dry_run_writes_nothing_at_all(project: Project) -> None:
    project.write("1_a.sql", "CREATE TABLE a ()")
    project.write("2_b.sql", "CREATE TABLE b ()")
    assert [(e.version, e.outcome) for e in project.run(dry_run=True, target=1)] == [(1, "Can apply"), (2, "Skipped")]
    assert project.log[0] == "Can apply 1/migrate a (0ns)"
    assert project.tables() == []


def test_info_lists_every_forward_file_and_writes_nothing(project: Project) -> None:
    for name in ("1_a.sql", "2_b.up.sql", "2_b.down.sql"):
        project.write(name, "SELECT 1")
    assert [str(s) for s in migrations.info(project.dsn, migrations.load(project.directory))] == [
        "1/pending a", "2/pending b",
    ]  # fmt: skip
    assert project.tables() == []
    project.run(target=1)
    project.write("1_a.sql", "SELECT 2")
    listed = [str(s) for s in migrations.info(project.dsn, migrations.load(project.directory))]
    assert listed == [
        "1/installed (different checksum) a\n"
        f"applied migration had checksum {hashlib.sha384(b'SELECT 1').hexdigest()}\n"
        f"local migration has checksum {hashlib.sha384(b'SELECT 2').hexdigest()}",
        "2/pending b",
    ]


def test_the_command_speaks_as_sqlx(project: Project) -> None:
    project.write("1_a.sql", "SELECT 1")
    project.write("2_b.sql", "SELECT 1/0")
    lines: list[str] = []

    def command(**options: Any) -> int:
        lines.clear()
        return main(project.directory, project.dsn, write=lines.append, **options)

    assert command(dry_run=True) == 0
    assert lines == ["Can apply 1/migrate a (0ns)", "Can apply 2/migrate b (0ns)"]
    assert command() == 1
    assert lines[0].startswith("Applied 1/migrate a (")
    assert lines[1].startswith("error: while executing migration 2: error returned from database: division by zero")
    assert command(info=True) == 0
    assert lines == ["1/installed a", "2/pending b"]
    assert command(target_version=1) == 0
    assert lines == ["Skipped 2/migrate b (0ns)"]
    project.write("2_b.sql", "SELECT 1")
    assert command() == 0
    assert command() == 0
    assert lines == ["No migrations to apply"]


def test_of_eight_runs_at_once_one_applies_and_the_others_wait(project: Project) -> None:
    for version in range(1, 6):
        project.write(f"{version}_t.sql", f"CREATE TABLE t{version} (); SELECT pg_sleep(0.02)")
    together = threading.Barrier(8)

    def run(_: int) -> list[int]:
        together.wait()
        return project.versions()

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(run, range(8)))
    assert answers == [[]] * 7 + [[1, 2, 3, 4, 5]]
    assert "Waiting for another run of migrations on this database" in project.log


def test_a_run_waits_for_a_sqlx_process_that_holds_the_lock(project: Project) -> None:
    project.write("1_a.sql", "SELECT 1")
    waiting = threading.Event()

    def log(line: str) -> None:
        if line.startswith("Waiting"):
            waiting.set()

    with psycopg.connect(project.dsn, autocommit=True) as sqlx, ThreadPoolExecutor(1) as pool:
        key = lock_key(sqlx.info.dbname)
        sqlx.execute("SELECT pg_advisory_lock(%s)", [key])
        answer = pool.submit(migrations.run, project.dsn, migrations.load(project.directory), log=log)
        assert waiting.wait(10)
        assert not answer.done()
        sqlx.execute("SELECT pg_advisory_unlock(%s)", [key])
        assert len(answer.result(10)) == 1


class TestOurConnection:
    def test_the_callers_connection_is_used_and_given_back(self, project: Project) -> None:
        project.write("1_a.sql", "SELECT 1")
        with psycopg.connect(project.dsn, autocommit=True) as conn:
            assert len(migrations.run(conn, migrations.load(project.directory))) == 1
            assert not conn.closed
            assert conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)

    @pytest.mark.parametrize("autocommit", [True, False])
    def test_one_inside_a_transaction_is_refused(self, project: Project, autocommit: bool) -> None:
        with (
            psycopg.connect(project.dsn, autocommit=autocommit) as conn,
            conn.transaction(),
            pytest.raises(ValueError, match="autocommit mode and outside any transaction"),
        ):
            migrations.run(conn, [])

    def test_a_wrong_password_is_told_and_not_shown(self, project: Project) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(project.dsn) | {"password": "hidden-word"}
        with pytest.raises(CannotConnect, match="password authentication failed") as caught:
            migrations.run(psycopg.conninfo.make_conninfo(**parts), [])
        assert "hidden-word" not in str(caught.value)
