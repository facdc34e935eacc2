"""Reports on the embedded cloud: after a release, by hand, after somebody's changes, and where little can be seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from localcloud.aws.faults import Fault
from localcloud.cloud import Cloud
from tests.release.scene import FUNCTION, Scene, another_backend
from tests.release.zygote import Zygote

GROUP, LOGS, SECRET = "miyabi-database-local", f"/aws/lambda/{FUNCTION}", "miyabi/local/database"

PARTS = ("report", "components", "findings", "drift", "costs", "report-facts", "quickstart", "diagram")


@pytest.fixture(scope="module")
def home(zygote: Zygote) -> Path:
    return zygote.errors.parent / "reports" / "local"


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Iterator[Scene]:
    """Released, with a report at its end."""
    cloud.reset()
    made = Scene(cloud, zygote)
    with made.configured(report={"after_release": True}):
        made.release_good()
        yield made


def reported(scene: Scene, *faults: Fault, **parameters: Any) -> None:
    """A report by hand, whose calls of AWS meet these faults."""
    scene.cloud.faults.clear()
    for fault in faults:
        scene.cloud.faults.add(fault)
    ended = scene.releases.run("report", **parameters)
    assert ended.code == 0, ended.error
    assert scene.writes == []


def test_a_release_ends_with_a_report(scene: Scene, home: Path) -> None:
    page = scene.artifact("report-local")
    assert page.startswith("# Status report local: ")
    assert "This is the first report" in page
    assert "## Session: the last release, succeeded" in page
    rows = {row["kind"]: row for row in scene.artifact("components-local")}
    assert rows["function"]["standing"] == "working"
    assert rows["database"]["standing"] == "working"
    assert rows["distribution"]["standing"] == "off"
    assert "$26.28" in json.dumps(scene.artifact("costs-local"))
    assert FUNCTION in scene.artifact("quickstart-local")
    assert scene.artifact("diagram-local").startswith("![")
    assert {file.name for file in home.iterdir()} == {
        "costs.csv", "diagram.drawio", "diagram.png", "diagram.svg", "quickstart.md", "report.json", "report.md",
    }  # fmt: skip
    ElementTree.fromstring((home / "diagram.drawio").read_text())
    facts = json.loads((home / "report.json").read_text())
    assert facts["session"]["status"] == "succeeded"
    assert {"Build and check the package", "Deploy a function version"} <= {
        moment["step"] for moment in facts["session"]["timeline"]
    }


def test_what_somebody_changes_by_hand_is_named_and_no_secret_is(scene: Scene, home: Path) -> None:
    lambdas, ec2 = scene.aws("lambda"), scene.aws("ec2")
    variables = lambdas.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]
    lambdas.update_function_configuration(
        FunctionName=FUNCTION, MemorySize=1024, Environment={"Variables": {**variables, "API_KEY": "hush-hush"}}
    )
    (group,) = ec2.describe_security_groups(GroupNames=[GROUP])["SecurityGroups"]
    hole = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[hole])
    scene.aws("logs").delete_log_group(logGroupName=LOGS)
    reported(scene)
    rows = scene.artifact("drift-local")
    drift = {(row["change"], row["what"], row["field"]): (row["from"], row["to"]) for row in rows}
    assert drift["gone", f"log group {LOGS}", ""] == ("", "")
    assert drift["changed", f"function {FUNCTION}", "memory"] == ("512 MB", "1024 MB")
    assert "0.0.0.0/0" in drift["changed", f"security group {GROUP}", "lets in"][1]
    assert "No release was made in between" in scene.artifact("report-local")
    standings = {row["name"]: row["standing"] for row in scene.artifact("components-local")}
    assert (standings[GROUP], standings[LOGS]) == ("attention", "absent")
    found = {(row["severity"], row["check"]) for row in scene.artifact("findings-local")}
    assert {("critical", "open ports"), ("high", "plain secrets")} <= found
    keeper = scene.aws("secretsmanager")
    database, jwt = (keeper.get_secret_value(SecretId=name)["SecretString"] for name in (SECRET, "miyabi/local/jwt"))
    told = "".join(file.read_text(errors="ignore") for file in home.iterdir())
    told += "".join(str(scene.artifact(f"{part}-local")) for part in PARTS)
    assert FUNCTION in told
    assert not [secret for secret in ("hush-hush", jwt, json.loads(database)["password"]) if secret in told]
    reported(scene)
    assert scene.artifact("drift-local")[0]["change"] == "none"


def test_a_release_that_changes_nothing_makes_none_and_one_that_changes_something_does(
    scene: Scene, tmp_path: Path
) -> None:
    scene.release_good()  # puts right what was changed by hand
    before = scene.artifact("report-local")
    scene.release_good()
    assert scene.artifact("report-local") == before
    ended = scene.run(source=another_backend(tmp_path, name="other"))
    assert ended.code == 0, ended.error
    drift = {(row["what"], row["field"]): row["to"] for row in scene.artifact("drift-local")}
    assert drift["alias live", "version"] == scene.live()


def test_what_cannot_be_looked_at_is_said_and_the_rest_reported(scene: Scene) -> None:
    """The database's secret is deleted, so nobody reaches the record of releases; and RDS is not to be looked at."""
    scene.aws("secretsmanager").delete_secret(SecretId=SECRET)
    denied = Fault("error", "rds", "DescribeDBInstances", times=9, code="AccessDenied", message="not you", status=403)
    reported(scene, denied, assume={"requests": 5e6}, refresh=True)
    scene.aws("secretsmanager").restore_secret(SecretId=SECRET)
    standings = {row["name"]: row["standing"] for row in scene.artifact("components-local")}
    assert standings["the record of releases"] == standings["miyabi-postgres-local"] == "unknown"
    assert (standings[SECRET], standings[FUNCTION]) == ("attention", "working")
    unseen = scene.artifact("report-local").partition("## What could not be looked at")[2]
    assert "- **database miyabi-postgres-local**: AWS could not be asked: " in unseen
    assert "- the check **unencrypted storage**: " in unseen
    assert "Pricing API could not be asked: " in scene.artifact("report-local")
    assert "5,000,000 requests" in json.dumps(scene.artifact("costs-local"))


def test_without_aws_it_says_so_and_what_was_known_is_not_called_gone(scene: Scene) -> None:
    expired = {"code": "ExpiredToken", "message": "the token has expired", "status": 403}
    reported(scene, Fault("error", "sts", "GetCallerIdentity", times=9, **expired))
    assert {row["standing"] for row in scene.artifact("components-local")} == {"unknown"}
    assert "the token has expired" in scene.artifact("report-local")
    assert {call.service for call in scene.cloud.calls} == {"sts"}
    reported(scene)
    assert scene.artifact("drift-local")[0]["change"] == "none"


def test_an_empty_account_has_a_report_of_what_is_missing(cloud: Cloud, scene: Scene) -> None:
    cloud.reset()
    reported(scene)
    standings = {row["kind"]: row["standing"] for row in scene.artifact("components-local")}
    assert standings["function"] == standings["database"] == "absent"
    assert ("gone", "database miyabi-postgres-local") in {
        (row["change"], row["what"]) for row in scene.artifact("drift-local")
    }


def test_assumptions_that_are_none_are_refused(scene: Scene) -> None:
    ended = scene.run("report", assume={"requsts": 1})
    assert ended.code == 1
    assert "there is no 'requsts'" in ended.error
