"""Teardown: everything of ours goes, nothing of anybody else's does, and a release can follow."""

import json
from collections.abc import Iterator

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import API, DATABASE, Scene, standing
from tests.release.zygote import Zygote

API_LOGS = f"/aws/apigateway/{API}"
FOREIGN = {"log group /aws/lambda/theirs", "role theirs", "secret theirs", "security group theirs"}


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    scene = standing(cloud, zygote)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    scene.aws("iam").create_role(RoleName="theirs", AssumeRolePolicyDocument=document)
    scene.aws("secretsmanager").create_secret(Name="theirs", SecretString="not ours")
    scene.aws("logs").create_log_group(logGroupName="/aws/lambda/theirs")
    scene.aws("ec2").create_security_group(GroupName="theirs", Description="not ours")
    return scene


def inventory(scene: Scene) -> set[str]:
    """Everything in the account that a release could have made; AWS's own defaults are left out."""
    return {f"{kind} {name}" for kind, name in everything(scene)}


def everything(scene: Scene) -> Iterator[tuple[str, str]]:
    rds, ec2 = scene.aws("rds"), scene.aws("ec2")
    yield from (("API", api["Name"]) for api in scene.aws("apigatewayv2").get_apis()["Items"])
    yield from (("function", f["FunctionName"]) for f in scene.aws("lambda").list_functions()["Functions"])
    yield from (("role", role["RoleName"]) for role in scene.aws("iam").list_roles()["Roles"])
    yield from (("log group", g["logGroupName"]) for g in scene.aws("logs").describe_log_groups()["logGroups"])
    yield from (("secret", secret["Name"]) for secret in scene.aws("secretsmanager").list_secrets()["SecretList"])
    yield from (("database", db["DBInstanceIdentifier"]) for db in rds.describe_db_instances()["DBInstances"])
    yield from (("subnet group", g["DBSubnetGroupName"]) for g in rds.describe_db_subnet_groups()["DBSubnetGroups"])
    parameters = rds.describe_db_parameter_groups()["DBParameterGroups"]
    yield from (("parameter group", group["DBParameterGroupName"]) for group in parameters)
    groups = ec2.describe_security_groups()["SecurityGroups"]
    yield from (("security group", group["GroupName"]) for group in groups if group["GroupName"] != "default")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    yield from (("endpoint", end["ServiceName"]) for end in endpoints if end["State"] != "deleted")
    yield from (("topic", t["TopicArn"].rpartition(":")[2]) for t in scene.aws("sns").list_topics()["Topics"])
    alarms = scene.aws("cloudwatch").describe_alarms()["MetricAlarms"]
    yield from (("alarm", alarm["AlarmName"]) for alarm in alarms)
    dashboards = scene.aws("cloudwatch").list_dashboards()["DashboardEntries"]
    yield from (("dashboard", entry["DashboardName"]) for entry in dashboards)
    yield from (("bucket", bucket["Name"]) for bucket in scene.aws("s3").list_buckets()["Buckets"])


def snapshots(scene: Scene) -> list[str]:
    """Those that stay until somebody deletes them."""
    found = scene.aws("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    return [snapshot["DBSnapshotIdentifier"] for snapshot in found]


def secret(scene: Scene) -> str:
    return str(scene.aws("secretsmanager").get_secret_value(SecretId="miyabi/local/jwt")["SecretString"])


@pytest.mark.parametrize("confirm", ["", "production"])
def test_it_wants_to_be_confirmed(scene: Scene, confirm: str) -> None:
    ended = scene.run("teardown", confirm=confirm)
    assert ended.code == 1
    assert "to destroy 'local', give its name as `confirm`; nothing was destroyed" in ended.error
    assert scene.cloud.calls == []


def test_a_protected_database_keeps_everything_standing(scene: Scene) -> None:
    scene.aws("rds").modify_db_instance(DBInstanceIdentifier=DATABASE, DeletionProtection=True)
    ended = scene.run("teardown", confirm="local")
    assert ended.code == 1
    for text in (f"database {DATABASE!r} is protected from deletion", "deletion_protection = false"):
        assert text in ended.error
        assert text in scene.last_state()[1]
    assert scene.writes == []
    assert scene.health().status_code == 200
    scene.aws("rds").modify_db_instance(DBInstanceIdentifier=DATABASE, DeletionProtection=False)


def test_everything_of_ours_goes_and_a_release_can_follow(scene: Scene) -> None:
    before, jwt = inventory(scene), secret(scene)
    scene.aws("logs").untag_log_group(logGroupName=API_LOGS, tags=["ManagedBy"])
    ended = scene.run("teardown", confirm="local")
    assert ended.code == 0, ended.error
    assert inventory(scene) == {*FOREIGN, f"log group {API_LOGS}"}
    gone = {row["what"].partition(" (")[0] for row in scene.changes() if row["change"] == "delete"}
    assert before - FOREIGN - {f"log group {API_LOGS}"} - gone == {"endpoint com.amazonaws.us-east-1.secretsmanager"}
    (last,) = snapshots(scene)
    assert last.startswith(f"{DATABASE}-final-")

    assert scene.run("teardown", confirm="local").code == 0
    assert scene.writes == []

    scene.aws("logs").delete_log_group(logGroupName=API_LOGS)
    assert scene.release_good() == "1"
    assert inventory(scene) == before
    assert secret(scene) == jwt


def test_the_data_goes_too_if_that_is_asked_for(scene: Scene) -> None:
    before = snapshots(scene)
    assert scene.run("teardown", confirm="local", final_snapshot=False).code == 0
    assert inventory(scene) == FOREIGN
    assert snapshots(scene) == before
