"""Log groups: retention, ownership, races."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from blocks.aws import PlanningCannotWrite
from tasks.changes import PENDING, Rollout
from tasks.errors import NotOurs, Rejected
from tasks.logs import SeenLogGroup, destroy_log_group, ensure_log_group, observe_log_group, plan_log_group
from tests.support import before_call, changes_of, make_environment, make_rollout

NAME = "/aws/lambda/miyabi-api-testing"
ENVIRONMENT = make_environment()
OURS = ENVIRONMENT.tags


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout()


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, [f"create log group {NAME} retention: - → 7 days"]),
        (SeenLogGroup("arn", 7, OURS), []),
        (SeenLogGroup("arn", 30, OURS), [f"update log group {NAME} retention: 30 days → 7 days"]),
        (SeenLogGroup("arn", None, OURS), [f"update log group {NAME} retention: never expires → 7 days"]),
    ],
)
def test_plan(seen: SeenLogGroup | None, expected: list[str]) -> None:
    assert [str(change).partition(" (")[0] for change in plan_log_group(ENVIRONMENT, NAME, seen)] == expected


def test_days_that_aws_does_not_take_are_refused() -> None:
    with pytest.raises(Rejected, match="8 is not one of 1, 3, 5, 7, 14"):
        plan_log_group(make_environment(log_retention_days=8), NAME, None)


def test_made_once_and_then_left_alone(rollout: Rollout) -> None:
    made = ensure_log_group.fn(rollout, NAME)
    assert made.arn == f"arn:aws:logs:us-east-1:123456789012:log-group:{NAME}"
    seen = observe_log_group(rollout, NAME)
    assert seen is not None
    assert seen.retention_days == 7
    assert seen.tags == {**OURS, "Release": "test-1"}
    again = make_rollout(rollout.environment)
    assert ensure_log_group.fn(again, NAME) == made
    assert again.changes == []


def test_a_group_whose_name_begins_alike_is_another(rollout: Rollout) -> None:
    ensure_log_group.fn(rollout, f"{NAME}-blue")
    assert observe_log_group(rollout, NAME) is None


def test_planning_shows_and_does_not_write(rollout: Rollout) -> None:
    planning = make_rollout(rollout.environment, planning=True)
    assert ensure_log_group.fn(planning, NAME).arn == PENDING
    assert changes_of(planning) == [f"create log group {NAME} retention: - → 7 days"]
    assert observe_log_group(rollout, NAME) is None
    with pytest.raises(PlanningCannotWrite):
        planning.aws("logs").create_log_group(logGroupName=NAME)


def test_a_group_of_someone_else_is_refused_until_adopted(rollout: Rollout) -> None:
    rollout.aws("logs").create_log_group(logGroupName=NAME, tags={"Team": "other"})
    with pytest.raises(NotOurs, match="adopt=true"):
        ensure_log_group.fn(rollout, NAME)
    ensure_log_group.fn(make_rollout(rollout.environment, adopt=True), NAME)
    later = make_rollout(rollout.environment)
    ensure_log_group.fn(later, NAME)
    assert later.changes == []


def test_lost_race_is_compared(rollout: Rollout) -> None:
    other = make_rollout()
    before_call(rollout, "logs", "CreateLogGroup", lambda: ensure_log_group.fn(other, NAME))
    assert ensure_log_group.fn(rollout, NAME).name == NAME


def test_crash_between_group_and_retention_converges(rollout: Rollout) -> None:
    rollout.aws("logs").create_log_group(logGroupName=NAME, tags=rollout.tags)
    ensure_log_group.fn(rollout, NAME)
    assert changes_of(rollout) == [f"update log group {NAME} retention: never expires → 7 days"]


def test_destroy(rollout: Rollout) -> None:
    destroy_log_group.fn(rollout, NAME)
    assert rollout.changes == []
    ensure_log_group.fn(rollout, NAME)
    destroy_log_group.fn(rollout, NAME)
    assert observe_log_group(rollout, NAME) is None


def test_destroy_leaves_what_is_not_ours(rollout: Rollout) -> None:
    rollout.aws("logs").create_log_group(logGroupName=NAME)
    destroy_log_group.fn(rollout, NAME)
    assert observe_log_group(rollout, NAME) is not None
