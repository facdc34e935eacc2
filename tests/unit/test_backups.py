"""Backups on paper: kinds and keeping, manifests, comparisons, RPO and RTO, clients. No database and no AWS here."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from blocks.backup import BackupSettings
from database.contents import Contents, Table
from database.migration_files import load
from database.migration_ledger import Entry
from tasks.backups.archive import Archive
from tasks.backups.clients import client_environment, find_client
from tasks.backups.comparing import Check, checks_after, checks_before, snapshot_wrong
from tasks.backups.manifest import (
    BadManifest,
    Manifest,
    backup_id,
    facts_of,
    kept_for,
    kind_of,
    manifest_key,
    moment_of,
    parse_manifest,
)
from tasks.backups.proof import AFTER, EARLY, SNAPSHOT, Proof, Verified, newest_verified, rpo_course, rpo_s, verified
from tasks.changes import Rollout
from tasks.errors import Permanent

FILES = load(Path(__file__).parents[2] / "migrations")
AT = datetime(2026, 11, 27, 3, 15, tzinfo=UTC)
LEDGER = tuple(Entry(file.version, file.description, True, file.checksum) for file in FILES)
CONTENTS = Contents(
    "15.18",
    {
        "public._sqlx_migrations": Table(len(LEDGER), "1"),
        "public.users": Table(100, "77"),
        "public.tasks": Table(0, "0"),
    },
    {"public.users_id_seq": 100},
    {"index": ("public.a", "public.b"), "trigger": ("public.users.touch",)},
    LEDGER,
)


def made(contents: Contents = CONTENTS, at: datetime = AT, **changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "id": backup_id(at), "kind": kind_of(at), "environment": "local", "instance": "db", "database": "miyabi",
        "client_version": "15.18", "release": "r", "started_at": at, "finished_at": at, "size": 1000,
        "sha256": "0" * 64, **facts_of(contents),
    }  # fmt: skip
    return Manifest(**{**fields, **changes})


def with_table(name: str, rows: int, checksum: str) -> dict[str, Any]:
    return {"tables": {**CONTENTS.tables, name: Table(rows, checksum)}}


def wrong(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.found for check in checks if check.ok is False}


@pytest.mark.parametrize(
    ("day", "kind", "days"),
    [
        ("2026-11-27", "daily", 7),
        ("2026-11-30", "weekly", 28),
        ("2026-12-01", "monthly", 180),
        ("2026-06-01", "monthly", 180),  # a Monday, too
    ],
)
def test_kinds_and_days_are_those_of_the_missions_script(day: str, kind: str, days: int) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert kind_of(at) == kind
    assert kept_for(BackupSettings(), kind_of(at)) == timedelta(days=days)
    assert moment_of(backup_id(at)) == at


def test_a_manifest_comes_back_as_it_was() -> None:
    manifest = made()
    key = manifest_key(manifest.kind, manifest.id)
    read = parse_manifest(manifest.model_dump_json().encode(), key=key)
    assert (read, read.contents, read.rows, read.key) == (manifest, CONTENTS, 100, f"daily/{manifest.id}/database.dump")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ('{"format": 2}', "format"),
        (made().model_dump_json().replace('"size":1000', '"size":0'), "size"),
        (made().model_dump_json().replace('"release"', '"relaese"'), "relaese"),
        (made(at=AT - timedelta(days=1)).model_dump_json(), "another backup"),
    ],
)
def test_a_manifest_that_is_none_says_why(text: str, said: str) -> None:
    with pytest.raises(BadManifest, match=said):
        parse_manifest(text.encode(), key=manifest_key("daily", backup_id(AT)))


def before(manifest: Manifest, **changes: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "stored": manifest.size, "previous": None, "files": FILES, "settings": BackupSettings(),
        "at": AT + timedelta(hours=1),
    }  # fmt: skip
    return wrong(checks_before(manifest, **{**given, **changes}))


def test_before_anything_is_restored() -> None:
    assert before(made(), previous=made(at=AT - timedelta(days=1))) == {}
    assert before(made(), stored=None) == {"stored whole": "there is no dump to this manifest"}
    assert before(made(), stored=999)["stored whole"].startswith("999 bytes of 1,000")
    late = before(made(), at=AT + timedelta(days=8))["young enough"]
    assert "expires after 7 days" in late
    assert "a disaster may cost 26 hours" in late
    assert list(before(made(), at=AT + timedelta(hours=27))) == ["young enough"]
    assert before(made(), at=AT + timedelta(hours=27), newest=False) == {}


def test_another_schema_is_found() -> None:
    changed = (replace(LEDGER[0], checksum=b"x"), *LEDGER[1:])
    for ledger, said in (
        ((*LEDGER, Entry(29991231000000, "from elsewhere", True, b"x")), "29991231000000"),
        (changed, str(LEDGER[0].version)),
        ((replace(LEDGER[0], success=False), *LEDGER[1:]), str(LEDGER[0].version)),
        ((), "no migration was ever applied"),
    ):
        assert said in before(made(replace(CONTENTS, ledger=ledger)))["this application's schema"]
    assert before(made(replace(CONTENTS, ledger=LEDGER[:-2]))) == {}  # later ones are applied to it


def test_nothing_and_suddenly_less_are_found() -> None:
    ledger_alone = {"public._sqlx_migrations": Table(33, "1")}
    assert before(made(replace(CONTENTS, tables={})))["not empty"] == "there is no table in it"
    assert before(made(replace(CONTENTS, tables=ledger_alone)))["not empty"] == "there is no table in it"
    no_rows = {**CONTENTS.tables, "public.users": Table(0, "0")}
    assert before(made(replace(CONTENTS, tables=no_rows)))["not empty"] == "there is no row in any of its tables"
    few = made(replace(CONTENTS, tables={**CONTENTS.tables, "public.users": Table(49, "7")}))
    assert "51 % of the rows" in before(few, previous=made(at=AT - timedelta(days=1)))["not shrunk"]
    half = made(replace(CONTENTS, tables={**CONTENTS.tables, "public.users": Table(50, "7")}))
    assert before(half, previous=made(at=AT - timedelta(days=1))) == {}


@pytest.mark.parametrize(
    ("restored", "name", "said"),
    [
        (with_table("public.users", 99, "7"), "tables and rows", "public.users has 99 rows of 100"),
        ({"tables": {"public.users": Table(100, "77")}}, "tables and rows", "table public.tasks is missing"),
        (with_table("x.y", 0, "0"), "tables and rows", "table x.y was not in the original"),
        (with_table("public.users", 100, "78"), "contents", "rows of public.users are others"),
        ({"objects": {"index": ("public.a",)}}, "objects", "public.b is missing; trigger public.users.touch"),
        ({"sequences": {"public.users_id_seq": 99}}, "sequences", "public.users_id_seq is at 99, and was at 100"),
        ({"sequences": {}}, "sequences", "public.users_id_seq is at nothing"),
        ({"ledger": LEDGER[:-1]}, "migrations", f"migration {LEDGER[-1].version} is missing"),
        ({"ledger": (replace(LEDGER[0], checksum=b"x"), *LEDGER[1:])}, "migrations", "is another one"),
    ],
)  # fmt: skip
def test_what_differs_after_a_restore_is_named(restored: dict[str, Any], name: str, said: str) -> None:
    found = wrong(checks_after(made(), replace(CONTENTS, **restored)))
    assert said in found[name]


def test_the_same_contents_are_right_and_a_sequence_may_be_further() -> None:
    assert wrong(checks_after(made(), replace(CONTENTS, sequences={"public.users_id_seq": 140}))) == {}


def test_a_snapshot_has_what_its_dump_has_or_a_little_more() -> None:
    def problems(found: Contents, shrink_percent: float = 10) -> list[str]:
        return snapshot_wrong(made(), found, FILES, BackupSettings(shrink_percent=shrink_percent))

    assert problems(CONTENTS) == []
    more = {**CONTENTS.tables, "public.users": Table(120, "9")}
    assert problems(replace(CONTENTS, tables=more)) == []
    less = {**CONTENTS.tables, "public.users": Table(50, "9")}
    assert "rows, and" in problems(replace(CONTENTS, tables=less))[0]
    without = {name: table for name, table in CONTENTS.tables.items() if name != "public.users"}
    assert problems(replace(CONTENTS, tables=without))[0] == "table public.users is missing"
    assert problems(replace(CONTENTS, ledger=())) == ["no migration was ever applied to it"]


def entry(hours: float, *, passed: bool = True, backup: float | None = None) -> Verified:
    taken = AT + timedelta(hours=hours if backup is None else backup)
    return Verified(AT + timedelta(hours=hours + 0.5), backup_id(taken), passed)


def test_rpo_is_the_age_of_the_newest_backup_that_is_proven() -> None:
    now = AT + timedelta(hours=50)
    assert rpo_s([], now) is None
    assert rpo_s([entry(0, passed=False)], now) is None
    assert rpo_s([entry(0), entry(24), entry(48, passed=False)], now) == 26 * 3600
    again_and_bad = [entry(0), entry(24), entry(30, backup=24, passed=False)]
    assert newest_verified(again_and_bad) == again_and_bad[0]
    broke_off = replace(entry(30, backup=24, passed=False), checks=({"name": EARLY, "ok": False, "found": "x"},))
    assert newest_verified([entry(0), entry(24), broke_off]) == entry(24)


def test_a_snapshot_that_is_proven_counts_when_the_dump_is_lost() -> None:
    now, looked = AT + timedelta(hours=50), {"name": SNAPSHOT, "found": ""}
    good = replace(entry(24), checks=({**looked, "ok": True},))
    lost = entry(30, backup=24, passed=False)
    assert rpo_s([entry(0), good, lost], now) == 26 * 3600
    for ok in (False, None):  # it is broken, or not there any more
        assert rpo_s([entry(0), good, replace(lost, checks=({**looked, "ok": ok},))], now) == 50 * 3600


class Stored:
    """A bucket that holds one object under each key."""

    def __init__(self, **head: Any) -> None:
        self.head = head

    def head_object(self, **_: Any) -> dict[str, Any]:
        if not self.head:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return self.head


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (Stored(VersionId="v1"), None),
        (Stored(VersionId="v2", ContentLength=1000, LastModified=AT), "another object of 1,000 bytes was put there"),
        (Stored(), "it was deleted"),
    ],
)
def test_an_object_that_is_not_the_dump_any_more_is_found(stored: Stored, said: str | None) -> None:
    """Though the dump, an earlier version of it, is still there to be verified."""
    names = SimpleNamespace(names=SimpleNamespace(backups_bucket="b"))
    archive = Archive(cast(Rollout, SimpleNamespace(environment=names, aws=lambda _: stored)))
    found = archive.replaced(made().model_copy(update={"version": "v1"}))
    assert str(found).startswith(str(said))


def test_the_course_of_rpo_rises_until_the_next_proof() -> None:
    hours = [round(cost / 3600, 1) for _, cost in rpo_course([entry(0), entry(24, passed=False), entry(48)])]
    assert hours == [0.5, 24.5, 24.5, 48.5, 0.5]


def test_rto_is_known_of_a_proof_that_was_passed() -> None:
    proof = Proof(AT)
    with proof.timed("instance made", clock=iter([10.0, 40.0]).__next__):
        pass
    with proof.timed("restored", clock=iter([40.0, 45.5]).__next__):
        pass
    proof.note([Check(AFTER[0], True, "")])
    assert (proof.passed, proof.rto_s) == (False, None)  # the others were not looked at
    with proof.timed(SNAPSHOT, clock=iter([50.0, 90.0]).__next__):
        pass
    proof.note([Check(AFTER[1], True, ""), Check(AFTER[2], None, "there is no suite")])
    assert not proof.passed
    proof.note([Check(SNAPSHOT, None, "there is none")])
    assert (proof.passed, proof.rto_s) == (True, 35.5)
    proof.note([Check(AFTER[2], False, "x")])
    assert (proof.passed, verified(proof).problems) == (False, [f"{AFTER[2]}: x"])


def program(folder: Path, says: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return folder


def test_the_client_of_the_servers_own_version_is_taken(tmp_path: Path) -> None:
    newer = program(tmp_path / "17", "pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)")
    right = program(tmp_path / "15", "pg_dump (PostgreSQL) 15.18")
    odd = program(tmp_path / "odd", "hello")
    assert find_client("pg_dump", 15, folders=lambda _: iter([odd, newer, right])) == right / "pg_dump"
    with pytest.raises(Permanent, match=r"no pg_dump of PostgreSQL 16.*15\.18 at .*17\.2 at .*postgresql-client-16"):
        find_client("pg_dump", 16, folders=lambda _: iter([newer, right]))
    with pytest.raises(Permanent, match=r"no pg_restore of PostgreSQL 15, the server's version\. Install"):
        find_client("pg_restore", 15, folders=lambda _: iter([right]))


def test_a_client_hears_where_to_connect_from_its_environment_alone() -> None:
    dsn = SecretStr(
        "postgresql://me:s3cr%2Ft@name:6432/miyabi?sslmode=verify-full&sslrootcert=%2Fca.pem&hostaddr=10.0.0.7"
    )
    told = client_environment(dsn, base={"PATH": "/bin", "PGHOST": "elsewhere", "PGSERVICE": "other"})
    assert told == {
        "PATH": "/bin", "PGHOST": "name", "PGHOSTADDR": "10.0.0.7", "PGPORT": "6432", "PGUSER": "me",
        "PGPASSWORD": "s3cr/t", "PGDATABASE": "miyabi", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem",
        "PGAPPNAME": "miyabi backup", "PGCONNECT_TIMEOUT": "15", "LC_ALL": "C",
    }  # fmt: skip
