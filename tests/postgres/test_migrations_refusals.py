"""What a run refuses before it applies anything, and what a failing file leaves: nothing, and a good message."""

import threading
from pathlib import Path

import psycopg
import pytest

from database import migrations
from database.migration_errors import (
    BadDirectory,
    Dirty,
    Execute,
    ExecuteMigration,
    LedgerConflict,
    VersionMismatch,
    VersionMissing,
    VersionNotPresent,
)
from tests.postgres.migration_support import Project

RECORD = (
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) "
    "VALUES (%s, %s, %s, decode(%s, 'hex'), -1)"
)


@pytest.fixture
def applied(project: Project) -> Project:
    """Versions 1 and 2 applied, 3 waiting."""
    for version in (1, 2):
        project.write(f"{version}_t.sql", f"CREATE TABLE t{version} ();\n")
    project.run()
    project.write("3_t.sql", "CREATE TABLE t3 ();\n")
    return project


class TestBeforeAnything:
    def test_a_changed_file(self, applied: Project) -> None:
        applied.write("2_t.sql", "CREATE TABLE other ()")
        with pytest.raises(VersionMismatch) as caught:
            applied.run()
        assert str(caught.value).startswith("migration 2 was previously applied but has been modified\n")
        assert "2_t.sql: put it back as it was and make the change in a new file" in str(caught.value)
        assert "t3" not in applied.tables()

    def test_a_file_of_which_only_the_line_ends_changed(self, applied: Project) -> None:
        applied.write("2_t.sql", b"CREATE TABLE t2 ();\r\n")
        with pytest.raises(VersionMismatch, match=r"2_t\.sql: only its line ends differ"):
            applied.run()

    def test_a_missing_file(self, applied: Project) -> None:
        (applied.directory / "1_t.sql").unlink()
        with pytest.raises(VersionMissing) as caught:
            applied.run()
        assert str(caught.value).startswith(
            "migration 1 was previously applied but is missing in the resolved migrations\n  1_t.sql: put the file back"
        )
        assert applied.versions(ignore_missing=True) == [3]

    @pytest.mark.parametrize("version", [2, 99])
    def test_a_dirty_row(self, applied: Project, version: int) -> None:
        applied.query("DELETE FROM _sqlx_migrations WHERE version = %s", version)
        applied.query(RECORD, version, "half done", False, "")
        with pytest.raises(Dirty) as caught:
            applied.run(ignore_missing=True)
        assert str(caught.value).startswith(
            f"migration {version} is partially applied; fix and remove row from `_sqlx_migrations` table"
        )
        assert "t3" not in applied.tables()

    def test_everything_at_once_in_the_order_of_sqlx(self, applied: Project) -> None:
        applied.query(RECORD, 7, "half", False, "")
        applied.write("1_t.sql", "changed")
        (applied.directory / "2_t.sql").unlink()
        with pytest.raises(LedgerConflict) as caught:
            applied.run()
        assert isinstance(caught.value, Dirty)
        assert [problem.splitlines()[0] for problem in caught.value.problems] == [
            "migration 7 is partially applied; fix and remove row from `_sqlx_migrations` table",
            "migration 2 was previously applied but is missing in the resolved migrations",
            "migration 7 was previously applied but is missing in the resolved migrations",
            "migration 1 was previously applied but has been modified",
        ]

    def test_a_changed_file_above_the_target_too(self, applied: Project) -> None:
        applied.write("1_t.sql", "changed")
        with pytest.raises(VersionMismatch):
            applied.run(target=3, dry_run=True)

    def test_an_unknown_target(self, applied: Project) -> None:
        with pytest.raises(VersionNotPresent, match=r"^migration 8 is not present in the migration source"):
            applied.run(target=8)

    def test_bad_files_leave_no_trace_in_the_database(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a ()")
        project.write("1_b.sql", "CREATE TABLE b ()")
        with pytest.raises(BadDirectory, match="have the same version 1"):
            project.run()
        assert project.tables() == []

    def test_a_database_that_we_may_not_write(self, project: Project) -> None:
        project.write("1_a.sql", "SELECT 1")
        project.query("DROP ROLE IF EXISTS reader")
        project.query("CREATE ROLE reader")
        with psycopg.connect(project.dsn, autocommit=True) as conn:
            conn.execute("SET ROLE reader")
            with pytest.raises(Execute, match="permission denied for schema public") as caught:
                migrations.run(conn, migrations.load(project.directory))
        assert "Check that we may create and write `_sqlx_migrations`" in str(caught.value)


MIDDLE = "CREATE TABLE a ();\n\nCREATE TABLE b (\n  i int,\n  j itn\n);\nCREATE TABLE c ();\n"


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        (MIDDLE, 5, 'type "itn" does not exist'),
        ("CREATE TABLE a ();\nSELECT FROM WHERE;\n", 2, 'syntax error at or near "WHERE"'),
        ("CREATE TABLE a (i int);\n-- 日本\nINSERT INTO a\n  VALUES (x);", 4, 'column "x" does not exist'),
        ("CREATE TABLE a ();\n-- a;\n\nDO $$ BEGIN; $$;", 4, "syntax error"),
        ("CREATE TABLE a ();\nDO $$\nBEGIN\n  RAISE 'no';\nEND $$;\nSELECT 1;", 2, "no"),
        ("CREATE TABLE a ();\n/* ; */\nSELECT\n  1/0;", 3, "division by zero"),
        ("CREATE TABLE a (i int UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);", 3, "duplicate key"),
        ("CREATE TABLE a (\n  i int", 2, "syntax error"),
        ("CREATE TABLE a ();\nSELECT 'open", 2, "unterminated quoted string"),
        ("CREATE TABLE a ();\nSELECT \"open", 2, "unterminated quoted identifier"),
        ("CREATE TABLE a ();\n/* open", 2, "unterminated /* comment"),
        ("CREATE TABLE a ();\nDO $$ open", 2, "unterminated dollar-quoted string"),
        ("CREATE TABLE a ();\nSELECT E'open\\", 2, "unterminated quoted string"),
        ("CREATE TABLE a ();\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", None, "syntax error"),
        ("CREATE TABLE a ();\nPREPARE p AS", 2, "syntax error"),
        ("\ufeffCREATE TABLE a ();", 1, "syntax error"),
        ("CREATE TABLE a ();\nCOPY a FROM STDIN;\n", 2, "COPY from stdin failed"),
        ("CREATE TABLE a (i int PRIMARY KEY);\nVACUUM a;", 2, "cannot run inside a transaction block"),
        ("CREATE TABLE a (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1), (1);", None, "dupl"),
        ("CREATE TABLE a ();\nCREATE SCHEMA s;\nSET search_path = s;", None, '"_sqlx_migrations" does not exist'),
    ],
)  # fmt: skip
def test_a_failing_file_leaves_nothing_and_names_the_line(
    project: Project, sql: str, line: int | None, words: str
) -> None:
    project.write("1_before.sql", "CREATE TABLE before ()")
    project.write("2_bad.sql", sql)
    project.write("3_after.sql", "CREATE TABLE after ()")
    with pytest.raises(ExecuteMigration) as caught:
        project.run()
    message = str(caught.value)
    assert message.startswith("while executing migration 2: error returned from database: ")
    assert words in message
    assert f"{project.directory}/2_bad.sql" in message
    if line is not None:
        assert caught.value.line == line
        assert f"2_bad.sql, line {line}: {sql.splitlines()[line - 1].strip()}"[:60] in message
    assert project.tables() == ["_sqlx_migrations", "before"]
    assert [row[0] for row in project.ledger()] == [1]
    assert project.query("SELECT execution_time > 0 FROM _sqlx_migrations") == [(True,)]
    assert project.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_the_message_says_what_to_do(project: Project) -> None:
    project.write("1_a.sql", MIDDLE)
    with pytest.raises(ExecuteMigration) as caught:
        project.run()
    assert str(caught.value).splitlines() == [
        'while executing migration 1: error returned from database: type "itn" does not exist',
        f"  {project.directory}/1_a.sql, line 5: j itn",
        "  Nothing of it was applied. Mend the file and run again.",
    ]


def test_details_and_hints_of_the_database_are_passed_on(project: Project) -> None:
    project.write("1_a.sql", "CREATE TABLE a (i int UNIQUE);\nINSERT INTO a VALUES (5), (5);")
    with pytest.raises(ExecuteMigration, match=r"detail: Key \(i\)=\(5\) already exists\.") as caught:
        project.run()
    assert caught.value.sqlstate == "23505"


def test_copy_to_the_client_is_dropped(project: Project) -> None:
    project.write("1_a.sql", "COPY (SELECT generate_series(1, 10000)) TO STDOUT; CREATE TABLE a (); COPY a TO STDOUT")
    project.write("2_b.sql", "CREATE TABLE b ()")
    assert project.versions() == [1, 2]
    assert project.tables() == ["_sqlx_migrations", "a", "b"]


class TestOwnCommits:
    """A file that commits by itself is as harmful as under sqlx, and not more."""

    def test_a_whole_file_in_begin_and_commit(self, project: Project) -> None:
        project.write("1_a.sql", "BEGIN;\nCREATE TABLE a ();\nCOMMIT;\n")
        project.write("2_b.sql", "CREATE TABLE b ()")
        assert project.versions() == [1, 2]
        assert project.tables() == ["_sqlx_migrations", "a", "b"]

    def test_what_stands_before_the_commit_stays_and_is_told(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a ();\nCOMMIT;\nCREATE TABLE b ();\nSELECT 1/0;\n")
        with pytest.raises(ExecuteMigration, match="what stands before its last COMMIT is applied") as caught:
            project.run()
        assert caught.value.line == 4
        assert project.tables() == ["_sqlx_migrations", "a"]
        assert project.ledger() == []

    def test_a_rollback_in_the_file(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a ();\nROLLBACK;\nCREATE TABLE b ();\n")
        assert project.versions() == [1]
        assert project.tables() == ["_sqlx_migrations", "b"]


class TestWithoutTransaction:
    def test_an_index_is_made_concurrently(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a (i int)")
        project.write("2_i.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY a_i ON a (i);\n")
        assert project.versions() == [1, 2]
        assert project.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_i'::regclass") == [(True,)]

    def test_two_statements_fail_as_under_sqlx(self, project: Project) -> None:
        project.write(
            "1_a.sql", "-- no-transaction\nCREATE TABLE a (i int);\nCREATE INDEX CONCURRENTLY a_i ON a (i);\n"
        )
        with pytest.raises(ExecuteMigration, match="cannot run inside a transaction block") as caught:
            project.run()
        assert "without a transaction" in str(caught.value)
        assert caught.value.line == 3
        assert project.tables() == ["_sqlx_migrations"]

    def test_without_the_marker_the_message_tells_of_it(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a (i int)")
        project.write("2_i.sql", "CREATE INDEX CONCURRENTLY a_i ON a (i)")
        with pytest.raises(ExecuteMigration, match="alone in a file that starts with `-- no-transaction`"):
            project.run()


class TestKilled:
    """The connection is cut at a moment of our choice: the whole of a migration is there, or nothing of it."""

    def test_in_the_middle_of_a_file(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a ()")
        project.write("2_b.sql", "CREATE TABLE b ();\nSELECT pg_terminate_backend(pg_backend_pid());\n")
        with pytest.raises(ExecuteMigration, match="terminating connection") as caught:
            project.run()
        assert "The file is not at fault: run again" in str(caught.value)
        assert project.tables() == ["_sqlx_migrations", "a"]
        assert [row[0] for row in project.ledger()] == [1]
        project.write("2_b.sql", "CREATE TABLE b ()")
        assert project.versions() == [2]

    @pytest.mark.parametrize("when", ["INSERT", "UPDATE"])
    def test_between_the_file_and_its_record_or_after_it(self, project: Project, when: str) -> None:
        """On the row's INSERT nothing stays; on the UPDATE of its time all does, and -1 is a legal time."""
        project.write("1_trap.sql", TRAP.format(when=when))
        project.run()
        project.write("2_b.sql", "CREATE TABLE b ()")
        with pytest.raises((ExecuteMigration, Execute)):
            project.run()
        recorded = project.query("SELECT version, execution_time FROM _sqlx_migrations WHERE version = 2")
        assert ("b" in project.tables(), recorded) == ((False, []) if when == "INSERT" else (True, [(2, -1)]))
        project.query("DROP TRIGGER trap ON _sqlx_migrations")
        assert project.versions() == ([2] if when == "INSERT" else [])

    def test_while_the_file_runs_from_outside(self, project: Project) -> None:
        project.write("1_a.sql", "CREATE TABLE a ();\nSELECT pg_sleep(60);\n")
        killed = threading.Event()

        def kill() -> None:
            with psycopg.connect(project.dsn, autocommit=True) as conn:
                while not killed.wait(0.01):
                    conn.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                        "AND state = 'active' AND wait_event = 'PgSleep'"
                    )

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            with pytest.raises(ExecuteMigration, match="terminating connection"):
                project.run()
        finally:
            killed.set()
            killer.join()
        assert project.tables() == ["_sqlx_migrations"]


TRAP = """
CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    RETURN NEW;
END $$;
CREATE TRIGGER trap BEFORE {when} ON _sqlx_migrations FOR EACH ROW WHEN (NEW.version = 2) EXECUTE FUNCTION spring();
"""


def test_a_lock_that_is_not_given_is_no_fault_of_the_file(project: Project, tmp_path: Path) -> None:
    project.write("1_a.sql", "CREATE TABLE a ()")
    project.run()
    project.write("2_b.sql", "SET LOCAL lock_timeout = '20ms';\nALTER TABLE a ADD COLUMN i int;\n")
    with psycopg.connect(project.dsn) as other:
        other.execute("LOCK TABLE a")
        with pytest.raises(ExecuteMigration, match="The file is not at fault: run again") as caught:
            project.run()
    assert (caught.value.sqlstate, caught.value.line) == ("55P03", 2)
    assert project.versions() == [2]
