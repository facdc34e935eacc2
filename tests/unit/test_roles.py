"""The execution role: least privilege, canonical comparison, strays."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from blocks.environment import FunctionSettings, MonitoringSettings
from tasks.changes import PENDING, Rollout
from tasks.errors import NotOurs
from tasks.roles import (
    SeenRole,
    canonical,
    destroy_role,
    ensure_role,
    observe_role,
    plan_role,
    policy_document,
    trust_document,
)
from tests.support import before_call, changes_of, fail_call, make_environment, make_rollout

ENVIRONMENT = make_environment()
NAME = "miyabi-lambda-testing"
POLICY = "miyabi-least-privilege"
SECRETS = (
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:miyabi/testing/jwt-BBBBBB",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:miyabi/testing/database-AAAAAA",
)
TRUST = canonical(trust_document(ENVIRONMENT))
WANTED = canonical(policy_document(ENVIRONMENT, SECRETS))


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout()


def fields(seen: SeenRole | None) -> list[tuple[str, str]]:
    return [(change.action, change.field) for change in plan_role(ENVIRONMENT, SECRETS, seen)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, [("create", "trust"), ("create", f"policy {POLICY}")]),
        (SeenRole("arn", ENVIRONMENT.tags, TRUST, {POLICY: WANTED}, ()), []),
        (SeenRole("arn", ENVIRONMENT.tags, "{}", {POLICY: WANTED}, ()), [("update", "trust")]),
        (SeenRole("arn", ENVIRONMENT.tags, TRUST, {}, ()), [("update", f"policy {POLICY}")]),
        (SeenRole("arn", ENVIRONMENT.tags, TRUST, {POLICY: "{}"}, ()), [("update", f"policy {POLICY}")]),
        (
            SeenRole("arn", ENVIRONMENT.tags, TRUST, {POLICY: WANTED, "old": "{}"}, ("arn:aws:iam::aws:policy/Admin",)),
            [("delete", "policy old"), ("delete", "policy arn:aws:iam::aws:policy/Admin")],
        ),
        (SeenRole("arn", {}, TRUST, {POLICY: WANTED}, ()), [("update", "tags")]),
    ],
)
def test_plan(seen: SeenRole | None, expected: list[tuple[str, str]]) -> None:
    assert fields(seen) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Action": ["b", "a"]}, {"Action": ["a", "b"]}, True),
        ({"Action": ["a"]}, {"Action": "a"}, True),
        ({"Statement": [{"Sid": "x"}, {"Sid": "a"}]}, {"Statement": [{"Sid": "a"}, {"Sid": "x"}]}, True),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, True),
        ({"Action": ["a", "b"]}, {"Action": ["a"]}, False),
        ({"Effect": "Allow"}, {"Effect": "Deny"}, False),
    ],
)
def test_canonical(one: Any, other: Any, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same


def test_policy_is_least_privilege() -> None:
    statements = {s["Sid"]: s for s in policy_document(ENVIRONMENT, SECRETS)["Statement"]}
    assert statements["WriteLogs"]["Resource"] == [
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/miyabi-api-testing:*"
    ]
    assert statements["ReadSecrets"]["Action"] == ["secretsmanager:GetSecretValue"]
    assert statements["ReadSecrets"]["Resource"] == sorted(SECRETS)
    assert statements["UseVpc"]["Resource"] == ["*"]
    assert all(action.startswith("ec2:") for action in statements["UseVpc"]["Action"])
    assert statements["SendTraces"]["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    assert "*" not in [action for s in statements.values() for action in s["Action"]]


def test_no_vpc_no_traces_and_no_secrets_leave_only_logs() -> None:
    outside = make_environment(function=FunctionSettings(in_vpc=False), monitoring=MonitoringSettings(tracing=False))
    assert [s["Sid"] for s in policy_document(outside, ())["Statement"]] == ["WriteLogs"]


def test_only_lambda_of_this_account_is_trusted() -> None:
    (statement,) = trust_document(ENVIRONMENT)["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_made_once_and_then_left_alone(rollout: Rollout) -> None:
    made = ensure_role.fn(rollout, SECRETS)
    assert made.arn == f"arn:aws:iam::123456789012:role/{NAME}"
    seen = observe_role(rollout, NAME)
    assert seen == SeenRole(made.arn, {**ENVIRONMENT.tags, "Release": "test-1"}, TRUST, {POLICY: WANTED}, ())
    again = make_rollout(rollout.environment)
    assert ensure_role.fn(again, SECRETS) == made
    assert ensure_role.fn(again, tuple(reversed(SECRETS))) == made
    assert again.changes == []


def test_planning_shows_and_does_not_write(rollout: Rollout) -> None:
    planning = make_rollout(rollout.environment, planning=True)
    assert ensure_role.fn(planning, (PENDING, PENDING)).arn == PENDING
    assert [change.action for change in planning.changes] == ["create", "create"]
    assert observe_role(rollout, NAME) is None


def test_a_role_of_someone_else_is_refused_until_adopted(rollout: Rollout) -> None:
    iam = rollout.aws("iam")
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps({"Statement": []}))
    iam.put_role_policy(RoleName=NAME, PolicyName="admin", PolicyDocument=json.dumps(policy_document(ENVIRONMENT, ())))
    managed = iam.create_policy(
        PolicyName="more", PolicyDocument=json.dumps(policy_document(ENVIRONMENT, ()))
    )["Policy"]["Arn"]  # fmt: skip
    iam.attach_role_policy(RoleName=NAME, PolicyArn=managed)
    with pytest.raises(NotOurs):
        ensure_role.fn(rollout, SECRETS)
    adopting = make_rollout(rollout.environment, adopt=True)
    ensure_role.fn(adopting, SECRETS)
    assert [change.action for change in adopting.changes] == ["update", "update", "update", "delete", "delete"]
    later = make_rollout(rollout.environment)
    ensure_role.fn(later, SECRETS)
    assert later.changes == []


def test_lost_race_is_compared(rollout: Rollout) -> None:
    other = make_rollout()
    before_call(rollout, "iam", "CreateRole", lambda: ensure_role.fn(other, SECRETS[:1]))
    ensure_role.fn(rollout, SECRETS)
    seen = observe_role(rollout, NAME)
    assert seen is not None
    assert seen.inline == {POLICY: WANTED}


@pytest.mark.parametrize("code", ["ConcurrentModification", "NoSuchEntity"])
def test_iam_delay_is_waited_for(rollout: Rollout, code: str) -> None:
    fail_call(rollout, "iam", "PutRolePolicy", code)
    ensure_role.fn(rollout, SECRETS)
    assert len(changes_of(rollout)) == 2


def test_destroy(rollout: Rollout) -> None:
    destroy_role.fn(rollout)
    assert rollout.changes == []
    ensure_role.fn(rollout, SECRETS)
    destroy_role.fn(make_rollout(rollout.environment, planning=True))
    assert observe_role(rollout, NAME) is not None
    destroy_role.fn(rollout)
    assert observe_role(rollout, NAME) is None


def test_destroy_leaves_what_is_not_ours(rollout: Rollout) -> None:
    rollout.aws("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")
    destroy_role.fn(rollout)
    assert observe_role(rollout, NAME) is not None
