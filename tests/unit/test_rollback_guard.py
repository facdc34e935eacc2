"""When a rollback that nobody asked for is right, and what counts as failing in a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from blocks.operating import RollbackSettings
from database.releases import Release
from flows.check_drift import is_new
from flows.rollback_guard import judged
from flows.smoke_history import counted, failing, is_release
from tasks.changes import PENDING, Change
from tasks.errors import Permanent
from tasks.smoke_answers import Result, SmokeFailed

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
    assert bool(found) == bool(reason)


def test_a_later_release_that_changed_nothing_hides_nothing() -> None:
    idle = replace(MOVED, id=UUID(int=2), finished_at=NOW)
    assert judged(RULES, idle, MOVED, 2, NOW) == ""
    assert "running" in judged(RULES, replace(idle, status="running"), MOVED, 2, NOW)
    assert "nothing was released" in judged(RULES, None, None, 9, NOW)


def run(outcome: str, environment: str = "local") -> FlowRun:
    return FlowRun(flow_id=UUID(int=3), parameters={"environment": environment}, state_type=StateType(outcome))


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


def test_the_checks_that_failed_are_named() -> None:
    results = [Result("GET /a", 500, 1.0, ok=False), Result("GET /b", 200, 1.0, ok=True), Result("c", None, 0, ok=None)]
    assert failing(SmokeFailed("here", results)) == ["GET /a"]
    assert failing(Permanent("there is no API")) == []


@pytest.mark.parametrize(
    ("change", "new"),
    [
        (Change("run", "migration 20261127003000 release approvals"), True),
        (Change("create", "version of function miyabi-api-local", "code", "", "abc"), True),
        (Change("update", "function miyabi-api-local", "code", "abc", "def"), True),
        (Change("update", "alias miyabi-api-local:live", "version", "3", PENDING), True),
        (Change("update", "site in miyabi-site-local", "files", "", "3 uploaded"), True),
        (Change("update", "function miyabi-api-local", "memory", "1024", "512"), False),
        (Change("update", "alias miyabi-api-local:live", "version", "3", "2"), False),
        (Change("delete", "security group rule 0.0.0.0/0"), False),
    ],
)
def test_what_waits_for_a_release_is_not_drift(change: Change, new: bool) -> None:
    assert is_new(change) is new
