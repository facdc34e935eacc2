"""Sites through the flows: pointed at the API, published, put back; and what a killed run leaves is repaired.

A page must never refer to what is not there: `whole` looks at that from outside, after every disturbance.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localcloud.aws.faults import Fault, Phase
from localcloud.cloud import Cloud
from tests.release.scene import NOTHING, Scene, standing
from tests.release.sweeping import Point, Sweep
from tests.release.zygote import Ended, Zygote

PLAIN = "site:tests/fixtures/sites/plain"
BUCKET = "miyabi-site-local-211234825975"
ASSETS = 12
DENIED = ("AccessDenied", "User is not authorized to perform: cloudfront:CreateInvalidation")


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Iterator[Scene]:
    scene = standing(cloud, zygote)
    with scene.configured(site_url=cloud.site_endpoint):
        yield scene


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three versions of one site, each with assets of its own names."""
    folder = tmp_path_factory.mktemp("sites")
    return [write_site(folder / version, version) for version in ("one", "two", "three")]


def write_site(folder: Path, version: str) -> str:
    """A page with assets that carry their hash, a file that does not, and the API's address in a file of its own."""
    (folder / "assets").mkdir(parents=True)
    names = []
    for number in range(ASSETS):
        text = f"export default 'part {number} of {version}';\n"
        names.append(f"assets/part{number}-{hashlib.sha256(text.encode()).hexdigest()[:10]}.js")
        (folder / names[-1]).write_text(text)
    scripts = "".join(f'<script type="module" src="/{name}"></script>' for name in ("config.js", *names))
    (folder / "index.html").write_text(f"<!doctype html><title>{version}</title>{scripts}")
    (folder / "config.js").write_text(f"window.API_BASE = 'http://localhost:3000/api'; window.VERSION = '{version}';\n")
    return f"site:{folder}"


def deploy(scene: Scene, site: str) -> None:
    ended = scene.run("deploy_frontend", site=site)
    assert ended.code == 0, ended.error


def get(scene: Scene, path: str = "/") -> httpx.Response:
    return httpx.get(scene.cloud.site_endpoint + path)


def whole(scene: Scene) -> str:
    """The title of the page, once all that it refers to is seen to be there."""
    page = get(scene).text
    for name in re.findall(r'src="([^"]+)"', page):
        answer = get(scene, name)
        assert answer.headers["content-type"].startswith("text/javascript"), name
    return str(re.findall("<title>(.*)</title>", page)[0])


def published(scene: Scene) -> tuple[str, str]:
    """The version of the page, and that of the file whose name does not change."""
    return whole(scene), re.findall(r"VERSION = '(\w+)'", get(scene, "/config.js").text)[0]


def objects(scene: Scene) -> set[str]:
    listed = scene.aws("s3").list_objects_v2(Bucket=BUCKET)
    return {item["Key"] for item in listed.get("Contents", [])}


def test_a_plain_page_asks_the_api_and_a_second_run_changes_nothing(scene: Scene) -> None:
    ended = scene.run("deploy_frontend", site=PLAIN, plan_only=True)
    assert ended.code == 0, ended.error
    assert scene.writes == []
    deploy(scene, PLAIN)
    page = get(scene)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["strict-transport-security"]
    status = httpx.get(f"{scene.cloud.aws_endpoint}/_cloud/status").json()
    api = status["apis"]["miyabi-api-local"]["url"]
    assert f"const API_BASE = '{api}/api/v1';" in get(scene, "/js/app.js").text
    assert get(scene, "/a/route/of/the/page").text == page.text
    assert [site["url"] for site in status["sites"].values()] == [scene.cloud.site_endpoint]
    assert "js/app.js:3: constant API_BASE" in scene.artifact("site-local")
    deploy(scene, PLAIN)
    assert scene.writes == []
    assert scene.changes() == NOTHING


def test_one_release_before_is_kept_and_a_rollback_puts_it_back(scene: Scene, sites: list[str]) -> None:
    for site in sites[:2]:
        deploy(scene, site)
    kept = objects(scene)
    assert published(scene) == ("two", "two")
    assert len([key for key in kept if key.startswith("assets/")]) == 2 * ASSETS
    assert not any(key.startswith("js/") for key in kept)  # of the plain page
    ended = scene.run(source="python:tests/fixtures/python-lambda", site=sites[2])
    assert ended.code == 0, ended.error
    assert published(scene) == ("three", "three")
    assert f"| site | {scene.cloud.site_endpoint} |" in scene.artifact("release-local")
    for _ in range(2):
        assert scene.run("rollback").code == 0
        assert published(scene) == ("two", "two")
    assert scene.writes == []


def test_a_release_that_fails_puts_the_site_back(scene: Scene, sites: list[str]) -> None:
    deploy(scene, sites[0])
    scene.cloud.faults.clear()
    fault = Fault("error", "cloudfront", "CreateInvalidation", code=DENIED[0], message=DENIED[1], status=403)

    def once(number: int, service: str, operation: str, when: Phase) -> None:
        if not scene.cloud.faults.active and not failed:
            failed.append(number)
            scene.cloud.faults.add(fault)

    failed: list[int] = []
    scene.cloud.faults.on_call = once
    ended = scene.releases.run("deploy_frontend", site=sites[1])
    assert ended.code == 1
    assert "Give the deployer's credentials permission for CreateInvalidation" in ended.error
    scene.cloud.faults.clear()
    assert published(scene) == ("one", "one")
    assert scene.last_release().status == "rolled_back"
    deploy(scene, sites[1])
    assert published(scene) == ("two", "two")


def killed(sweep: Sweep, point: Point, phase: Phase, site: str) -> Ended:
    ended = sweep.kill(point, phase, "deploy_frontend", site=site)
    assert ended.code == -9, ended.error
    return ended


@pytest.mark.parametrize(
    ("point", "phase"),
    [
        (Point("s3", "PutObject", 5), "after"),
        (Point("s3", "PutObject", ASSETS + 1), "after"),
        (Point("s3", "PutObject", ASSETS + 2), "after"),
        (Point("cloudfront", "CreateInvalidation", 1), "after"),
        (Point("cloudfront", "GetInvalidation", 1), "before"),
        (Point("s3", "DeleteObjects", 1), "before"),
    ],
    ids=str,
)
def test_killed_in_the_middle_the_page_is_whole_and_the_next_run_repairs_it(
    scene: Scene, sites: list[str], point: Point, phase: Phase
) -> None:
    sweep = Sweep(scene.cloud, scene.releases.zygote)
    for site in (sites[2], sites[0]):
        deploy(scene, site)
    killed(sweep, point, phase, sites[1])
    assert whole(scene) in ("one", "two")
    deploy(scene, sites[1])
    assert published(scene) == ("two", "two")
    assert len([key for key in objects(scene) if key.startswith("assets/")]) == 2 * ASSETS
    deploy(scene, sites[1])
    assert scene.writes == []


def test_rollback_of_a_publication_that_died(scene: Scene, sites: list[str]) -> None:
    for site in (sites[2], sites[0]):  # so that nothing of the next one is in the bucket
        deploy(scene, site)
    killed(Sweep(scene.cloud, scene.releases.zygote), Point("s3", "PutObject", ASSETS + 2), "after", sites[1])
    assert scene.run("rollback").code == 0
    assert published(scene) == ("one", "one")


def test_bad_sites_are_refused_before_the_first_write(scene: Scene, tmp_path: Path) -> None:
    other = "const API_BASE = 'http://localhost:3000/api';\n"
    for name, script, said in (
        ("ambiguous", other, "ambiguous"),
        ("loopback", "fetch('http://127.0.0.1:3000/tasks');\n", "points at the visitor's own machine"),
    ):
        write_site(tmp_path / name, name)
        (tmp_path / name / "app.js").write_text(script)
        ended = scene.run(source="python:tests/fixtures/python-lambda", site=f"site:{tmp_path / name}")
        assert ended.code == 1
        assert said in ended.error
        assert "app.js:1" in ended.error
        assert scene.writes == []


def test_killed_while_bucket_and_distribution_are_made(scene: Scene, sites: list[str]) -> None:
    sweep = Sweep(scene.cloud, scene.releases.zygote)
    ended = scene.run("teardown", confirm="local", final_snapshot=False)
    assert ended.code == 0, ended.error
    assert scene.aws("s3").list_buckets()["Buckets"] == []
    assert "Items" not in scene.aws("cloudfront").list_distributions()["DistributionList"]
    scene.release_good()
    for point in (
        Point("s3", "CreateBucket", 1),
        Point("cloudfront", "CreateOriginAccessControl", 1),
        Point("cloudfront", "CreateDistributionWithTags", 1),
    ):
        killed(sweep, point, "after", sites[0])
    deploy(scene, sites[0])
    assert published(scene) == ("one", "one")
    assert scene.aws("cloudfront").list_distributions()["DistributionList"]["Quantity"] == 1


def test_going_back_to_a_release_takes_the_site_along(scene: Scene, sites: list[str]) -> None:
    """Its own dashboard's suite is not asked: these are other sites."""
    ids = []
    for site in sites[:2]:
        ended = scene.run(source="python:tests/fixtures/python-lambda", site=site)
        assert ended.code == 0, ended.error
        ids.append(str(scene.last_release().id))
    for release, version in zip(ids, ("one", "two"), strict=True):
        ended = scene.run("rollback", release_id=release)
        assert ended.code == 0, ended.error
        assert published(scene) == (version, version)
