"""The status report: which component stands how, by what was seen; how far the system is; and what nobody could see."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from blocks.aws import DoorError
from blocks.environment import Environment, FunctionSettings, MonitoringSettings
from tasks.alarms import SeenAlarm
from tasks.aliases import Alias
from tasks.dashboards import SeenDashboard
from tasks.logs import SeenLogGroup
from tasks.network_endpoint import SeenEndpoint
from tasks.provisioned import Provisioned
from tasks.reporting.components import DESCRIBERS, NAMES, components_of
from tasks.reporting.looking import look_at_everything
from tasks.reporting.model import Component, Scene, Unseen
from tasks.reporting.setup import metrics_of
from tasks.secrets import SeenSecret
from tasks.topics import SeenTopic
from tests.support import make_environment, make_rollout
from tests.unit.reporting import api, database, distribution, function, network, release, scene

ENVIRONMENT = make_environment()
NAMES_THERE = ENVIRONMENT.names
ALARM = {"MetricName": "Errors", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 5.0}


def of(kind: str, seen: Scene) -> Component:
    return next(one for one in components_of(seen) if one.kind == kind)


def test_a_whole_system_stands_as_it_should() -> None:
    assert {one.standing for one in components_of(scene())} == {"working"}
    assert set(DESCRIBERS) == set(NAMES)
    assert set(scene().seen) - set(NAMES) == {"backups"}  # no component: whether they are proven is a finding


def way(state: str, *, admits: bool = True) -> SeenEndpoint:
    return SeenEndpoint("vpce-1", state, True, (), (), admits)


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("database", {"database": database(status="modifying")}, "attention", "modifying"),
    ("database", {"database": database(awaits_restart=True)}, "attention", "waits for a restart"),
    ("database", {"database": None}, "absent", "no database of this name"),
    ("database", {"database": Unseen("no access")}, "unknown", "no access"),
    ("network", {"network": None}, "absent", "no default VPC"),
    ("endpoint", {"network": replace(network(ENVIRONMENT), endpoint=None)}, "absent", "no way to its secrets"),
    ("endpoint", {"network": replace(network(ENVIRONMENT), endpoint=way("pending"))},
     "attention", "pending"),
    ("endpoint", {"network": replace(network(ENVIRONMENT), endpoint=way("available", admits=False))},
     "attention", "does not let the function in"),
    ("secret", {"secrets": {NAMES_THERE.jwt_secret: SeenSecret("arn", {}, True)}}, "attention", "deleted"),
    ("secret", {"secrets": {NAMES_THERE.jwt_secret: None}}, "absent", "no secret"),
    ("log group", {"log_groups": {NAMES_THERE.api_logs: SeenLogGroup("arn", None, {})}}, "attention", "for ever"),
    ("log group", {"log_groups": {NAMES_THERE.api_logs: None}}, "absent", "no log group"),
    ("function", {"function": replace(function(), broken="the image is gone")}, "attention", "the image is gone"),
    ("function", {"function": replace(function(), versions={})}, "attention", "0 published versions"),
    ("alias", {"alias": (Alias("arn", "3", {"4": 0.1}), {})}, "attention", "left on version 4"),
    ("alias", {"alias": (Alias("arn", "3"), {"3": Provisioned(2, "FAILED", "no room")})}, "attention", "version 3"),
    ("API", {"API": (api(statements=()), "https://x")}, "attention", "lacks the permission to invoke"),
    ("API", {"API": (api(stage=None, routes=()), "https://x")}, "attention", "the route $default and the stage"),
    ("topic", {"topic": SeenTopic({}, {"a@example.com": False})}, "attention", "tells nobody"),
    ("topic", {"topic": SeenTopic({}, {})}, "working", "tells nobody"),
    ("alarms", {"alarms": {"a": SeenAlarm("arn", {**ALARM, "StateValue": "ALARM", "AlarmActions": ["t"]})}},
     "attention", "ringing: a"),
    ("alarms", {"alarms": {"a": SeenAlarm("arn", {**ALARM, "StateValue": "OK"})}}, "attention", "told to nobody: a"),
    ("dashboard", {"dashboard": SeenDashboard({"widgets": []}, False)}, "attention", "not made by miyabi-pipelines"),
    ("distribution", {"distribution": distribution(Enabled=False)}, "attention", "turned off"),
    ("releases", {"releases": None}, "absent", "nothing was released yet"),
    ("releases", {"releases": replace(scene().get("releases"), release=release(status="failed"))},
     "attention", "the last one failed"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changed", "standing", "says"), CASES)
def test_a_component_that_is_not_as_it_should_be_says_why(
    kind: str, changed: dict[str, Any], standing: str, says: str
) -> None:
    found = of(kind, scene(ENVIRONMENT, **changed))
    assert found.standing == standing
    assert says in found.says


@pytest.mark.parametrize("kind", ["bucket", "distribution"])
def test_a_site_is_missed_only_where_the_last_release_had_one(kind: str) -> None:
    without = replace(scene().get("releases"), release=release(site_manifest=None))
    assert of(kind, scene(**{kind: None, "releases": without})).standing == "off"
    assert of(kind, scene(**{kind: None})).standing == "absent"
    assert of(kind, scene(**{kind: None, "releases": None})).standing == "absent"


@pytest.mark.parametrize(
    ("environment", "kind", "missing"),
    [
        (make_environment(monitoring=MonitoringSettings(alarms=False)), "alarms", "alarms"),
        (make_environment(monitoring=MonitoringSettings(dashboard=False)), "dashboard", "dashboard"),
    ],
)
def test_what_the_environment_turns_off_is_not_missed(environment: Environment, kind: str, missing: str) -> None:
    assert of(kind, scene(environment, **{missing: None})).standing == "off"


def test_outside_the_network_no_endpoint_is_missed() -> None:
    outside = make_environment(function=FunctionSettings(in_vpc=False))
    kinds = [one.kind for one in components_of(scene(outside, network=network(outside, endpoint=False)))]
    assert kinds.count("security group") == 1
    assert "endpoint" not in kinds


def test_values_of_variables_are_told_only_where_the_environment_says_them_openly() -> None:
    environment = make_environment(function=FunctionSettings(variables={"LOG_LEVEL": "INFO"}))
    seen = scene(environment, function=function(variables={"LOG_LEVEL": "DEBUG", "JWT_SECRET": "hush"}))
    settings = of("function", seen).settings
    assert settings["variables"] == "JWT_SECRET, LOG_LEVEL"
    assert settings["variable LOG_LEVEL"] == "DEBUG"
    assert "hush" not in str(settings)


def test_one_observer_that_cannot_look_does_not_keep_the_others_from_it() -> None:
    def refused() -> Any:
        raise DoorError("no entry\nand more")

    rollout = make_rollout(planning=True)
    rollout.aws._clients["sts"] = object()
    seen = look_at_everything.fn(rollout, {"database": refused, "releases": refused, "function": lambda: 7}).seen
    assert seen["database"] == Unseen("AWS could not be asked: no entry")
    assert seen["releases"] == Unseen("no entry")
    assert seen["function"] == 7


def test_where_aws_does_not_answer_it_is_asked_once() -> None:
    class Away:
        planning = True

        def __call__(self, service: str) -> Any:
            raise NoCredentialsError

    asked: list[str] = []
    rollout = make_rollout(planning=True)
    rollout.aws = Away()  # type: ignore[assignment]
    seen = look_at_everything.fn(rollout, {"database": lambda: asked.append("database")}).seen
    assert asked == []
    assert seen == {"database": Unseen("AWS could not be asked: Unable to locate credentials")}


def test_an_alarm_is_paid_for_by_the_metric() -> None:
    assert metrics_of({"MetricName": "Errors"}) == 1
    looked = [{"Id": "a", "MetricStat": {}}, {"Id": "b", "MetricStat": {}}, {"Id": "c", "Expression": "a/b"}]
    assert metrics_of({"Metrics": looked}) == 2
