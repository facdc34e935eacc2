"""The database instance and its snapshots. moto answers the calls; the server behind the instance is a double."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from moto import mock_aws
from pydantic import SecretStr

from blocks.environment import DatabaseSettings
from tasks.changes import PENDING, Rollout
from tasks.database_connection import wait_connected
from tasks.database_engine import Engine
from tasks.database_groups import ensure_database_groups
from tasks.database_snapshots import observe_snapshot, snapshot_database
from tasks.databases import Database, destroy_database, ensure_database, observe_database
from tasks.errors import NotOurs, Permanent
from tasks.network import Network, ensure_network
from tasks.secrets import ensure_secrets, read_secret
from tests.support import answer_call, before_call, changes_of, fail_call, make_environment, make_rollout, record_calls

NAME = "miyabi-postgres-testing"
# moto takes windows that only touch for overlapping ones, so the mission's own cannot be used here.
SETTINGS = DatabaseSettings(maintenance_window="Mon:05:00-Mon:06:00")
ENVIRONMENT = make_environment(database=SETTINGS)
TAGS = ENVIRONMENT.tags
ENGINE = Engine("15.15", "15.4 is not offered", ("us-east-1a", "us-east-1b", "us-east-1c"))


class Server:
    """A database that answers; or not, for as many attempts as there are errors."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)
        self.asked: list[str] = []

    def __call__(self, dsn: SecretStr) -> None:
        self.asked.append(dsn.get_secret_value())
        if self.errors:
            raise psycopg.OperationalError(self.errors.pop(0))


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout(ENVIRONMENT)


@pytest.fixture
def network(rollout: Rollout) -> Network:
    network = ensure_network.fn(make_rollout(ENVIRONMENT))
    ensure_secrets.fn(make_rollout(ENVIRONMENT))
    ensure_database_groups.fn(make_rollout(ENVIRONMENT), network, ENGINE)
    return network


def ensure(rollout: Rollout, network: Network, engine: Engine = ENGINE, **options: Any) -> Database:
    return ensure_database.fn(rollout, network, engine, **{"connect": Server(), **options})


def instance(rollout: Rollout) -> dict[str, Any]:
    found = rollout.aws("rds").describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"][0]
    return dict(found)


def test_made_as_in_the_missions_table(rollout: Rollout, network: Network) -> None:
    server = Server()
    made = ensure(rollout, network, connect=server)
    actual = instance(rollout)
    expected = {
        "DBInstanceClass": "db.t3.small",
        "Engine": "postgres",
        "EngineVersion": "15.15",
        "AllocatedStorage": 20,
        "StorageType": "gp3",
        "StorageEncrypted": True,
        "DBName": "miyabi",
        "MasterUsername": "miyabi_admin",
        "BackupRetentionPeriod": 7,
        "PreferredBackupWindow": "03:00-04:00",
        "PreferredMaintenanceWindow": "mon:05:00-mon:06:00",
        "MultiAZ": False,
        "PubliclyAccessible": True,
        "CopyTagsToSnapshot": True,
        "AutoMinorVersionUpgrade": True,
        "DeletionProtection": False,
    }
    assert {key: actual[key] for key in expected} == expected
    assert {tag["Key"]: tag["Value"] for tag in actual["TagList"]} == {**TAGS, "Release": "test-1"}
    assert made == Database(NAME, actual["Endpoint"]["Address"], 5432, "15.15")
    password = json.loads(read_secret(rollout, "miyabi/testing/database"))["password"]
    assert server.asked == [f"postgresql://miyabi_admin:{password}@{made.address}:5432/miyabi?sslmode=require"]
    again = make_rollout(ENVIRONMENT)
    calls = record_calls(again, "rds")
    assert ensure(again, network) == made
    assert (again.changes, calls) == ([], ["DescribeDBInstances"])


def test_planning_shows_and_does_not_write(rollout: Rollout, network: Network) -> None:
    planning = make_rollout(ENVIRONMENT, planning=True)
    server = Server()
    assert ensure(planning, network, connect=server).address == PENDING
    assert changes_of(planning) == [f"create database {NAME} PostgreSQL: - → 15.15, db.t3.small, 20 GB gp3, encrypted"]
    assert server.asked == []
    assert observe_database(rollout) is None


def test_drift_is_mended_in_one_call(rollout: Rollout, network: Network) -> None:
    ensure(rollout, network)
    settings = SETTINGS.model_copy(update={"instance_class": "db.t3.medium", "storage_gb": 40, "backup_days": 14})
    larger = make_rollout(make_environment(database=settings))
    calls = record_calls(larger, "rds")
    ensure(larger, network)
    assert calls.count("ModifyDBInstance") == 1
    assert {change.field for change in larger.changes} == {
        "DBInstanceClass",
        "AllocatedStorage",
        "BackupRetentionPeriod",
    }
    actual = instance(rollout)
    assert (actual["DBInstanceClass"], actual["AllocatedStorage"]) == ("db.t3.medium", 40)
    ensure(rollout, network)
    assert "AllocatedStorage" not in {change.field for change in rollout.changes}
    assert "40 GB" in rollout.findings[0].text


def test_busy_instance_is_waited_for(rollout: Rollout, network: Network) -> None:
    ensure(rollout, network)
    busy = {"DBInstances": [{**instance(rollout), "DBInstanceStatus": "modifying"}]}
    later = make_rollout(ENVIRONMENT)
    answer_call(later, "rds", "DescribeDBInstances", lambda _: busy, times=3)
    assert ensure(later, network).identifier == NAME
    settings = SETTINGS.model_copy(update={"backup_days": 1})
    changing = make_rollout(make_environment(database=settings))
    fail_call(changing, "rds", "ModifyDBInstance", "InvalidDBInstanceState", times=2)
    ensure(changing, network)
    assert instance(rollout)["BackupRetentionPeriod"] == 1


def test_change_that_has_not_begun_is_waited_for(rollout: Rollout, network: Network) -> None:
    """RDS goes on saying `available` with the old class for a moment after a change was accepted."""
    ensure(rollout, network)
    before = {"DBInstances": [instance(rollout)]}
    changing = make_rollout(make_environment(database=SETTINGS.model_copy(update={"backup_days": 1})))
    calls = record_calls(changing, "rds")
    answer_call(changing, "rds", "DescribeDBInstances", lambda _: before, times=3)
    ensure(changing, network)
    assert calls == ["DescribeDBInstances", "ModifyDBInstance"] + ["DescribeDBInstances"] * 3


@pytest.mark.parametrize("status", ["stopped", "storage-full", "incompatible-network"])
def test_hopeless_status_stops_at_once(rollout: Rollout, network: Network, status: str) -> None:
    ensure(rollout, network)
    stuck = {"DBInstances": [{**instance(rollout), "DBInstanceStatus": status}]}
    later = make_rollout(ENVIRONMENT)
    answer_call(later, "rds", "DescribeDBInstances", lambda _: stuck)
    with pytest.raises(Permanent, match=status):
        ensure(later, network)


def test_lost_race_is_compared(rollout: Rollout, network: Network) -> None:
    other = make_rollout(make_environment(database=SETTINGS.model_copy(update={"backup_days": 1})))
    before_call(rollout, "rds", "CreateDBInstance", lambda: ensure(other, network))
    ensure(rollout, network)
    assert instance(rollout)["BackupRetentionPeriod"] == 7


def test_an_instance_of_someone_else_is_refused_until_adopted(rollout: Rollout, network: Network) -> None:
    ensure(rollout, network)
    rds = rollout.aws("rds")
    rds.remove_tags_from_resource(ResourceName=instance(rollout)["DBInstanceArn"], TagKeys=["ManagedBy"])
    with pytest.raises(NotOurs):
        ensure(rollout, network)
    ensure(make_rollout(ENVIRONMENT, adopt=True), network)
    later = make_rollout(ENVIRONMENT)
    ensure(later, network)
    assert later.changes == []


def test_crash_before_the_instance_keeps_the_password(rollout: Rollout, network: Network) -> None:
    """The password is in its secret first, so whoever makes the instance gives it that one."""
    before = read_secret(rollout, "miyabi/testing/database")
    ensure_secrets.fn(rollout)
    server = Server()
    ensure(rollout, network, connect=server)
    assert json.loads(before)["password"] in server.asked[0]


def test_wrong_password_says_what_to_do_and_reset_does_it(rollout: Rollout, network: Network) -> None:
    ensure(rollout, network)
    refused = 'FATAL:  password authentication failed for user "miyabi_admin"'
    with pytest.raises(Permanent, match="reset_password=true"):
        ensure(rollout, network, connect=Server(refused))
    resetting = make_rollout(ENVIRONMENT)
    calls = record_calls(resetting, "rds")
    ensure(resetting, network, connect=Server(refused, refused), reset_password=True)
    assert "ModifyDBInstance" in calls
    assert changes_of(resetting) == [f"update database {NAME} password: - → as in the secret"]


def test_unreachable_database_names_the_settings() -> None:
    with pytest.raises(Permanent, match=r"ingress_cidrs.*database_address"):
        wait_connected("d", SecretStr("x"), connect=Server(*["timeout expired"] * 9), patience=0)


def test_one_snapshot_for_a_schema_and_an_hour(rollout: Rollout, network: Network) -> None:
    ensure(rollout, network)
    at, later = datetime(2026, 11, 21, 7, 59, tzinfo=UTC), datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    planning = make_rollout(ENVIRONMENT, planning=True)
    assert snapshot_database.fn(planning, schema=15, now=lambda: at).arn == PENDING
    taken = snapshot_database.fn(rollout, schema=15, now=lambda: at)
    assert taken.identifier == f"{NAME}-schema-15-at-20261121-07"
    again = make_rollout(ENVIRONMENT)
    assert snapshot_database.fn(again, schema=15, now=lambda: at) == taken
    assert again.changes == []
    assert snapshot_database.fn(rollout, schema=15, now=lambda: later) != taken
    assert snapshot_database.fn(rollout, schema=16, now=lambda: at) != taken
    seen = observe_snapshot(rollout, taken.identifier)
    assert seen is not None
    assert seen.tags == {**TAGS, "Release": "test-1"}


def test_destroy_takes_a_last_snapshot(rollout: Rollout, network: Network) -> None:
    destroy_database.fn(rollout)
    assert rollout.changes == []
    ensure(rollout, network)
    fail_call(rollout, "rds", "DeleteDBInstance", "InvalidDBInstanceState")
    destroy_database.fn(rollout, now=lambda: datetime(2026, 11, 21, 5, 6, 7, tzinfo=UTC))
    assert observe_database(rollout) is None
    assert observe_snapshot(rollout, f"{NAME}-final-20261121050607") is not None
    ensure(rollout, network)
    destroy_database.fn(rollout, final_snapshot=False)
    assert len(rollout.aws("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]) == 1


def test_destroy_respects_protection_and_owners(rollout: Rollout, network: Network) -> None:
    protected = make_rollout(make_environment(database=SETTINGS.model_copy(update={"deletion_protection": True})))
    ensure(protected, network)
    with pytest.raises(Permanent, match="deletion_protection = false"):
        destroy_database.fn(protected)
    ensure(rollout, network)
    rollout.aws("rds").remove_tags_from_resource(
        ResourceName=instance(rollout)["DBInstanceArn"], TagKeys=["Environment"]
    )
    destroy_database.fn(rollout)
    assert observe_database(rollout) is not None
