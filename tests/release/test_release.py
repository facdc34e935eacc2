"""A release to the embedded cloud, and what the next one finds."""

import httpx

from tests.release.conftest import Releases

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
    assert releases.run(source=SOURCE, plan_only=True).code == 0
    written = {c.operation for c in releases.cloud.calls if not c.operation.startswith(("Get", "Describe", "List"))}
    assert written == set()
