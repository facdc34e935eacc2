"""Phase 0 on the embedded cloud: what there is before a release and after it, and what the flow leaves.

The tests build on each other: first nothing is there, then the good backend.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import FUNCTION, Scene
from tests.release.zygote import Zygote
from tests.society import ISSUE, now
from tests.unit.test_agent_issues import github_server

CLOUD = (
    "cloud-database", "cloud-function", "cloud-variables", "cloud-api", "cloud-site", "cloud-secrets", "cloud-role",
    "cloud-logs", "cloud-network",
)  # fmt: skip


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    cloud.reset()
    return Scene(cloud, zygote)


def investigated(scene: Scene, repository: Path, **parameters: Any) -> dict[str, Any]:
    """The report as JSON, from the file that the flow leaves."""
    ended = scene.run("investigate", repository=str(repository), **parameters)
    assert ended.code == 0, ended.error
    assert scene.writes == []
    home = Path(scene.releases.zygote.environment["MIYABI_HOME"]) / "investigations"
    found: dict[str, Any] = json.loads((home / repository.name / "report.json").read_text())
    return found


def standings(found: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["standing"] for one in found["findings"] if one["check"] in CLOUD}


def test_an_empty_account_has_nothing(scene: Scene, tmp_path: Path) -> None:
    found = investigated(scene, now(tmp_path), issue=str(ISSUE))
    assert standings(found) == {**dict.fromkeys(CLOUD, "absent"), "cloud-variables": "unknown"}
    (claim,) = [one for one in found["claims"] if one["subject"] == "Database"]
    assert (claim["verdict"], claim["actual"]) == ("confirmed", "there is no database miyabi-postgres-local")
    assert "# Investigation of society" in scene.artifact("investigation-local")
    assert [row["subject"] for row in scene.artifact("claims-local")] == [one["subject"] for one in found["claims"]]


def test_what_a_release_made_is_there_and_what_the_code_requires_is_not(scene: Scene, tmp_path: Path) -> None:
    scene.release_good()
    found = investigated(scene, now(tmp_path), issue=str(ISSUE))
    assert standings(found) == {
        **dict.fromkeys(CLOUD, "working"), "cloud-site": "absent", "cloud-variables": "absent",
    }  # fmt: skip
    (claim,) = [one for one in found["claims"] if one["subject"] == "Database"]
    assert claim["verdict"] == "outdated"
    assert "available, db.t3.small, PostgreSQL 15.15, 20 GB" in claim["actual"]
    (variables,) = [one for one in found["findings"] if one["check"] == "cloud-variables"]
    assert variables["says"] == f"{FUNCTION} lacks DATABASE_URL, GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET, JWT_SECRET"
    assert variables["evidence"][-1]["says"].startswith(f"AWS: function {FUNCTION} has DATABASE_SECRET_ARN, ")


def test_what_is_broken_in_the_account_is_seen(scene: Scene, tmp_path: Path) -> None:
    policy = scene.aws("lambda").get_policy(FunctionName=FUNCTION, Qualifier="live")["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    scene.aws("lambda").remove_permission(FunctionName=FUNCTION, Qualifier="live", StatementId=statement["Sid"])
    (group,) = scene.aws("ec2").describe_security_groups(GroupNames=["miyabi-database-local"])["SecurityGroups"]
    scene.aws("ec2").authorize_security_group_ingress(
        GroupId=group["GroupId"], IpProtocol="tcp", FromPort=5432, ToPort=5432, CidrIp="0.0.0.0/0"
    )
    found = investigated(scene, now(tmp_path))
    assert {name for name, standing in standings(found).items() if standing == "partly"} == {
        "cloud-api", "cloud-network",
    }  # fmt: skip
    said = [problem["why"] for one in found["findings"] for problem in one["problems"]]
    assert "nothing allows it to invoke the function: HTTP 500, and nothing is logged" in said
    assert "open to the whole internet: tcp 5432 from 0.0.0.0/0" in said


def test_an_issue_by_its_number_and_a_build(scene: Scene, tmp_path: Path) -> None:
    root = Path(shutil.copytree("tests/fixtures/rust-lambda", tmp_path / "shop"))
    for command in (["init", "-q"], ["remote", "add", "origin", "https://github.com/hana/shop.git"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    body = "## State\n\n| Part | State |\n|---|---|\n| Build | ❌ broken |\n"
    with (
        github_server(body={"title": "It is broken", "body": body}) as (settings, asked),
        scene.configured(agents={"github_api": settings.github_api}),
    ):
        found = investigated(scene, root, issue="7", build=True)
    assert asked[0][1] == "/repos/hana/shop/issues/7"
    assert found["issue"] == "It is broken (#7)"
    (claim,) = found["claims"]
    assert (claim["verdict"], claim["place"], claim["check"]) == ("outdated", "#7:5", "build")
    assert claim["actual"].startswith("builds in ")
    assert "Finished `dev` profile" in claim["evidence"][0]["excerpt"]
    assert not (root / "target").exists()
