"""A release to the embedded cloud, and what the next one finds."""

import re

import httpx

from localcloud.cloud import Cloud
from tests.release.conftest import Releases
from tests.release.scene import FUNCTION, Scene
from tests.release.zygote import Zygote

SOURCE = "python:tests/fixtures/python-lambda"


def api_url(releases: Releases) -> str:
    answer = httpx.get(f"{releases.cloud.aws_endpoint}/_cloud/status").json()
    return str(answer["apis"]["miyabi-api-local"]["url"])


def test_a_release_serves_and_the_next_one_changes_nothing(releases: Releases) -> None:
    assert releases.run(source=SOURCE).code == 0
    assert httpx.get(f"{api_url(releases)}/api/v1/health").status_code == 200
    made = [call for call in releases.cloud.calls if not call.operation.startswith(("Get", "Describe", "List"))]
    assert made
    releases.cloud.faults.clear()
    assert releases.run(source=SOURCE).code == 0
    written = {c.operation for c in releases.cloud.calls if not c.operation.startswith(("Get", "Describe", "List"))}
    assert written == {"Invoke"}  # the smoke test of the version


def test_a_plan_writes_nothing(releases: Releases) -> None:
    assert releases.run("plan", source=SOURCE).code == 0
    written = {c.operation for c in releases.cloud.calls if not c.operation.startswith(("Get", "Describe", "List"))}
    assert written == set()


def test_plans_and_releases_are_told_apart(cloud: Cloud, zygote: Zygote) -> None:
    cloud.reset()
    scene = Scene(cloud, zygote)
    planned = [row["what"] for row in scene.plan()]
    assert planned.count(f"alias {FUNCTION}:live") == 1
    plan = scene.artifact("plan-local")
    assert plan.startswith("# Plan local\n")
    scene.release_good()
    report = scene.artifact("release-local")
    assert report.startswith("# Release local: succeeded\n")
    for name in ("Build and check the package", "Ensure database", "Smoke-test the version", "Shift traffic"):
        assert re.search(rf"\| {name} \| \d+\.\d\d \|", report), name
    scene.plan()
    assert scene.artifact("release-local") == report
    assert scene.artifact("plan-local") != plan
