"""RDS: what it offers and refuses, how long things take, and the real database behind an instance."""

import json
import time

import psycopg
import pytest
from botocore.exceptions import ClientError

INSTANCE = {
    "DBInstanceIdentifier": "miyabi-postgres-test",
    "DBInstanceClass": "db.t3.small",
    "Engine": "postgres",
    "EngineVersion": "15.15",
    "AllocatedStorage": 20,
    "StorageType": "gp3",
    "MasterUsername": "miyabi_admin",
    "MasterUserPassword": "correct-horse-battery",
    "DBName": "miyabi",
}


@pytest.fixture
def rds(aws):
    return aws("rds")


def create(rds, **changes):
    return rds.create_db_instance(**{**INSTANCE, **changes})["DBInstance"]


def one(rds):
    return rds.describe_db_instances(DBInstanceIdentifier=INSTANCE["DBInstanceIdentifier"])["DBInstances"][0]


def statuses_until(rds, wanted, patience=10.0):
    """Every status seen on the way to the wanted one."""
    seen, end = [], time.monotonic() + patience
    while not seen or seen[-1] != wanted:
        assert time.monotonic() < end, f"{seen} never came to {wanted!r}"
        status = one(rds)["DBInstanceStatus"]
        seen += [status] if status not in seen[-1:] else []
        time.sleep(0.005)
    return seen


def available(rds, **changes):
    create(rds, **changes)
    statuses_until(rds, "available")
    return one(rds)


def login(cloud):
    return json.loads((cloud.home / "secrets" / "rds.json").read_text())[INSTANCE["DBInstanceIdentifier"]]


def connect(cloud, **changes):
    who = {**login(cloud), **changes}
    return psycopg.connect(
        host=who["host"], port=who["port"], user=who["username"], password=who["password"], dbname=who["dbname"]
    )


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_versions_of_15_have_no_15_4(rds):
    found = rds.describe_db_engine_versions(Engine="postgres", EngineVersion="15")["DBEngineVersions"]
    versions = [version["EngineVersion"] for version in found]
    assert "15.15" in versions
    assert "15.4" not in versions
    assert {version["MajorEngineVersion"] for version in found} == {"15"}
    assert found[0]["DBParameterGroupFamily"] == "postgres15"


def test_versions_by_exact_number_default_and_filter(rds):
    def ask(**wanted):
        return [v["EngineVersion"] for v in rds.describe_db_engine_versions(**wanted)["DBEngineVersions"]]

    assert ask(Engine="postgres", EngineVersion="15.15") == ["15.15"]
    assert ask(Engine="postgres", EngineVersion="15.4") == []
    assert ask(Engine="postgres", EngineVersion="1") == []
    assert ask(Engine="postgres", DefaultOnly=True) == ["17.7"]
    assert ask(Engine="postgres", EngineVersion="15", DefaultOnly=True) == ["15.15"]
    family = [{"Name": "db-parameter-group-family", "Values": ["postgres16"]}]
    assert {v.split(".")[0] for v in ask(Engine="postgres", Filters=family)} == {"16"}


def test_versions_and_options_come_in_pages(rds):
    pages = rds.get_paginator("describe_orderable_db_instance_options").paginate(
        Engine="postgres", EngineVersion="15.15"
    )
    options = [option for page in pages for option in page["OrderableDBInstanceOptions"]]
    assert len(options) > 100
    assert len({(o["DBInstanceClass"], o["StorageType"]) for o in options}) == len(options)


def test_options_of_a_class_name_zones_and_storage(rds):
    found = rds.describe_orderable_db_instance_options(
        Engine="postgres", EngineVersion="15.15", DBInstanceClass="db.t3.small", Vpc=True
    )["OrderableDBInstanceOptions"]
    gp3 = next(option for option in found if option["StorageType"] == "gp3")
    assert len(gp3["AvailabilityZones"]) == 5
    assert gp3["MinStorageSize"] == 20
    assert (
        rds.describe_orderable_db_instance_options(Engine="postgres", EngineVersion="15.4")[
            "OrderableDBInstanceOptions"
        ]
        == []
    )


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"EngineVersion": "15.4"}, "InvalidParameterCombination", "Cannot find version 15.4 for postgres"),
        ({"EngineVersion": "99.9"}, "InvalidParameterCombination", "Cannot find version 99.9"),
        ({"DBInstanceClass": "db.zz.huge"}, "InvalidParameterValue", "Invalid DB Instance class: db.zz.huge"),
        ({"MasterUserPassword": "short"}, "InvalidParameterValue", "shorter than 8"),
        ({"MasterUserPassword": "with a blank"}, "InvalidParameterValue", "Only printable ASCII"),
        ({"MasterUsername": "admin"}, "InvalidParameterValue", "reserved word"),
        ({"AllocatedStorage": 5}, "InvalidParameterValue", "Invalid storage size"),
        ({"StorageType": "gp9"}, "InvalidParameterValue", "Invalid storage type"),
        ({"Iops": 4000}, "InvalidParameterCombination", "less than 400"),
        ({"BackupRetentionPeriod": 40}, "InvalidParameterValue", "between 0 and 35"),
        ({"VpcSecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidParameterValue", "Invalid security group"),
        ({"DBSubnetGroupName": "none"}, "DBSubnetGroupNotFoundFault", "none"),
        ({"DBParameterGroupName": "none"}, "DBParameterGroupNotFound", "none"),
        ({"DBName": "1st"}, "InvalidParameterValue", "must begin with a letter"),
        ({"Engine": "mysql"}, "SimulatorGap", "PostgreSQL only"),
    ],
)
def test_what_create_refuses(rds, changes, code, words):
    actual = refusal(create, rds=rds, **changes)
    assert actual[0] == code
    assert words in actual[1]
    assert rds.describe_db_instances()["DBInstances"] == []


def test_an_instance_takes_its_time_and_is_real(cloud, rds):
    assert create(rds)["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in one(rds)
    assert statuses_until(rds, "available") == ["creating", "backing-up", "available"]
    endpoint = one(rds)["Endpoint"]
    assert (endpoint["Address"], endpoint["Port"]) == ("127.0.0.1", cloud.postgres.port)
    with connect(cloud) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("miyabi_admin", "miyabi")
        connection.execute('CREATE EXTENSION IF NOT EXISTS "pgcrypto"')


def test_the_master_is_no_superuser_and_alone_in_its_database(cloud, rds):
    available(rds)
    with connect(cloud) as connection:
        (is_superuser,) = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert not is_superuser
    with psycopg.connect(cloud.postgres.dsn(), autocommit=True) as admin:
        (public,) = admin.execute("SELECT has_database_privilege('rds_superuser', 'miyabi', 'CONNECT')").fetchone()
    assert not public


def test_the_answer_has_what_aws_tells(rds):
    made = available(rds, BackupRetentionPeriod=7, PreferredBackupWindow="03:00-04:00", StorageEncrypted=True)
    expected = {
        "StorageType": "gp3", "Iops": 3000, "StorageThroughput": 125, "BackupRetentionPeriod": 7,
        "PreferredBackupWindow": "03:00-04:00", "PubliclyAccessible": True, "LicenseModel": "postgresql-license",
        "CACertificateIdentifier": "rds-ca-rsa2048-g1", "PendingModifiedValues": {}, "NetworkType": "IPV4",
        "StorageEncrypted": True, "DeletionProtection": False, "MultiAZ": False,
    }  # fmt: skip
    assert {key: made.get(key) for key in expected} == expected
    assert made["KmsKeyId"].startswith("arn:aws:kms:us-east-1:")
    assert made["DbiResourceId"].startswith("db-")
    assert "MasterUserPassword" not in made


def test_a_second_of_the_same_name_is_refused(rds):
    create(rds)
    assert refusal(create, rds=rds)[0] == "DBInstanceAlreadyExists"


def test_an_instance_with_the_names_of_another_has_a_server_of_its_own(cloud, rds):
    first = available(rds)
    create(rds, DBInstanceIdentifier="other", MasterUserPassword="another-battery")
    while (found := rds.describe_db_instances(DBInstanceIdentifier="other")["DBInstances"][0]).get("Endpoint") is None:
        time.sleep(0.01)
    assert found["Endpoint"]["Port"] != first["Endpoint"]["Port"]
    logins = json.loads((cloud.home / "secrets" / "rds.json").read_text())
    assert [(one["username"], one["own"]) for one in logins.values()] == [
        ("miyabi_admin", False),
        ("miyabi_admin", True),
    ]
    connect(cloud, port=found["Endpoint"]["Port"], password="another-battery").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(cloud, port=found["Endpoint"]["Port"])


def test_modify_waits_for_available(rds):
    create(rds)
    name = INSTANCE["DBInstanceIdentifier"]
    assert refusal(rds.modify_db_instance, DBInstanceIdentifier=name, BackupRetentionPeriod=3)[0] == (
        "InvalidDBInstanceState"
    )
    statuses_until(rds, "available")
    rds.modify_db_instance(DBInstanceIdentifier=name, BackupRetentionPeriod=3)
    assert one(rds)["BackupRetentionPeriod"] == 3


def test_a_large_change_is_pending_unless_applied_immediately(rds):
    available(rds)
    name = INSTANCE["DBInstanceIdentifier"]
    rds.modify_db_instance(DBInstanceIdentifier=name, AllocatedStorage=40)
    assert one(rds)["PendingModifiedValues"] == {"AllocatedStorage": 40}
    assert one(rds)["AllocatedStorage"] == 20
    rds.modify_db_instance(DBInstanceIdentifier=name, AllocatedStorage=40, ApplyImmediately=True)
    assert statuses_until(rds, "available") == ["modifying", "available"]
    assert (one(rds)["AllocatedStorage"], one(rds)["PendingModifiedValues"]) == (40, {})
    code, words = refusal(rds.modify_db_instance, DBInstanceIdentifier=name, AllocatedStorage=20)
    assert code == "InvalidParameterCombination"
    assert "smaller than existing" in words


def test_a_new_master_password_works_and_the_old_one_does_not(cloud, rds):
    available(rds)
    rds.modify_db_instance(
        DBInstanceIdentifier=INSTANCE["DBInstanceIdentifier"], MasterUserPassword="staple-and-a-half"
    )
    statuses_until(rds, "available")
    connect(cloud, password="staple-and-a-half").close()
    with pytest.raises(psycopg.OperationalError):
        connect(cloud, password=INSTANCE["MasterUserPassword"])


def test_a_managed_master_password_is_in_the_secret(cloud, aws, rds):
    create(rds, ManageMasterUserPassword=True, MasterUserPassword="")
    statuses_until(rds, "available")
    secret = aws("secretsmanager").get_secret_value(SecretId=one(rds)["MasterUserSecret"]["SecretArn"])
    assert json.loads(secret["SecretString"]) == {"username": "miyabi_admin", "password": login(cloud)["password"]}
    connect(cloud).close()


def test_a_stopped_instance_lets_nobody_in(cloud, rds):
    available(rds)
    name = INSTANCE["DBInstanceIdentifier"]
    with connect(cloud) as connection:
        rds.stop_db_instance(DBInstanceIdentifier=name)
        assert statuses_until(rds, "stopped") == ["stopping", "stopped"]
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        connect(cloud)
    rds.start_db_instance(DBInstanceIdentifier=name)
    assert statuses_until(rds, "available") == ["starting", "available"]
    connect(cloud).close()


def test_delete_wants_a_final_snapshot_or_a_word(cloud, rds):
    available(rds)
    name = INSTANCE["DBInstanceIdentifier"]
    assert refusal(rds.delete_db_instance, DBInstanceIdentifier=name)[0] == "InvalidParameterCombination"
    answer = rds.delete_db_instance(DBInstanceIdentifier=name, FinalDBSnapshotIdentifier="last")
    assert answer["DBInstance"]["DBInstanceStatus"] == "deleting"
    again = refusal(rds.delete_db_instance, DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    assert again[0] == "InvalidDBInstanceState"
    end = time.monotonic() + 5
    while rds.describe_db_instances()["DBInstances"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [s["DBSnapshotIdentifier"] for s in rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]] == [
        "last"
    ]
    with psycopg.connect(cloud.postgres.dsn()) as admin:
        assert admin.execute("SELECT 1 FROM pg_database WHERE datname = 'miyabi'").fetchone() is None
        assert admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'miyabi_admin'").fetchone() is None


def test_an_instance_can_be_made_again_at_once_while_the_backups_of_the_old_one_are_kept(cloud, rds):
    available(rds)
    rds.delete_db_instance(
        DBInstanceIdentifier=INSTANCE["DBInstanceIdentifier"], SkipFinalSnapshot=True, DeleteAutomatedBackups=False
    )
    end = time.monotonic() + 5
    while rds.describe_db_instances()["DBInstances"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    available(rds, MasterUserPassword="another-battery-staple")
    connect(cloud, password="another-battery-staple").close()


def test_deletion_protection_protects(rds):
    available(rds, DeletionProtection=True)
    code, words = refusal(
        rds.delete_db_instance, DBInstanceIdentifier=INSTANCE["DBInstanceIdentifier"], SkipFinalSnapshot=True
    )
    assert code == "InvalidParameterCombination"
    assert "protected" in words


def subnets(aws, zones):
    found = aws("ec2").describe_subnets()["Subnets"]
    return [subnet["SubnetId"] for subnet in found if subnet["AvailabilityZone"][-1] in zones]


def test_a_subnet_group_covers_two_zones_and_is_not_overwritten(aws, rds):
    group = {"DBSubnetGroupName": "miyabi", "DBSubnetGroupDescription": "test"}
    assert refusal(rds.create_db_subnet_group, **group, SubnetIds=subnets(aws, "a"))[0] == (
        "DBSubnetGroupDoesNotCoverEnoughAZs"
    )
    rds.create_db_subnet_group(**group, SubnetIds=subnets(aws, "ab"))
    assert refusal(rds.create_db_subnet_group, **group, SubnetIds=subnets(aws, "ab"))[0] == (
        "DBSubnetGroupAlreadyExists"
    )
    rds.modify_db_subnet_group(DBSubnetGroupName="miyabi", SubnetIds=subnets(aws, "abc"))
    (found,) = rds.describe_db_subnet_groups(DBSubnetGroupName="miyabi")["DBSubnetGroups"]
    assert len(found["Subnets"]) == 3
    available(rds, DBSubnetGroupName="miyabi")
    assert one(rds)["PubliclyAccessible"] is False
    assert refusal(rds.delete_db_subnet_group, DBSubnetGroupName="miyabi")[0] == "InvalidDBSubnetGroupStateFault"


def test_parameter_groups(rds):
    name = "miyabi-parameters"
    group = {"DBParameterGroupName": name, "Description": "test"}
    assert refusal(rds.describe_db_parameter_groups, DBParameterGroupName=name)[0] == "DBParameterGroupNotFound"
    assert refusal(rds.create_db_parameter_group, **group, DBParameterGroupFamily="pg15")[0] == (
        "InvalidParameterValue"
    )
    rds.create_db_parameter_group(**group, DBParameterGroupFamily="postgres15", Tags=[{"Key": "a", "Value": "b"}])
    assert refusal(rds.create_db_parameter_group, **group, DBParameterGroupFamily="postgres15")[0] == (
        "DBParameterGroupAlreadyExists"
    )
    before = rds.describe_db_parameters(DBParameterGroupName=name)["Parameters"]
    assert [(p["ParameterName"], p["ParameterValue"], p["Source"]) for p in before] == [
        ("rds.force_ssl", "1", "system")
    ]
    change = {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=[change])
    (after,) = rds.describe_db_parameters(DBParameterGroupName=name, Source="user")["Parameters"]
    assert (after["ParameterValue"], after["Source"]) == ("0", "user")
    assert refusal(create, rds=rds, DBParameterGroupName=name, EngineVersion="16.11")[0] == (
        "InvalidParameterCombination"
    )
    available(rds, DBParameterGroupName=name)
    assert one(rds)["DBParameterGroups"][0]["DBParameterGroupName"] == name
    assert refusal(rds.delete_db_parameter_group, DBParameterGroupName=name)[0] == "InvalidDBParameterGroupState"


def test_reset_drops_the_databases(cloud, rds):
    available(rds)
    cloud.reset()
    with psycopg.connect(cloud.postgres.dsn()) as admin:
        assert admin.execute("SELECT 1 FROM pg_database WHERE datname = 'miyabi'").fetchone() is None
