"""Migrations of a repository on a scratch database: what they make, by the catalog; what is refused; nothing stays."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tasks.investigating.migrations import read_migrations
from tasks.investigating.model import Migrations
from tasks.investigating.scratch import tried
from tests.society import API, now


@pytest.fixture
def server(database: str) -> Iterator[str]:
    """The session's PostgreSQL as one who may create databases and no more."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE scratcher LOGIN CREATEDB PASSWORD 'scratch'")
        yield make_conninfo(database, user="scratcher", password="scratch", dbname="postgres")
        connection.execute("DROP ROLE scratcher")


def test_a_superuser_s_address_is_not_used(database: str, tmp_path: Path) -> None:
    (found,) = looked_at(now(tmp_path), database)
    assert "is a superuser" in (found.untried or "")


def looked_at(folder: Path, server: str) -> list[Migrations]:
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*.sql")]
    return tried(folder, read_migrations(folder, paths), server)


def databases(server: str) -> list[str]:
    with psycopg.connect(server) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'miyabi_scratch%'").fetchall()
    return [name for (name,) in rows]


def test_what_they_make_is_counted_in_the_catalog(tmp_path: Path, server: str) -> None:
    (found,) = looked_at(now(tmp_path), server)
    assert (found.folder, found.applied) == (
        f"{API}/migrations", {"table": 10, "view": 1, "enum": 1, "seeded row": sum(found.seeds.values())},
    )  # fmt: skip
    assert sum(one.kind == "table" for one in found.made) == 10
    assert databases(server) == []


def test_one_that_does_not_apply_is_named(tmp_path: Path, server: str) -> None:
    root = now(tmp_path)
    (root / API / "migrations" / "20251130000000_again.sql").write_text("CREATE TABLE users (id int);\n")
    (found,) = looked_at(root, server)
    assert found.applied is None
    assert 'relation "users" already exists' in (found.refused or "")
    assert databases(server) == []


@pytest.mark.parametrize("name", ["20251120000000_twice.sql"])
def test_two_of_one_version_are_not_tried(name: str, tmp_path: Path, server: str) -> None:
    root = now(tmp_path)
    (root / API / "migrations" / name).write_text("SELECT 1;\n")
    (found,) = looked_at(root, server)
    assert (found.applied, found.refused) == (None, None)
    assert "have the same version 20251120000000" in found.problems[0]


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    (found,) = looked_at(now(tmp_path), "postgresql://nobody@127.0.0.1:1/none")
    assert (found.applied, found.refused) == (None, None)
    assert "cannot be used" in (found.untried or "")


def test_seeded_rows_are_counted(tmp_path: Path, server: str) -> None:
    root = now(tmp_path)
    seeds = "INSERT INTO permissions (code) VALUES ('a'), ('b');\n"
    (root / API / "migrations" / "20251130000000_seeds.sql").write_text(seeds)
    (found,) = looked_at(root, server)
    assert (found.seeds, (found.applied or {})["seeded row"]) == ({"permissions": 2}, 2)
