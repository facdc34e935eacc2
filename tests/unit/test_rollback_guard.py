"""When a rollback that nobody asked for is right, and what counts as failing in a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from blocks.operating import RollbackSettings
from database.releases import Release
from flows.check_drift import difference, is_new, text
from flows.rollback_guard import OFF, is_news, judged
from flows.smoke_history import NOT_ASKED, counted, is_release, not_asked
from tasks.changes import PENDING, Change

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
RULES = RollbackSettings(automatic=True, failures=2, within_hours=24)
MOVED = Release(
    id=UUID(int=1), environment="testing", kind="release", target_id=None, status="succeeded", requested_by=None,
    git_sha=None, source=None, code_sha256=None, schema_version=None, lambda_version_before="1",
    lambda_version_after="2", api_url=None, site_manifest=None, verdicts={}, flow_run_id=None, error=None,
    started_at=NOW - timedelta(hours=2), finished_at=NOW - timedelta(hours=1),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "failed", "reason"),
    [
        ({}, 2, ""),
        ({}, 1, "1 of 2 smoke tests in a row have failed"),
        ({"finished_at": NOW - timedelta(hours=25)}, 5, "more than 24 hours ago"),
        ({"finished_at": None, "status": "failed"}, 5, "more than 24 hours ago"),
        ({"status": "running"}, 5, "is running, and has its own way back"),
        ({"status": "rolled_back"}, 5, "went back already"),
        ({"kind": "rollback"}, 5, "went back already"),
    ],
)
def test_going_back_is_right_only_after_a_release_that_broke_it(
    changes: dict[str, Any], failed: int, reason: str
) -> None:
    release = replace(MOVED, **changes)
    found = judged(RULES, release, release, failed, NOW)
    assert reason in found
    assert is_news(found) == ("1 of 2" not in reason)
    assert bool(found) == bool(reason)


def test_what_is_not_allowed_here_is_no_news() -> None:
    assert not is_news(OFF)


def test_a_later_release_that_changed_nothing_hides_nothing() -> None:
    idle = replace(MOVED, id=UUID(int=2), finished_at=NOW)
    assert judged(RULES, idle, MOVED, 2, NOW) == ""
    assert "running" in judged(RULES, replace(idle, status="running"), MOVED, 2, NOW)
    assert "nothing was released" in judged(RULES, None, None, 9, NOW)


def run(outcome: str, environment: str = "local", name: str = "") -> FlowRun:
    kind, parameters = StateType(outcome), {"environment": environment}
    return FlowRun(flow_id=UUID(int=3), parameters=parameters, state_type=kind, state_name=name or outcome.title())


def test_failures_are_counted_in_one_environment_up_to_the_last_that_passed() -> None:
    history = [run("FAILED"), run("COMPLETED", "staging"), run("FAILED"), run("COMPLETED"), run("FAILED")]
    assert counted(history, "local") == 2
    assert counted(history, "staging") == 0
    assert counted([run("FAILED")] * 3, "local") == 3
    assert counted([], "local") == 0


def test_a_release_begins_a_new_series_in_its_environment() -> None:
    asked: list[tuple[dict[str, Any], bool]] = [
        ({}, True), ({"environment": "local"}, True), ({"environment": "staging"}, False),
    ]  # fmt: skip
    for parameters, expected in asked:
        assert is_release(FlowRun(flow_id=UUID(int=3), parameters=parameters), "local") is expected, parameters


def test_a_smoke_test_that_asked_nothing_is_neither_a_failure_nor_well() -> None:
    blind = run("FAILED", name=NOT_ASKED)
    history = [blind, blind, run("FAILED"), blind, run("FAILED"), run("COMPLETED")]
    assert (counted(history, "local"), not_asked(history, "local")) == (2, 2)
    assert (counted([blind, run("COMPLETED")], "local"), not_asked([run("FAILED"), blind], "local")) == (0, 0)


@pytest.mark.parametrize(
    ("change", "new"),
    [
        (Change("run", "migration 20261127003000 release approvals"), True),
        (Change("create", "version of function miyabi-api-local", "code", "", "abc"), True),
        (Change("update", "function miyabi-api-local", "code", "abc", "def"), True),
        (Change("update", "alias miyabi-api-local:live", "version", "3", PENDING), True),
        (Change("update", "site in miyabi-site-local", "files", "", "3 uploaded"), True),
        (Change("update", "site dashboard", "published files", "index.html missing or changed", "1 uploaded"), False),
        (Change("update", "function miyabi-api-local", "memory", "1024", "512"), False),
        (Change("update", "alias miyabi-api-local:live", "version", "3", "2"), False),
        (Change("delete", "security group rule 0.0.0.0/0"), False),
    ],
)
def test_what_waits_for_a_release_is_not_drift(change: Change, new: bool) -> None:
    assert is_new(change) is new


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("update", "function f", "memory mb", "1024", "512"), "function f: memory mb is 1024, expected 512"),
        (Change("update", "log group g", "retention", "", "30"), "log group g: retention is not set, expected 30"),
        (Change("create", "dashboard d"), "dashboard d is missing"),
        (Change("create", "alarm a", "rings at", "", "5"), "alarm a: rings at 5 is missing"),
        (Change("delete", "security group s", "ingress", "tcp 5432"), "security group s: ingress tcp 5432 was added"),
        (Change("update", "role r", "policy", f"{'a' * 300}X{'b' * 300}", f"{'a' * 300}Y{'b' * 300}"),
         f"role r: policy is …{'a' * 20}X{'b' * 79}…, expected …{'a' * 20}Y{'b' * 79}…"),
    ],
)  # fmt: skip
def test_drift_is_told_as_what_was_found_and_what_was_expected(change: Change, said: str) -> None:
    assert difference(change) == said


def test_people_are_told_since_when_and_what_to_do() -> None:
    told = text("staging", [Change("create", f"alarm {number}") for number in range(14)], NOW)
    assert told.startswith("- alarm 0 is missing\n")
    assert "- and 2 more, in the run's table\nChanged after 2026-11-27 12:00 UTC, when all stood as released." in told
    assert "`miyabi release -e staging`" in told
    assert "Changed after" not in text("staging", [Change("create", "alarm")], None)
