"""What is pruned after a release: which versions and snapshots are old, which stay, and that trouble is a finding."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from tasks.changes import PENDING, Change, Rollout
from tasks.database_snapshots import SeenSnapshot, plan_old_snapshots
from tasks.functions import FunctionVersion
from tasks.pruning import plan_old_versions, prune, versions_with_aliases
from tasks.releases import Store
from tests.support import changes_of, fail_call, make_environment, make_rollout, record_calls
from tests.unit.deploying import wire

FUNCTION, DATABASE = "miyabi-api-testing", "miyabi-postgres-testing"
ENVIRONMENT = make_environment(function={"keep_versions": 2}, database={"keep_snapshots": 2})
AT = datetime(2026, 11, 21, 7, tzinfo=UTC)


@pytest.fixture
def world() -> Iterator[None]:
    with mock_aws():
        yield


def current(*published: str, version: str, before: str | None) -> FunctionVersion:
    return FunctionVersion(FUNCTION, f"arn:{version}", version, "sha", before, True, published)


def nowhere(rollout: Rollout) -> Store:
    """A database that does not answer."""
    return Store(rollout, SecretStr("postgresql://u:p4ssword@127.0.0.1:1/x"), patience=0.1)


def publish(rollout: Rollout, count: int, *, live: str) -> tuple[str, ...]:
    """A function with this many versions, and the alias on one of them."""
    client, role = rollout.aws("lambda"), wire(rollout).role_arn
    client.create_function(
        FunctionName=FUNCTION, Role=role, Runtime="provided.al2023", Handler="h", Code={"ZipFile": b"0"}
    )
    for number in range(count):
        client.update_function_code(FunctionName=FUNCTION, ZipFile=str(number).encode())
        client.publish_version(FunctionName=FUNCTION)
    client.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=live)
    return tuple(str(number + 1) for number in range(count))


def versions(rollout: Rollout) -> list[str]:
    listed = rollout.aws("lambda").list_versions_by_function(FunctionName=FUNCTION)["Versions"]
    return [entry["Version"] for entry in listed if entry["Version"] != "$LATEST"]


@pytest.mark.parametrize(
    ("published", "needed", "keep", "gone"),
    [
        ("1 2 3", "", 5, ""),
        ("1 2 3 4 5", "", 5, ""),
        ("1 2 3 4 5 6", "", 5, "1"),
        ("1 2 3 4 5 6 7", "1", 5, "2"),
        ("1 2 3", "1 2 3", 1, ""),
        ("8 9 10", "", 1, "8 9"),
        (f"1 2 3 {PENDING}", "", 2, "1 2"),
    ],
)
def test_the_newest_and_the_needed_versions_stay(published: str, needed: str, keep: int, gone: str) -> None:
    known = tuple(published.replace(PENDING, "new").split())
    planned = plan_old_versions("f", known, needed=needed.split(), keep=keep)
    assert " ".join(planned) == gone
    assert all(change.action == "delete" for change in planned.values())


def test_few_versions_cost_no_call(world: None) -> None:
    rollout = make_rollout(ENVIRONMENT)
    calls = record_calls(rollout, "lambda")
    prune.fn(rollout, current("1", "2", version="2", before="2"), store=nowhere(rollout))
    assert (calls, rollout.changes, rollout.findings) == ([], [], [])


def test_an_alias_keeps_each_version_that_it_sends_traffic_to() -> None:
    class Client:
        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, FunctionName: str) -> list[dict[str, Any]]:
            canary = {"AdditionalVersionWeights": {"4": 0.1}}
            first = {"FunctionVersion": "3", "RoutingConfig": canary}
            return [{"Aliases": [first]}, {"Aliases": [{"FunctionVersion": "1"}]}]

    assert versions_with_aliases(Client(), FUNCTION) == {"1", "3", "4"}


def test_without_the_undo_log_nothing_is_deleted_and_the_release_goes_on(world: None) -> None:
    rollout = make_rollout(ENVIRONMENT)
    published = publish(rollout, 4, live="4")
    prune.fn(rollout, current(*published, version="4", before="3"), store=nowhere(rollout))
    assert (versions(rollout), rollout.changes) == (list(published), [])
    (finding,) = rollout.findings
    assert finding.subject == f"function {FUNCTION}"
    assert "could not be deleted, the next release will try again: the record of releases" in finding.text
    assert "p4ssword" not in finding.text


def snapshot(rollout: Rollout, name: str, **tags: str) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    rollout.aws("rds").create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=name, Tags=listed)


def snapshots(rollout: Rollout) -> list[str]:
    found = rollout.aws("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    return sorted(entry["DBSnapshotIdentifier"] for entry in found)


def names(*hours: int) -> list[str]:
    return [f"{DATABASE}-schema-15-at-20261121-{hour:02}" for hour in hours]


@pytest.fixture
def taken(world: None) -> Rollout:
    """Four snapshots of ours, and some that are not."""
    rollout = make_rollout(ENVIRONMENT)
    rollout.aws("rds").create_db_instance(
        DBInstanceIdentifier=DATABASE, DBInstanceClass="db.t3.small", Engine="postgres", AllocatedStorage=20,
        MasterUsername="u", MasterUserPassword="correct-horse",
    )  # fmt: skip
    for name in names(1, 2, 3, 4):
        snapshot(rollout, name, **ENVIRONMENT.tags)
    snapshot(rollout, names(0)[0], Project="somebody's")
    snapshot(rollout, f"{DATABASE}-final-20261120070000", **ENVIRONMENT.tags)
    snapshot(rollout, "before-the-party", **ENVIRONMENT.tags)
    return rollout


def test_old_snapshots_of_ours_go_and_all_others_stay(taken: Rollout) -> None:
    few = current("1", version="1", before="1")
    plan = make_rollout(ENVIRONMENT, planning=True)
    plan.note([Change("create", f"snapshot {names(5)[0]}")])
    prune.fn(plan, few)
    assert changes_of(plan)[1:] == [f"delete snapshot {name}" for name in names(1, 2, 3)]
    prune.fn(taken, few)
    assert changes_of(taken) == [f"delete snapshot {name}" for name in names(1, 2)]
    assert [finding.subject for finding in taken.findings] == [f"database {DATABASE}"]
    assert snapshots(taken) == sorted([*names(0, 3, 4), f"{DATABASE}-final-20261120070000", "before-the-party"])
    again = make_rollout(ENVIRONMENT)
    prune.fn(again, few)
    assert (again.changes, again.findings) == ([], [])


@pytest.mark.parametrize("operation", ["DescribeDBSnapshots", "DeleteDBSnapshot"])
def test_trouble_with_snapshots_is_a_finding(taken: Rollout, operation: str) -> None:
    fail_call(taken, "rds", operation, "InvalidDBSnapshotState", times=None)
    prune.fn(taken, current("1", version="1", before="1"))
    assert taken.changes == []
    (finding,) = taken.findings
    assert "InvalidDBSnapshotState" in finding.text


def test_a_snapshot_that_is_gone_already_is_deleted(taken: Rollout) -> None:
    fail_call(taken, "rds", "DeleteDBSnapshot", "DBSnapshotNotFound")
    prune.fn(taken, current("1", version="1", before="1"))
    assert changes_of(taken) == [f"delete snapshot {name}" for name in names(1, 2)]


def test_the_oldest_snapshots_are_planned_first() -> None:
    seen = [SeenSnapshot(str(n), f"arn:{n}", "available", {}, AT + timedelta(hours=n)) for n in range(4)]
    for keep, planned, gone in ((5, 0, 0), (5, 1, 0), (4, 1, 1), (1, 0, 3), (1, 9, 4)):
        assert list(plan_old_snapshots(seen, keep=keep, planned=planned)) == seen[:gone]
