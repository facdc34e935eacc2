"""Backups and disasters as flows on the embedded cloud: taken, proven, restored, and gone over to.

In the order of a story, since a restore takes its time: a proof is killed and made again, a bad backup is found out, a
snapshot is restored beside the database, then the database is lost and comes back.
"""

import json
import os
import re
import signal
import threading
import time
from typing import Any

import psycopg
import pytest

from localcloud.cloud import Cloud
from tests.release.scene import DATABASE, GOOD, Scene
from tests.release.zygote import Zygote

BUCKET, BESIDE = "miyabi-backups-local-211234825975", "miyabi-verified-local"
PEOPLE = 400
PERSON = (
    "INSERT INTO users (github_id, email, access_token) SELECT n, 'p' || n, '' FROM generate_series(%s::int, %s::int) n"
)


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    """A database with our schema and some people in it, and a backup of it."""
    cloud.reset()
    scene = Scene(cloud, zygote)
    for flow in ("provision", "migrate"):
        done(scene, flow)
    with scene.database() as connection:
        connection.execute(PERSON, [1, PEOPLE])
    done(scene, "backup")
    return scene


def done(scene: Scene, flow: str, **parameters: Any) -> None:
    ended = scene.run(flow, **parameters)
    assert ended.code == 0, ended.error


def instances(scene: Scene) -> dict[str, str]:
    found = scene.aws("rds").describe_db_instances()["DBInstances"]
    return {one["DBInstanceIdentifier"]: one["DBInstanceStatus"] for one in found}


def keys(scene: Scene, prefix: str = "") -> list[str]:
    return [one["Key"] for one in scene.aws("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def people(scene: Scene, identifier: str) -> int:
    login = json.loads((scene.cloud.home / "secrets" / "rds.json").read_text())[identifier]
    with psycopg.connect(
        host=login["host"], port=login["port"], user=login["username"], password=login["password"], dbname="miyabi"
    ) as connection:
        row = connection.execute("SELECT count(*) FROM users").fetchone()
    assert row
    return int(row[0])


def test_a_backup_is_a_dump_a_manifest_and_a_snapshot(scene: Scene) -> None:
    dump, manifest = keys(scene)
    assert re.fullmatch(r"(daily|weekly|monthly)/\d{8}T\d{6}Z/database\.dump", dump)
    told = json.loads(scene.aws("s3").get_object(Bucket=BUCKET, Key=manifest)["Body"].read())
    assert told["tables"]["public.users"][0] == PEOPLE
    (snapshot,) = scene.aws("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert re.fullmatch(DATABASE + r"-backup-\w+-\d{8}-\d{6}", snapshot["DBSnapshotIdentifier"])
    page = scene.artifact("backup-local")
    assert f"| {told['id']} | {told['kind']} |" in page
    assert "not yet" in page


def test_a_plan_of_a_backup_cannot_write(scene: Scene) -> None:
    done(scene, "backup", plan_only=True)
    assert [line["change"] for line in scene.changes(planned=True)] == ["create", "create"]
    assert scene.writes == []


def test_a_proof_that_is_killed_is_made_again_and_leaves_nothing(scene: Scene) -> None:
    def kill() -> None:
        while instances(scene).get(BESIDE) != "available":
            time.sleep(0.02)
        os.kill(scene.releases.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert scene.run("verify_backup").code == -9
    killer.join()
    assert BESIDE in instances(scene)
    assert keys(scene, "verifications/") == []

    done(scene, "verify_backup")
    assert list(instances(scene)) == [DATABASE]
    page = scene.artifact("backup-verified-local")
    assert re.match(r"# Backup local \d{8}T\d{6}Z: restorable\n", page)
    assert "](data:image/png;base64," in page
    assert re.search(r"\| the application answers \| ✓ \| \d\d+ smoke checks \|", page)
    (kept,) = keys(scene, "verifications/")
    told = json.loads(scene.aws("s3").get_object(Bucket=BUCKET, Key=kept)["Body"].read())
    assert (told["passed"], set(told["seconds"])) == (
        True, {"instance made", "restored", "compared", "migrated", "smoke-tested", "snapshot"}
    )  # fmt: skip
    assert told["rto_s"] == pytest.approx(sum(told["seconds"].values()) - told["seconds"]["snapshot"], abs=0.1)
    assert re.search(r"\| snapshot \| ✓ \| \d{3,} rows in \d+ tables, all read \|", page)


def test_a_bad_backup_fails_before_an_instance_is_paid_for(scene: Scene) -> None:
    s3, (dump, key) = scene.aws("s3"), keys(scene)[:2]
    told = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    s3.put_object(Bucket=BUCKET, Key=dump, Body=b"cut")
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({**told, "version": ""}))
    ended = scene.run("verify_backup")
    assert ended.code == 1
    assert "stored whole: 3 bytes of" in ended.error
    assert not any("DBInstance" in write for write in scene.writes)
    page = scene.artifact("backup-verified-local")
    assert "**not proven**" in page
    assert re.search(r"\| RPO: what a disaster now would cost \| [\d.]+ (sec|min)", page)  # its snapshot was proven
    for object_key in (dump, key):  # as it was
        newest = s3.list_object_versions(Bucket=BUCKET, Prefix=object_key)["Versions"][0]["VersionId"]
        s3.delete_object(Bucket=BUCKET, Key=object_key, VersionId=newest)


def test_a_snapshot_is_restored_beside_the_database(scene: Scene) -> None:
    (snapshot,) = scene.aws("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    name = snapshot["DBSnapshotIdentifier"]
    with scene.database() as connection:
        connection.execute(PERSON, [1001, 1010])
    done(scene, "restore", snapshot=name, into="looked-at", plan_only=True)
    assert [line["what"] for line in scene.changes(planned=True)] == ["database looked-at"]
    assert scene.writes == []
    done(scene, "restore", snapshot=name, into="looked-at")
    assert (people(scene, "looked-at"), people(scene, DATABASE)) == (PEOPLE, PEOPLE + 10)
    done(scene, "restore", snapshot=name, into="looked-at")
    assert [line["what"] for line in scene.changes() if line["field"] != "password"] == []
    ended = scene.run("restore", into="looked-at")
    assert "is not from backup" in ended.error
    scene.aws("rds").delete_db_instance(DBInstanceIdentifier="looked-at", SkipFinalSnapshot=True)


def test_the_drill(scene: Scene) -> None:
    """The database is lost; the newest dump comes back in a new instance, and a release goes over to it."""
    scene.aws("rds").delete_db_instance(DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True)
    while DATABASE in instances(scene):
        time.sleep(0.02)
    done(scene, "restore")
    (restored,) = instances(scene)
    page = scene.artifact("restore-local")
    assert f'`identifier = "{restored}"`' in page
    assert people(scene, restored) == PEOPLE
    with scene.configured(database={"identifier": restored}):
        done(scene, "release", source=GOOD)
        assert scene.health().status_code == 200
        again = scene.run("restore", into=restored)  # by now it is the environment's own
        assert "it is the environment's own database" in again.error
    assert people(scene, restored) == PEOPLE
