"""Topic, alarms and dashboard on the embedded cloud: made once, repaired, taken away, nobody else's touched."""

import json
import time
from typing import Any

import pytest

from blocks.aws import PlanningCannotWrite
from blocks.environment import MonitoringSettings
from localcloud.aws.alarms import AlarmClock
from tasks.alarms import destroy_alarms, ensure_alarms
from tasks.changes import Rollout
from tasks.dashboards import destroy_dashboard, ensure_dashboard
from tasks.errors import NotOurs
from tasks.gateway import Api
from tasks.topics import destroy_topic, ensure_topic
from tests.localcloud.gateway_support import ECHO, Lab
from tests.support import changes_of, make_environment, make_rollout

API = Api("api1", "http://127.0.0.1:1", "http://127.0.0.1:1", "arn:api")
TOPIC = "arn:aws:sns:us-east-1:211234825975:miyabi-alerts-local"
ERRORS = "miyabi-function-errors-local"
DASHBOARD = "miyabi-local"


@pytest.fixture
def rolled(cloud, aws):
    """Make a rollout with these monitoring settings."""

    def make(*, planning: bool = False, adopt: bool = False, **settings: Any) -> Rollout:
        environment = make_environment(cloud.aws_endpoint, monitoring=MonitoringSettings(**settings))
        return make_rollout(environment, planning=planning, adopt=adopt)

    return make


def watched(rollout: Rollout, api: Api = API) -> Rollout:
    """The steps of flows/watching.py, below Prefect."""
    topic = ensure_topic.fn(rollout)
    alarms = ensure_alarms.fn(rollout, topic_arn=topic.arn, api_id=api.id)
    ensure_dashboard.fn(rollout, api_id=api.id, alarm_arns=alarms)
    return rollout


def unwatched(rollout: Rollout) -> Rollout:
    for destroy in (destroy_dashboard, destroy_alarms, destroy_topic):
        destroy.fn(rollout)
    return rollout


def alarms(aws) -> dict[str, Any]:
    return {alarm["AlarmName"]: alarm for alarm in aws("cloudwatch").describe_alarms()["MetricAlarms"]}


def test_made_once_and_then_left_alone(rolled, aws):
    first = watched(rolled(emails=("ops@example.com",)))
    assert changes_of(first)[:2] == [
        "create topic miyabi-alerts-local",
        "create subscription to topic miyabi-alerts-local email: - → ops@example.com",
    ]
    assert len(first.changes) == 2 + 11 + 1
    assert [finding.text for finding in first.findings] == [
        "ops@example.com is not told of alarms before confirming the mail of AWS"
    ]
    tags = aws("cloudwatch").list_tags_for_resource(ResourceARN=alarms(aws)[ERRORS]["AlarmArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == first.tags
    assert watched(rolled(emails=("ops@example.com",))).changes == []


def test_a_plan_shows_all_of_it_and_writes_nothing(rolled, aws):
    plan = watched(rolled(planning=True))
    assert len(plan.changes) == 13
    assert aws("sns").list_topics()["Topics"] == []
    with pytest.raises(PlanningCannotWrite):
        plan.aws("cloudwatch").delete_alarms(AlarmNames=["x"])


def test_drift_is_repaired_and_what_is_not_wanted_any_more_goes(rolled, aws):
    watched(rolled())
    cloudwatch = aws("cloudwatch")
    known = {
        key: value
        for key, value in alarms(aws)[ERRORS].items()
        if not key.startswith(("State", "AlarmArn", "AlarmConf"))
    }
    cloudwatch.put_metric_alarm(**{**known, "Threshold": 500.0})
    body = json.loads(cloudwatch.get_dashboard(DashboardName=DASHBOARD)["DashboardBody"])
    body["widgets"].pop()
    cloudwatch.put_dashboard(DashboardName=DASHBOARD, DashboardBody=json.dumps(body))
    repaired = watched(rolled(function_p95_ms=None))
    *others, drawn = changes_of(repaired)
    assert others == [f"update alarm {ERRORS} Threshold: 500.0 → 5.0", "delete alarm miyabi-function-p95-local"]
    assert drawn.startswith(f"update dashboard {DASHBOARD} widgets: - → ")
    assert "Function: last errors" in drawn
    assert alarms(aws)[ERRORS]["Threshold"] == 5.0
    assert watched(rolled(function_p95_ms=None)).changes == []


def test_what_is_not_ours_is_refused_adopted_on_demand_and_left_standing(rolled, aws):
    aws("cloudwatch").put_metric_alarm(
        AlarmName=ERRORS, Namespace="N", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    aws("cloudwatch").put_dashboard(DashboardName=DASHBOARD, DashboardBody='{"widgets": []}')
    aws("sns").create_topic(Name="miyabi-alerts-local")
    with pytest.raises(NotOurs, match="topic miyabi-alerts-local"):
        ensure_topic.fn(rolled())
    with pytest.raises(NotOurs, match=f"alarm {ERRORS}"):
        ensure_alarms.fn(rolled(), topic_arn=TOPIC, api_id="api1")
    with pytest.raises(NotOurs, match=f"dashboard {DASHBOARD}"):
        ensure_dashboard.fn(rolled(), api_id="api1", alarm_arns=())
    unwatched(rolled())
    assert set(alarms(aws)) == {ERRORS}
    watched(rolled(adopt=True))
    assert watched(rolled()).changes == []


def test_all_of_it_goes_and_going_twice_is_no_error(rolled, aws):
    watched(rolled(emails=("ops@example.com",)))
    assert len(unwatched(rolled()).changes) == 13
    assert (alarms(aws), aws("sns").list_topics()["Topics"]) == ({}, [])
    assert aws("cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert unwatched(rolled()).changes == []


def test_the_alarm_rings_for_a_function_that_fails(cloud, rolled, aws):
    """The whole way: real requests, real metrics, the release's own alarm on them."""
    lab = Lab(cloud, aws)
    lab.python(ECHO, name="miyabi-api-local")
    aws("lambda").publish_version(FunctionName="miyabi-api-local")
    aws("lambda").create_alias(FunctionName="miyabi-api-local", Name="live", FunctionVersion="1")
    api = lab.api(function="miyabi-api-local:live")
    watched(rolled(), Api(api, "", "", ""))
    for _ in range(6):
        assert lab.call(api, "/?raise=1").status == 500
    AlarmClock(cloud).tick(time.time() + 61)
    ringing = {name for name, alarm in alarms(aws).items() if alarm["StateValue"] == "ALARM"}
    assert ringing == {ERRORS}
    lab.clear()
