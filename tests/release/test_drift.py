"""Drift: what somebody changed by hand is in the plan, all of it and nothing else; a release repairs it."""

import json

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import API, FUNCTION, NOTHING, Scene, standing
from tests.release.zygote import Zygote

ALARM, DASHBOARD = "miyabi-api-5xx-local", "miyabi-local"
ROLE, GROUP, LOGS = "miyabi-lambda-local", "miyabi-database-local", f"/aws/lambda/{FUNCTION}"


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return standing(cloud, zygote)


def drift(scene: Scene) -> None:
    """One change by hand in each of seven places."""
    scene.aws("lambda").update_function_configuration(FunctionName=FUNCTION, MemorySize=1024)
    (group,) = scene.aws("ec2").describe_security_groups(GroupNames=[GROUP])["SecurityGroups"]
    hole = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}
    scene.aws("ec2").authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[hole])
    scene.aws("logs").delete_retention_policy(logGroupName=LOGS)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    (policy,) = scene.aws("iam").list_role_policies(RoleName=ROLE)["PolicyNames"]
    scene.aws("iam").put_role_policy(RoleName=ROLE, PolicyName=policy, PolicyDocument=json.dumps(everything))
    (api,) = scene.aws("apigatewayv2").get_apis()["Items"]
    scene.aws("apigatewayv2").update_stage(
        ApiId=api["ApiId"],
        StageName="$default",
        DefaultRouteSettings={"ThrottlingBurstLimit": 1000, "ThrottlingRateLimit": 1.0},
    )
    cloudwatch = scene.aws("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    kept = {key: value for key, value in alarm.items() if not key.startswith(("State", "AlarmArn", "AlarmConfig"))}
    cloudwatch.put_metric_alarm(**{**kept, "AlarmActions": []})
    cloudwatch.delete_dashboards(DashboardNames=[DASHBOARD])


def test_drift_is_planned_repaired_and_gone(scene: Scene) -> None:
    drift(scene)
    planned = scene.plan()
    assert [(row["change"], row["what"], row["field"], row["from"]) for row in planned] == [
        ("delete", f"security group {GROUP}", "ingress", "tcp 5432 from 203.0.113.7/32"),
        ("update", f"role {ROLE}", "policy miyabi-least-privilege", planned[1]["from"]),
        ("update", f"log group {LOGS}", "retention", "never expires"),
        ("update", f"function {FUNCTION}", "memory mb", "1024"),
        ("update", f"stage $default of API {API}", "DefaultRouteSettings.ThrottlingRateLimit", "1.0"),
        ("update", f"alarm {ALARM}", "AlarmActions", "[]"),
        ("create", f"dashboard {DASHBOARD}", "widgets", ""),
    ]
    assert '"Action":"*"' in planned[1]["from"]
    assert scene.release_good() == "1"
    assert scene.changes() == planned
    assert scene.versions() == ["1"]
    assert scene.plan() == NOTHING
