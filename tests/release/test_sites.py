"""Sites through the flows: pointed at the API, published, put back; and what a killed run leaves is repaired."""

import httpx
import pytest

from localcloud.cloud import Cloud
from tests.release.scene import NOTHING, Scene, standing
from tests.release.zygote import Zygote

PLAIN = "site:tests/fixtures/sites/plain"
BUCKET = "miyabi-site-local-211234825975"


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def deployed(scene: Scene, site: str = PLAIN) -> None:
    ended = scene.run("deploy_frontend", site=site)
    assert ended.code == 0, ended.error


def get(scene: Scene, path: str = "/") -> httpx.Response:
    return httpx.get(scene.cloud.site_endpoint + path)


def api_url(scene: Scene) -> str:
    status = httpx.get(f"{scene.cloud.aws_endpoint}/_cloud/status").json()
    return str(status["apis"]["miyabi-api-local"]["url"])


def test_a_plain_page_asks_the_api_and_a_second_run_changes_nothing(scene: Scene) -> None:
    deployed(scene)
    page = get(scene)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["strict-transport-security"]
    assert f"const API_BASE = '{api_url(scene)}/api/v1';" in get(scene, "/js/app.js").text
    assert get(scene, "/a/route/of/the/page").text == page.text
    deployed(scene)
    assert scene.writes == []
    assert scene.changes() == NOTHING
