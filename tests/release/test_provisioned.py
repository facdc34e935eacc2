"""Provisioned concurrency goes where the traffic goes, is undone with it, and ends when the environment says so.

The tests build on each other: version 1 is the good backend, version 2 another one.
"""

from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import FUNCTION, GOOD, NOTHING, Scene, another_backend, standing
from tests.release.zygote import Zygote

WANTED = {"function": {"provisioned_concurrency": 1}}


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def provisioned(scene: Scene) -> dict[str, str]:
    """Version → status."""
    client = scene.aws("lambda")
    found = client.list_provisioned_concurrency_configs(FunctionName=FUNCTION)["ProvisionedConcurrencyConfigs"]
    return {entry["FunctionArn"].rpartition(":")[2]: entry["Status"] for entry in found}


def test_the_version_with_the_traffic_gets_it(scene: Scene) -> None:
    with scene.configured(**WANTED):
        (planned,) = scene.plan()
        assert planned["what"] == f"provisioned concurrency of {FUNCTION}:1"
        assert planned["why"] == "about $5.48 a month while it stands, at us-east-1's price"
        assert scene.release_good() == "1"
        assert provisioned(scene) == {"1": "READY"}
        assert scene.plan() == NOTHING


def test_it_moves_with_the_traffic_and_back(scene: Scene, tmp_path: Path) -> None:
    with scene.configured(**WANTED):
        ended = scene.run(source=another_backend(tmp_path, name="second"))
        assert ended.code == 0, ended.error
        assert (scene.live(), provisioned(scene)) == ("2", {"2": "READY"})
        ready, moved = (
            scene.writes.index("lambda.PutProvisionedConcurrencyConfig"),
            scene.writes.index("lambda.UpdateAlias"),
        )
        assert ready < moved
        assert scene.run("rollback").code == 0
        assert (scene.live(), list(provisioned(scene))) == ("1", ["1"])


def test_a_release_that_fails_leaves_none_behind(scene: Scene, tmp_path: Path) -> None:
    late = another_backend(
        tmp_path, name="late", checks="  - {path: /api/v1/echo, method: POST, budget_ms: 0.001, quick: true}\n"
    )
    with scene.configured(**WANTED):
        assert scene.run(source=late).code == 1
        assert (scene.live(), list(provisioned(scene))) == ("1", ["1"])


def test_unset_it_goes(scene: Scene) -> None:
    (planned,) = [row for row in scene.plan() if row["what"].startswith("provisioned concurrency")]
    assert (planned["change"], planned["why"]) == ("delete", "not in the environment")
    ended = scene.run(source=GOOD)
    assert ended.code == 0, ended.error
    assert provisioned(scene) == {}
    assert scene.plan() == NOTHING
