"""RDS snapshots: they hold the data of their moment, and instances are made from them beside the one they come from."""

import psycopg
import pytest

from tests.localcloud.test_aws_rds import INSTANCE, login, refusal

NAME, COPY = INSTANCE["DBInstanceIdentifier"], "copy"


@pytest.fixture
def rds(aws):
    client = aws("rds")
    client.create_db_instance(**INSTANCE, BackupRetentionPeriod=0)
    until(client, NAME)
    return client


def until(rds, name, wanted="available"):
    while (found := rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])[
        "DBInstanceStatus"
    ] != wanted:
        assert found["DBInstanceStatus"] != "failed"
    return found


def until_gone(rds, name):
    while name in [found["DBInstanceIdentifier"] for found in rds.describe_db_instances()["DBInstances"]]:
        pass


def connect(cloud, instance):
    """As the master user, at the instance's own endpoint."""
    where, who = instance["Endpoint"], login(cloud)
    return psycopg.connect(
        host=where["Address"], port=where["Port"], user=who["username"], password=who["password"], dbname="miyabi",
        autocommit=True,
    )  # fmt: skip


def rows(connection):
    return [value for (value,) in connection.execute("SELECT v FROM kept ORDER BY v")]


def test_a_snapshot_has_the_data_of_its_moment(cloud, rds):
    with connect(cloud, until(rds, NAME)) as before:
        before.execute("CREATE TABLE kept AS SELECT v FROM generate_series(1, 3) v")
        taken = rds.create_db_snapshot(DBInstanceIdentifier=NAME, DBSnapshotIdentifier="then")["DBSnapshot"]
        assert taken["Status"] == "creating"
        before.execute("DELETE FROM kept WHERE v > 1")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="then", WaiterConfig={"Delay": 0.05})

    wanted = {"DBInstanceIdentifier": COPY, "DBSnapshotIdentifier": "then"}
    rds.restore_db_instance_from_db_snapshot(**wanted, DBInstanceClass="db.t3.micro")
    copy = until(rds, COPY)
    assert (copy["DBInstanceClass"], copy["DeletionProtection"], copy["DBName"]) == ("db.t3.micro", False, "miyabi")
    with connect(cloud, copy) as restored, connect(cloud, until(rds, NAME)) as original:
        assert rows(restored) == [1, 2, 3]
        restored.execute("INSERT INTO kept VALUES (9)")  # as the owner, on a server of its own
        assert rows(original) == [1]
    assert refusal(rds.restore_db_instance_from_db_snapshot, **wanted)[0] == "DBInstanceAlreadyExists"

    rds.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)
    until_gone(rds, COPY)
    assert not (cloud.home / "instances" / COPY).exists()
    assert not cloud.backend("rds").databases.get(COPY)
    rds.delete_db_snapshot(DBSnapshotIdentifier="then")
    assert not (cloud.home / "snapshots" / "then").exists()


def test_the_last_snapshot_outlives_its_instance(cloud, rds):
    with connect(cloud, until(rds, NAME)) as before:
        before.execute("CREATE TABLE kept AS SELECT 7 AS v")
    rds.delete_db_instance(DBInstanceIdentifier=NAME, FinalDBSnapshotIdentifier="last")
    until_gone(rds, NAME)
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=NAME, DBSnapshotIdentifier="last")
    with connect(cloud, until(rds, NAME)) as restored:
        assert rows(restored) == [7]
    assert not (cloud.home / "instances" / NAME).exists()  # its names are free again on the shared server


def test_to_the_latest_time_and_to_no_other(cloud, rds):
    with connect(cloud, until(rds, NAME)) as before:
        before.execute("CREATE TABLE kept AS SELECT 5 AS v")
    wanted = {"SourceDBInstanceIdentifier": NAME, "TargetDBInstanceIdentifier": COPY}
    earlier = refusal(rds.restore_db_instance_to_point_in_time, **wanted, RestoreTime="2026-11-27T00:00:00Z")
    assert earlier[0] == "SimulatorGap"
    rds.restore_db_instance_to_point_in_time(**wanted, UseLatestRestorableTime=True)
    with connect(cloud, until(rds, COPY)) as restored:
        assert rows(restored) == [5]
