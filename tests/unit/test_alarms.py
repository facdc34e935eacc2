"""Alarms, topic and dashboard as they are wanted and planned: thresholds, true metric names, the grid."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.environment import DatabaseSettings, MonitoringSettings
from localcloud.aws import dashboards as cloudwatch
from tasks.alarms import SeenAlarm, plan_alarm
from tasks.alarms_wanted import KINDS, alarm_name, condition, connection_limit, wanted_alarms
from tasks.dashboards import SeenDashboard, dashboard_body, plan_dashboard
from tasks.errors import Rejected
from tasks.topics import SeenTopic, plan_topic
from tests.support import make_environment, make_rollout

TOPIC = "arn:aws:sns:us-east-1:123456789012:miyabi-alerts-testing"


def wanted(**settings: Any) -> dict[str, Any]:
    environment = make_environment(monitoring=MonitoringSettings(**settings))
    return dict(wanted_alarms(environment, topic_arn=TOPIC, api_id="api1"))


def test_the_missions_thresholds_are_the_default() -> None:
    shown = {name.removeprefix("miyabi-").removesuffix("-testing"): condition(a) for name, a in wanted().items()}
    assert shown == {
        "function-errors": "Sum of Errors > 5 in 300 s",
        "function-error-rate": "errors in a hundred > 5 in 2 × 300 s",
        "function-p95": "p95 of Duration > 10,000 in 3 × 300 s",
        "function-throttles": "Sum of Throttles > 10 in 300 s",
        "function-concurrency": "Maximum of ConcurrentExecutions > 100 in 300 s",
        "api-5xx": "Sum of 5xx > 10 in 2 × 300 s",
        "api-p95": "p95 of Latency > 3,000 in 3 × 300 s",
        "database-cpu": "Average of CPUUtilization > 80 in 3 × 300 s",
        "database-connections": "Maximum of DatabaseConnections > 100 in 300 s",
        "database-memory": "Average of FreeableMemory < 268,435,456 in 2 × 300 s",
        "database-storage": "Minimum of FreeStorageSpace < 5,368,709,120 in 300 s",
    }  # fmt: skip


def test_an_http_apis_alarms_have_names_that_it_publishes() -> None:
    alarm = wanted()["miyabi-api-5xx-testing"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/ApiGateway", "5xx")
    assert alarm["Dimensions"] == [{"Name": "ApiId", "Value": "api1"}]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]


def test_a_file_says_false_for_no_alarm() -> None:
    """TOML has no null, and false must not become 0."""
    assert MonitoringSettings.model_validate({"api_p95_ms": False, "api_5xx": False}).api_5xx is None
    with pytest.raises(ValidationError, match="a number, or false for no alarm"):
        MonitoringSettings.model_validate({"api_5xx": True})


def test_without_a_threshold_there_is_no_alarm() -> None:
    assert len(wanted()) == len(KINDS) == 11
    assert "miyabi-api-p95-testing" not in wanted(api_p95_ms=None)
    assert wanted(alarms=False) == {}


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("db.t3.micro", 84),
        ("db.t3.small", 168),
        ("db.m6g.large", 675),
        ("db.r6g.large", 1351),
        ("db.r5.24xlarge", 5000),
    ],
)
def test_what_an_instance_class_allows(name: str, limit: int) -> None:
    assert connection_limit(name) == limit


@pytest.mark.parametrize("name", ["db.x2g.large", "db.t3.huge", "small"])
def test_an_unknown_class_is_refused_with_the_way_out(name: str) -> None:
    environment = make_environment(database=DatabaseSettings(instance_class=name))
    with pytest.raises(Rejected, match=r"set monitoring\.database_connections_percent = false"):
        wanted_alarms(environment, topic_arn=TOPIC, api_id="api1")
    quiet = make_environment(
        database=DatabaseSettings(instance_class=name), monitoring=MonitoringSettings(database_connections_percent=None)
    )
    assert "miyabi-database-connections-testing" not in wanted_alarms(quiet, topic_arn=TOPIC, api_id="api1")


def test_an_alarm_is_compared_setting_by_setting() -> None:
    rollout = make_rollout()
    name = alarm_name(rollout.environment, "api-p95")
    alarm = wanted()[name]
    seen = {**alarm, "StateValue": "OK", "Dimensions": list(reversed(alarm["Dimensions"]))}

    def changes(**different: Any) -> list[tuple[str, str, str]]:
        found = SeenAlarm("arn", {**seen, **different}, rollout.environment.tags)
        return [(change.action, change.field, change.before) for change in plan_alarm(rollout, name, alarm, found)]

    assert changes() == []
    assert changes(Threshold=1.0, EvaluationPeriods=1) == [
        ("update", "Threshold", "1.0"), ("update", "EvaluationPeriods", "1"),
    ]  # fmt: skip
    assert changes(AlarmActions=[]) == [("update", "AlarmActions", "[]")]
    assert [str(change) for change in plan_alarm(rollout, name, alarm, None)] == [
        f"create alarm {name} rings at: - → p95 of Latency > 3,000 in 3 × 300 s"
    ]
    mine, theirs = (SeenAlarm("arn", seen, tags) for tags in (rollout.environment.tags, {}))
    assert [change.action for change in plan_alarm(rollout, name, None, mine)] == ["delete"]
    assert plan_alarm(rollout, name, None, theirs) == []


def test_addresses_that_are_not_subscribed_yet_are_planned() -> None:
    environment = make_environment(monitoring=MonitoringSettings(emails=("a@example.com", "b@example.com")))
    seen = SeenTopic(environment.tags, {"a@example.com": False, "by-hand@example.com": True})
    (change,) = plan_topic(environment, seen)
    assert str(change) == "create subscription to topic miyabi-alerts-testing email: - → b@example.com"
    assert len(plan_topic(environment, None)) == 3
    assert plan_topic(environment, SeenTopic({}, {}))[0].why == "adopted"


def body(**settings: Any) -> dict[str, Any]:
    environment = make_environment(monitoring=MonitoringSettings(**settings))
    return dashboard_body(environment, api_id="api1", alarm_arns=("arn:one",))


def test_the_dashboards_widgets_fill_the_grid_without_overlapping() -> None:
    drawn = body()
    assert cloudwatch.problems(json.dumps(drawn)) == []
    cells = [
        (x, y)
        for widget in drawn["widgets"]
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells)) == 24 * max(y + 1 for _, y in cells)


def test_the_dashboard_shows_each_part_by_names_that_are_published() -> None:
    shown = {
        (row[0], row[1]) for widget in body()["widgets"] for row in widget["properties"].get("metrics", ())
    }  # fmt: skip
    assert {name for namespace, name in shown if namespace == "AWS/ApiGateway"} == {
        "Count", "4xx", "5xx", "Latency", "IntegrationLatency",
    }  # fmt: skip
    assert ("AWS/Lambda", "Duration") in shown
    assert ("AWS/RDS", "DatabaseConnections") in shown


def test_what_was_changed_by_hand_is_named() -> None:
    drawn, changed = body(), body()
    assert plan_dashboard("d", drawn, SeenDashboard(changed, True)) == []
    changed["widgets"][2]["properties"]["period"] = 300
    (change,) = plan_dashboard("d", drawn, SeenDashboard(changed, True))
    assert (change.action, change.after) == ("update", "API: requests and failures")
