"""Rollback: traffic goes to where it was before a release, by its undo log, and a second time nothing; or to any one.

The releases of a module build on each other: version 1 is the good backend, later ones are others.
"""

import re
from pathlib import Path

import pytest

from database.releases import Release, release_with
from localcloud.cloud import Cloud
from tests.release.scene import FUNCTION, Scene, another_backend, standing
from tests.release.zygote import Zygote

UNKNOWN = "1f3c2ab0-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def release_another(scene: Scene, folder: Path, name: str) -> str:
    """Release another backend; the version that serves."""
    ended = scene.run(source=another_backend(folder, name=name))
    assert ended.code == 0, ended.error
    return scene.live()


def test_one_release_back_and_no_further(scene: Scene, tmp_path: Path) -> None:
    assert release_another(scene, tmp_path, "second") == "2"
    assert scene.run("rollback", plan_only=True).code == 0
    assert scene.writes == []
    (change,) = scene.changes(planned=True)
    assert (change["what"], change["from"], change["to"]) == (f"alias {FUNCTION}:live", "2", "1")
    assert scene.last_release().status == "succeeded"
    assert scene.run("rollback").code == 0
    assert scene.writes == ["lambda.UpdateAlias"]
    assert scene.health().json()["version"] == "1"
    assert scene.last_release().status == "rolled_back"
    assert scene.run("rollback").code == 0
    assert scene.writes == []
    assert scene.live() == "1"
    (row,) = scene.changes()
    assert (row["change"], row["what"]) == ("finding", "traffic")
    assert "there is nothing to put back" in row["why"]
    name, message = scene.last_state()
    assert name == "NotDone"  # `miyabi rollback` exits by it
    assert re.search(r"name one to go to, `miyabi rollback ID`: [0-9a-f]{8} \(version 2, ", message)


def test_what_was_rolled_back_can_be_released_again_without_a_new_version(scene: Scene, tmp_path: Path) -> None:
    assert release_another(scene, tmp_path, "second") == "2"
    assert "lambda.PublishVersion" not in scene.writes
    assert scene.last_release().status == "succeeded"


def test_to_an_earlier_release_and_back_again(scene: Scene, tmp_path: Path) -> None:
    first = with_version(scene, "1")
    assert release_another(scene, tmp_path, "third") == "3"
    assert scene.run("rollback", release_id=str(first.id), plan_only=True).code == 0
    assert scene.writes == []
    (change,) = scene.changes(planned=True)
    assert (change["from"], change["to"]) == ("3", "1")
    assert scene.run("rollback", release_id=str(first.id)).code == 0
    assert scene.writes == ["lambda.UpdateAlias"]
    assert scene.health().json()["version"] == "1"
    back = scene.last_release()
    assert (back.kind, back.status, back.target_id, back.git_sha) == ("rollback", "succeeded", first.id, first.git_sha)
    assert (back.lambda_version_before, back.lambda_version_after) == ("3", "1")
    assert scene.run("rollback").code == 0
    assert scene.live() == "3"
    assert scene.last_release().status == "rolled_back"


def test_by_a_version_and_to_the_previous_one(scene: Scene) -> None:
    for wanted, version in (("previous", "2"), ("previous", "1"), ("3", "3"), ("3", "3")):
        assert scene.run("rollback", release_id=wanted).code == 0
        assert scene.live() == version
    assert scene.writes == []  # it was there already


def with_version(scene: Scene, version: str) -> Release:
    with scene.database() as connection:
        release = release_with(connection, "local", version)
    assert release
    return release


def test_a_version_that_was_deleted(scene: Scene, tmp_path: Path) -> None:
    assert release_another(scene, tmp_path, "fourth") == "4"
    assert release_another(scene, tmp_path, "third") == "3"
    scene.aws("lambda").delete_function(FunctionName=FUNCTION, Qualifier="4")
    ended = scene.run("rollback", release_id="4")
    assert ended.code == 1
    assert f"version 4 of {FUNCTION}" in ended.error
    assert "is not there any more" in ended.error
    assert "Release its source again: python:" in ended.error
    assert (scene.live(), scene.writes) == ("3", [])


def test_a_release_that_was_never_well(scene: Scene, tmp_path: Path) -> None:
    """Its version is there, and no way leads to it."""
    bad = another_backend(tmp_path, name="bad", handler="def handler(event, context):\n    return answer(500, {})\n")
    assert scene.run(source=bad).code == 1
    failed = scene.last_release()
    for wanted in (str(failed.id), str(failed.id)[:8]):
        ended = scene.run("rollback", release_id=wanted)
        assert ended.code == 1
        assert f"release {failed.id} is failed and was never well: smoke test" in ended.error
    assert scene.run("rollback", release_id=str(failed.lambda_version_after)).code == 1
    assert scene.live() == "3"


def test_a_fix_that_took_itself_back_does_not_hide_the_release_that_broke_it(scene: Scene, tmp_path: Path) -> None:
    assert release_another(scene, tmp_path, "breaks later") == "6"
    late = another_backend(
        tmp_path, name="fix", checks="  - {path: /api/v1/echo, method: POST, budget_ms: 0.001, quick: true}\n"
    )
    assert scene.run(source=late).code == 1
    taken_back = scene.last_release()
    assert (taken_back.status, scene.live()) == ("rolled_back", "6")
    known = [row["why"] for row in scene.plan(source=late) if row["what"] == "this code"]
    assert len(known) == 1
    assert f"release {taken_back.id}: smoke test" in known[0]
    assert scene.run("rollback").code == 0
    assert scene.live() == "3"
    assert scene.run("rollback").code == 0
    assert (scene.live(), scene.last_state()[0]) == ("3", "NotDone")  # to roll back twice is not two releases back


def test_traffic_that_someone_moved_since_is_left_where_it_is(scene: Scene, tmp_path: Path) -> None:
    assert release_another(scene, tmp_path, "second") == "2"
    scene.aws("lambda").update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
    assert scene.run("rollback").code == 0
    assert scene.writes == []
    assert scene.live() == "1"
    (row,) = [row for row in scene.changes() if row["change"] == "finding"]
    assert "was moved to version 1 by someone else" in row["why"]


@pytest.mark.parametrize(
    ("release_id", "said"),
    [
        (UNKNOWN, f"environment 'local' has no release '{UNKNOWN}' to go back to; `miyabi releases` lists"),
        ("99", "has no release '99' to go back to"),
        ("yesterday's", "release_id: String should match pattern"),
    ],
    ids=["unknown", "no such version", "not an id"],
)
def test_a_release_that_there_is_not(scene: Scene, release_id: str, said: str) -> None:
    before = scene.live()
    ended = scene.run("rollback", release_id=release_id)
    assert ended.code == 1
    assert said in ended.error
    assert scene.writes == []
    assert scene.live() == before


def test_before_there_was_any_release(scene: Scene) -> None:
    scene.cloud.reset()
    ended = scene.run("rollback")
    assert ended.code == 1
    assert "secret 'miyabi/local/database' does not exist" in ended.error
    assert "run provision" in ended.error
    assert scene.writes == []
