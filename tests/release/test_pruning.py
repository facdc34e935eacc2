"""Releases leave behind as much as the environment says. The releases of this module build on each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.aws.faults import Fault
from localcloud.cloud import Cloud
from tests.release.scene import DATABASE, FUNCTION, NOTHING, Scene, another_backend, load_block, standing
from tests.release.zygote import Zygote


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Iterator[Scene]:
    scene = standing(cloud, zygote)
    with scene.configured(function={"keep_versions": 1}, database={"keep_snapshots": 1}):
        yield scene


def release(scene: Scene, source: str) -> list[str]:
    """Release it; what was deleted, by the change table."""
    ended = scene.run(source=source)
    assert ended.code == 0, ended.error
    return deleted(scene)


def deleted(scene: Scene) -> list[str]:
    return [row["what"] for row in scene.changes() if row["change"] == "delete"]


def test_what_a_rollback_needs_stays_and_what_is_older_goes(scene: Scene, tmp_path: Path) -> None:
    assert release(scene, another_backend(tmp_path, name="second")) == []
    assert scene.versions() == ["1", "2"]
    third = another_backend(tmp_path, name="third")
    planned = scene.plan(source=third)
    assert [row["what"] for row in planned if row["change"] == "delete"] == [f"version 1 of function {FUNCTION}"]
    assert release(scene, third) == [f"version 1 of function {FUNCTION}"]
    assert scene.versions() == ["2", "3"]
    finding = next(row for row in scene.changes() if row["change"] == "finding")
    assert "function.keep_versions" in finding["why"]
    assert scene.plan(source=third) == NOTHING
    assert scene.run("rollback").code == 0
    assert scene.health().json()["version"] == "2"


def test_old_snapshots_go(scene: Scene) -> None:
    rds, tags = scene.aws("rds"), [{"Key": key, "Value": value} for key, value in load_block().tags.items()]
    names = [f"{DATABASE}-schema-1-at-20261121-0{hour}" for hour in (1, 2)]
    for name in (*names, "somebodys"):
        rds.create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=name, Tags=tags)
    assert release(scene, "python:tests/fixtures/python-lambda")[-1] == f"snapshot {names[0]}"
    left = [s["DBSnapshotIdentifier"] for s in rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]]
    assert sorted(left) == sorted([names[1], "somebodys"])


def test_a_release_that_cannot_prune_has_succeeded_all_the_same(scene: Scene, tmp_path: Path) -> None:
    source = another_backend(tmp_path, name="fourth")
    scene.cloud.faults.clear()
    scene.cloud.faults.add(Fault("error", "lambda", "DeleteFunction", code="AccessDeniedException", times=99))
    ended = scene.releases.run(source=source)
    scene.cloud.faults.clear()
    assert ended.code == 0, ended.error
    assert scene.last_release().status == "succeeded"
    finding = next(row for row in scene.changes() if row["change"] == "finding")
    assert "could not be deleted, the next release will try again" in finding["why"]
