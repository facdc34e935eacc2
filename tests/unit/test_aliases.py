"""The alias that has the traffic: made once, moved by a release alone, put back where it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.environment import Environment
from tasks.aliases import Alias, ensure_alias, plan_alias, restore_alias, shift_traffic
from tasks.changes import PENDING
from tasks.errors import Permanent
from tests.support import changes_of, make_environment, make_rollout
from tests.unit.deploying import aws, build, deploy, release

NAME = "miyabi-api-testing"


@pytest.fixture
def world() -> Iterator[Environment]:
    with aws():
        yield make_environment()


@pytest.mark.parametrize(
    ("version", "now", "expected"),
    [
        ("2", None, ["create alias x version: - → 2"]),
        ("2", Alias("arn", "2"), []),
        ("2", Alias("arn", "1"), ["update alias x version: 1 → 2"]),
        ("2", Alias("arn", "2", {"1": 0.1}), ["update alias x version: 2 and 10 % on 1 → 2"]),
    ],
)
def test_plan_alias(version: str, now: Alias | None, expected: list[str]) -> None:
    assert [str(change).partition(" (")[0] for change in plan_alias("alias x", version, now)] == expected


def test_a_first_alias_is_made_once_and_never_moved_by_ensure(world: Environment, tmp_path: Path) -> None:
    release(make_rollout(world), build(tmp_path))
    rollout, made = deploy(world, build(tmp_path, "two"))
    assert made.previous_version == "1"
    assert ensure_alias.fn(rollout, "2").version == "1"
    assert shift_traffic.fn(rollout, "2").version == "2"


def test_a_first_release_plans_its_alias_once(world: Environment) -> None:
    plan = make_rollout(world, planning=True)
    ensure_alias.fn(plan, PENDING)
    shift_traffic.fn(plan, PENDING)
    assert changes_of(plan) == [f"create alias {NAME}:live version: - → {PENDING}"]


def test_a_canary_left_behind_is_cleared(world: Environment, tmp_path: Path) -> None:
    release(make_rollout(world), build(tmp_path))
    rollout, _ = deploy(world, build(tmp_path, "two"))
    rollout.aws("lambda").update_alias(
        FunctionName=NAME, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}
    )
    shift_traffic.fn(rollout, "1")
    answer = rollout.aws("lambda").get_alias(FunctionName=NAME, Name="live")
    assert answer["FunctionVersion"] == "1"
    assert not (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights")


def test_restoring_an_alias_is_guarded_and_can_be_repeated(world: Environment, tmp_path: Path) -> None:
    release(make_rollout(world), build(tmp_path))
    release(make_rollout(world), build(tmp_path, "two"))
    rollout, resource, before = make_rollout(world), f"{NAME}:live", {"version": "1", "to": "2"}
    assert restore_alias(rollout, resource, before) == f"alias {resource} is on version 1"
    assert restore_alias(rollout, resource, before) == f"alias {resource} is on version 1"
    assert changes_of(rollout) == [f"update alias {resource} version: 2 → 1"]
    assert "by someone else" in restore_alias(rollout, resource, {"version": "7", "to": "8"})
    assert "no earlier version" in restore_alias(rollout, resource, {"version": None, "to": "1"})


def test_no_way_back_to_a_version_that_is_gone(world: Environment, tmp_path: Path) -> None:
    release(make_rollout(world), build(tmp_path))
    rollout = make_rollout(world)
    with pytest.raises(Permanent, match=r"version 7 is not there any more.*keep_versions"):
        restore_alias(rollout, f"{NAME}:live", {"version": "7", "to": "1"})
    assert rollout.changes == []
