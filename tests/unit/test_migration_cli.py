"""The words of the command that need no database."""

from pathlib import Path
from typing import Any

import pytest

from database.migrate_cli import main
from database.migrations import Applied, rust_duration


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0ns"), (999, "999ns"), (1_000, "1µs"), (1_234, "1.234µs"), (12_345_678, "12.345678ms"),
        (12_300_000, "12.3ms"), (1_000_000_000, "1s"), (61_500_000_001, "61.500000001s"), (1_000_001, "1.000001ms"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_as_rust_shows_it(nanoseconds: int, text: str) -> None:
    assert rust_duration(nanoseconds) == text


def test_a_line_reads_as_in_sqlx() -> None:
    assert str(Applied(1, "a b", "Applied", 12_300_000)) == "Applied 1/migrate a b (12.3ms)"
    assert str(Applied(1, "a b", "Can apply")) == "Can apply 1/migrate a b (0ns)"


def test_bad_files_end_it_before_any_connection(tmp_path: Path) -> None:
    (tmp_path / "x_y.sql").touch()
    lines: list[str] = []
    assert main(tmp_path, "postgresql://127.0.0.1:1/nowhere", write=lines.append) == 1
    assert lines[0].startswith("error: while resolving migrations: 1 problem(s)")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"target_version": 7},
            "error: migration 7 is not present in the migration source: name the version of one of its files",
        ),
        (
            {"directory": "no/such"},
            "error: there is no directory 'no/such': name the one that holds the migrations",
        ),
        (
            {"dsn": "garbage"},
            "error: DATABASE_URL is not one that PostgreSQL understands: "
            "write postgresql://user:password@host:port/database",
        ),
    ],
    ids=["target", "directory", "database"],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    lines: list[str] = []
    asked = {"directory": tmp_path, "dsn": "postgresql://127.0.0.1:1/nowhere", **wrong}
    assert main(**asked, write=lines.append) == 2
    assert lines == [said]


def test_a_database_that_is_not_there_is_work_that_failed(tmp_path: Path) -> None:
    lines: list[str] = []
    assert main(tmp_path, "postgresql://me:hidden-word@127.0.0.1:1/nowhere", write=lines.append) == 1
    assert lines[0].startswith("error: no connection to host '127.0.0.1', port '1'")
    assert "hidden-word" not in lines[0]
