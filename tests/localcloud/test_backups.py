"""Backups on the embedded cloud and a real PostgreSQL: what is taken can be restored, and what is wrong is caught.

One environment and one backup for the module; each test of what is wrong changes the bucket and verifies. The instance
that is restored into is made once and emptied for each test. Steps are called as the plain functions they are.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from blocks.environment import DatabaseSettings
from database import migrations
from database.contents import LEDGER
from database.migration_files import Migration
from localcloud.cloud import Cloud
from tasks.backups.archive import Archive
from tasks.backups.bucket import ensure_backup_bucket
from tasks.backups.clients import client_environment, find_client
from tasks.backups.comparing import Check
from tasks.backups.dumping import dump_database
from tasks.backups.instances import dsn_of, proving
from tasks.backups.manifest import Manifest, manifest_key
from tasks.backups.points import find_point, source_of
from tasks.backups.proof import Proof
from tasks.backups.restoring import contents_of
from tasks.backups.snapshots import plan_expired, prune_backup_snapshots, take_backup_snapshot
from tasks.backups.verifying import compare_restored, examine_backup, restore_backup
from tasks.changes import Rollout
from tasks.database_engine import choose_engine
from tasks.database_groups import ensure_database_groups
from tasks.database_snapshots import observe_snapshots
from tasks.databases import Database, ensure_database
from tasks.errors import Permanent
from tasks.network import ensure_network
from tasks.secrets import database_dsn, ensure_database_address, ensure_secrets
from tests.support import changes_of, make_environment, make_rollout

FILES = migrations.load(Path(__file__).parents[2] / "migrations")
PEOPLE = 300
PERSON = (
    "INSERT INTO users (github_id, email, access_token) SELECT n, 'p' || n, '' FROM generate_series(%s::int, %s::int) n"
)


@dataclass
class Ground:
    """An environment with a database in it, a backup of that, and an instance to restore into."""

    rollout: Rollout
    target: Rollout
    beside: Database
    manifest: Manifest
    dump: bytes

    @property
    def dsn(self) -> SecretStr:
        return database_dsn(self.rollout)

    @property
    def beside_dsn(self) -> SecretStr:
        return dsn_of(self.target, self.beside)

    def empty(self) -> None:
        """The database of the instance beside, as it was made."""
        with psycopg.connect(self.beside_dsn.get_secret_value(), dbname="postgres", autocommit=True) as connection:
            connection.execute("DROP DATABASE miyabi WITH (FORCE)")
            connection.execute("CREATE DATABASE miyabi")

    def put(self, dump: bytes, **changes: Any) -> None:
        """Another dump in the place of the backup's, with a manifest that fits it, but for the changes."""
        archive, s3 = Archive(self.rollout), self.rollout.aws("s3")
        fields = {"version": "", "size": len(dump), "sha256": sha256(dump).hexdigest(), **changes}
        manifest = self.manifest.model_copy(update=fields)
        s3.put_object(Bucket=archive.bucket, Key=manifest.key, Body=dump)
        archive.put_json(manifest_key(manifest.kind, manifest.id), manifest.model_dump_json())

    def verify(self, *, files: Sequence[Migration] = FILES, later: timedelta = timedelta()) -> dict[str, str]:
        """What a verification finds wrong; the smoke test apart."""
        proof = Proof(datetime.now(UTC) + later)
        examine_backup.fn(self.rollout, proof, "", files)
        if not proof.failed:
            restore_backup.fn(self.target, proof, self.beside)
        if not proof.failed:
            compare_restored.fn(self.target, proof, self.beside)
        return wrong(proof.checks)


def wrong(checks: Sequence[Check]) -> dict[str, str]:
    return {check.name: check.found for check in checks if check.ok is False}


def instance(rollout: Rollout) -> Database:
    network = ensure_network.fn(rollout)
    ensure_secrets.fn(rollout)
    engine = choose_engine.fn(rollout)
    ensure_database_groups.fn(rollout, network, engine)
    return ensure_database.fn(rollout, network, engine)


@pytest.fixture(scope="module")
def taken(cloud: Cloud) -> Ground:
    cloud.reset()
    rollout = make_rollout(make_environment(cloud.aws_endpoint, database=DatabaseSettings(sslmode="prefer")))
    database = instance(rollout)
    ensure_database_address.fn(rollout, address=database.address, port=database.port)
    migrations.run(database_dsn(rollout).get_secret_value(), FILES)
    with psycopg.connect(database_dsn(rollout).get_secret_value(), autocommit=True) as connection:
        connection.execute(PERSON, [1, PEOPLE])
    ensure_backup_bucket.fn(rollout)
    manifest = dump_database.fn(rollout, datetime.now(UTC))
    assert manifest
    target = proving(rollout, manifest.major)
    return Ground(rollout, target, instance(target), manifest, b"".join(Archive(rollout).stream(manifest)))


@pytest.fixture
def ground(taken: Ground) -> Iterator[Ground]:
    """The backup as it was taken, and nothing in the instance beside."""
    taken.empty()
    yield taken
    taken.put(taken.dump)


def test_what_is_taken_is_whole(ground: Ground) -> None:
    assert ground.verify() == {}
    restored, original = contents_of(ground.beside_dsn), contents_of(ground.dsn)
    assert restored.tables == original.tables
    assert restored.tables["public.users"].rows == PEOPLE
    assert restored.ledger == original.ledger
    assert len(restored.ledger) == len(FILES)
    head = ground.rollout.aws("s3").head_object(Bucket=Archive(ground.rollout).bucket, Key=ground.manifest.key)
    assert head["ServerSideEncryption"] == "AES256"


def test_an_object_that_is_overwritten_later_is_not_taken_for_the_backup(ground: Ground) -> None:
    s3, bucket = ground.rollout.aws("s3"), Archive(ground.rollout).bucket
    ground.put(ground.dump, version=ground.manifest.version)
    s3.put_object(Bucket=bucket, Key=ground.manifest.key, Body=b"somebody's")
    assert ground.verify() == {}
    assert "another object of 10 bytes was put there" in ground.rollout.findings[-1].text


def flipped(dump: bytes) -> bytes:
    """One bit of it is another, in the middle."""
    middle = len(dump) // 2
    return dump[:middle] + bytes([dump[middle] ^ 1]) + dump[middle + 1 :]


def remade(ground: Ground, *options: str, dsn: SecretStr | None = None) -> bytes:
    """A dump of the original with other options, or of another database."""
    command = [str(find_client("pg_dump", ground.manifest.major)), "--format=custom", *options]
    return subprocess.run(command, env=client_environment(dsn or ground.dsn), capture_output=True, check=True).stdout


WRONG: dict[str, tuple[Callable[[Ground], Any], str, str]] = {
    "cut off": (
        lambda g: g.put(g.dump[:-2000], size=len(g.dump), sha256=g.manifest.sha256),
        "stored whole", "cut off",
    ),
    "cut off, and its manifest agrees": (lambda g: g.put(g.dump[: len(g.dump) // 2]), "restored", "pg_restore ended"),
    "without its last byte, and its manifest agrees": (lambda g: g.put(g.dump[:-1]), "restored", "pg_restore ended"),
    "a bit is another": (
        lambda g: g.put(flipped(g.dump), sha256=g.manifest.sha256),
        "restored", "its content has changed",
    ),
    "a manifest with another SHA-256": (lambda g: g.put(g.dump, sha256="0" * 64), "restored", "content has changed"),
    "not a dump at all": (lambda g: g.put(b"hello" * 1000), "restored", "pg_restore ended with 1"),
    "empty": (
        lambda g: g.put(remade(g, dsn=g.beside_dsn), tables={}, objects={}, sequences={}, migrations=()),
        "not empty", "there is no table in it",
    ),
    "empty, and its manifest says otherwise": (
        lambda g: g.put(remade(g, "--schema-only")), "tables and rows", "public.roles has 0 rows of",
    ),
    "without the rows of one table": (
        lambda g: g.put(remade(g, "--exclude-table-data=users")),
        "tables and rows", f"public.users has 0 rows of {PEOPLE}",
    ),
    "a manifest with more rows": (
        lambda g: g.put(g.dump, tables={**g.manifest.tables, "public.users": (PEOPLE + 1, "1")}),
        "tables and rows", f"public.users has {PEOPLE} rows of {PEOPLE + 1}",
    ),
    "a manifest with other rows": (
        lambda g: g.put(g.dump, tables={**g.manifest.tables, "public.users": (PEOPLE, "1")}),
        "contents", "rows of public.users are others",
    ),
    "without an index": (
        lambda g: g.put(g.dump, objects={**g.manifest.objects, "index": ("public.quick",)}),
        "objects", "index public.quick is missing",
    ),
    "a ledger that lacks a migration": (
        lambda g: g.put(remade(g, "--exclude-table-data=_sqlx_migrations")),
        "migrations", f"migration {FILES[0].version} is missing",
    ),
    "a manifest of an older schema": (
        lambda g: g.put(g.dump, migrations=g.manifest.migrations[:-3]), "migrations", "is not in the manifest",
    ),
    "a schema that this application does not know": (
        lambda g: g.put(g.dump, migrations=(
            *g.manifest.migrations,
            g.manifest.migrations[0].model_copy(update={"version": 29990101000000}),
        )),
        "this application's schema", "29990101000000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_backup_that_is_wrong_is_caught(ground: Ground, what: str) -> None:
    spoil, check, said = WRONG[what]
    spoil(ground)
    found = ground.verify()
    assert said in found[check]
    if check == "restored":  # nothing of it was committed
        assert contents_of(ground.beside_dsn).tables == {}


def test_one_of_another_schema_that_is_restored_is_caught(ground: Ground) -> None:
    """The files of the application are others than those that the database had seen."""
    changed = [*FILES[:-1], FILES[-1].__class__(**{**vars_of(FILES[-1]), "checksum": b"x" * 48})]
    assert str(FILES[-1].version) in ground.verify(files=changed)["this application's schema"]


def vars_of(file: Migration) -> dict[str, Any]:
    return {name: getattr(file, name) for name in file.__dataclass_fields__}


def test_one_that_has_expired_is_caught(ground: Ground) -> None:
    assert list(ground.verify(later=timedelta(days=200))) == ["young enough"]


def test_a_dump_without_a_manifest_is_no_backup(ground: Ground) -> None:
    archive, s3 = Archive(ground.rollout), ground.rollout.aws("s3")
    key = manifest_key(ground.manifest.kind, ground.manifest.id)
    s3.put_object(Bucket=archive.bucket, Key=key, Body=b"{}")
    assert "cannot be read" in ground.verify()["manifest"]
    s3.delete_object(Bucket=archive.bucket, Key=key)
    assert archive.ids() == []
    assert "there is no backup" in ground.verify()["manifest"]


def test_people_go_on_writing_meanwhile(ground: Ground) -> None:
    """Counts and dump are of one moment, whatever is committed while they are taken."""
    done, at = threading.Event(), datetime.now(UTC) + timedelta(hours=1)

    def write() -> None:
        with psycopg.connect(ground.dsn.get_secret_value(), autocommit=True) as connection:
            for n in range(10_000, 20_000):
                connection.execute(PERSON, [n, n])
                if done.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifest = dump_database.fn(ground.rollout, at)
    finally:
        done.set()
        writer.join()
    assert manifest
    assert manifest.tables["public.users"][0] >= PEOPLE
    assert ground.verify(later=timedelta(hours=2)) == {}
    for key in (manifest.key, manifest_key(manifest.kind, manifest.id)):
        ground.rollout.aws("s3").delete_object(Bucket=Archive(ground.rollout).bucket, Key=key)
    with psycopg.connect(ground.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("DELETE FROM users WHERE github_id >= 10000")


def test_a_dump_that_fails_leaves_nothing(ground: Ground) -> None:
    """A table that `pg_dump` may not lock in time."""
    archive, at = Archive(ground.rollout), datetime.now(UTC) + timedelta(hours=3)
    with psycopg.connect(ground.dsn.get_secret_value()) as connection:
        connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Permanent, match=r"pg_dump ended with 1: .*timeout.*LOCK TABLE public\.users"):
            dump_database.fn(ground.rollout, at, lock_wait="200ms")
    assert [backup for backup, _ in archive.ids()] == [ground.manifest.id]
    assert len(list(archive.keys(""))) == 2


def test_the_bucket_is_private_and_keeps_backups_as_long_as_is_asked(ground: Ground) -> None:
    again = make_rollout(ground.rollout.environment)
    ensure_backup_bucket.fn(again)
    assert changes_of(again) == []
    s3, bucket = again.aws("s3"), Archive(again).bucket
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}
    assert days == {"daily/": 7, "weekly/": 28, "monthly/": 180, "verifications/": 400}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    longer = again.environment.model_copy(
        update={"backup": again.environment.backup.model_copy(update={"daily_days": 14})}
    )
    planning = make_rollout(longer, planning=True)
    ensure_backup_bucket.fn(planning)
    assert changes_of(planning) == [f"update bucket {bucket} kept daily: 7 days, then 30 more → 14 days, then 30 more"]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"snapshot": "nothing", "to_time": "latest"}, "give one of a backup, a snapshot and a time"),
        ({"backup": "20200101T000000Z"}, "there is no backup '20200101T000000Z'"),
        ({"snapshot": "nothing"}, "there is no snapshot 'nothing'"),
        ({"to_time": "yesterday"}, "'yesterday' is no time"),
        ({"to_time": "2999-01-01T00:00:00Z"}, "has not come yet"),
        ({"into": "miyabi-postgres-local"}, "it is the environment's own database"),
        ({"into": "miyabi-verified-local"}, "it exists already and is not from backup 2"),
        ({"into": "No_Name"}, "an instance's name has at most 63 small letters"),
    ],
)
def test_what_cannot_be_restored_is_refused(ground: Ground, wish: dict[str, str], said: str) -> None:
    planning = make_rollout(ground.rollout.environment, planning=True)
    with pytest.raises(Permanent, match=said):
        find_point.fn(planning, **{"backup": "", "snapshot": "", "to_time": "", "into": "", **wish})


def test_a_time_is_a_point_of_the_log_of_changes(ground: Ground) -> None:
    find = {"backup": "", "snapshot": "", "into": ""}
    point = find_point.fn(ground.rollout, to_time="2026-11-27T05:15:00+02:00", **find)
    assert (point.name, point.into) == ("2026-11-27T03:15:00Z", "miyabi-postgres-local-at-20261127-031500")
    told = source_of(ground.rollout, point)
    assert told == {"SourceDBInstanceIdentifier": "miyabi-postgres-local", "RestoreTime": point.at}
    latest = find_point.fn(ground.rollout, to_time="latest", **find)
    assert source_of(ground.rollout, latest)["UseLatestRestorableTime"] is True


def test_snapshots_are_kept_as_long_as_dumps(ground: Ground) -> None:
    at = datetime.now(UTC)
    for days in (200, 9, 0):
        take_backup_snapshot.fn(ground.rollout, at - timedelta(days=days))
    seen = observe_snapshots(ground.rollout, ends=r"-backup-(daily|weekly|monthly)-(\d{8}-\d{6})")
    assert len(seen) == 3
    assert len(plan_expired(ground.rollout, seen, at + timedelta(days=1000))) == 2  # the newest stays
    prune_backup_snapshots.fn(ground.rollout, at)
    left = [one.identifier for one in observe_snapshots(ground.rollout, ends=r"-backup-\w+-\d{8}-\d{6}")]
    assert f"{at:%Y%m%d}" in left[-1]
    assert len(left) < 3
    assert LEDGER in ground.manifest.tables
