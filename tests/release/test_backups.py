"""Backups and disasters on the embedded cloud: taken, proven, and what is wrong with one that is not whole."""

import json
import re
from typing import Any

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import Scene
from tests.release.zygote import Zygote

BUCKET = "miyabi-backups-local-211234825975"
PEOPLE = 400


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    """A database with our schema and some people in it, and a backup of it."""
    cloud.reset()
    scene = Scene(cloud, zygote)
    for flow in ("provision", "migrate"):
        done(scene, flow)
    with scene.database() as connection:
        connection.execute(
            "INSERT INTO users (github_id, email, access_token) "
            "SELECT n, 'p' || n, '' FROM generate_series(1, %s::int) n",
            [PEOPLE],
        )
    done(scene, "backup")
    return scene


def done(scene: Scene, flow: str, **parameters: Any) -> None:
    ended = scene.run(flow, **parameters)
    assert ended.code == 0, ended.error


def test_a_backup_is_taken_and_proven(scene: Scene) -> None:
    s3 = scene.aws("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert re.fullmatch(r"(daily|weekly|monthly)/\d{8}T\d{6}Z/database\.dump", keys[0])
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=keys[1])["Body"].read())
    assert manifest["tables"]["public.users"][0] == PEOPLE
    done(scene, "verify_backup")
    page = scene.artifact("backup-verified-local")
    assert page.startswith("# Backup local 2")
    assert ": restorable\n" in page
    assert "](data:image/png;base64," in page
    assert f"| tables and rows | ✓ | {PEOPLE + 33:,} rows" not in page
