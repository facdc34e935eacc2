"""Provisioning against the embedded cloud: real waits, a real PostgreSQL behind the instance, faults in the way.

The order is the one of `flows/provision.py`, without Prefect: each step is called as the plain function it is.
"""

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import pytest

from blocks.aws import is_read
from blocks.environment import DatabaseSettings, Environment
from localcloud.aws.faults import Fault, Phase
from localcloud.cloud import Cloud
from tasks.changes import PENDING, Change, Rollout
from tasks.database_engine import choose_engine
from tasks.database_groups import destroy_database_groups, ensure_database_groups
from tasks.database_snapshots import snapshot_database
from tasks.databases import Database, destroy_database, ensure_database
from tasks.errors import Permanent
from tasks.logs import destroy_log_group, ensure_log_group
from tasks.network import Network, destroy_network, ensure_network
from tasks.roles import Role, destroy_role, ensure_role
from tasks.secrets import Secrets, database_dsn, destroy_secrets, ensure_database_address, ensure_secrets, read_secret
from tests.support import make_environment, make_rollout, record_calls

LOCAL = DatabaseSettings(sslmode="prefer")
SERVICES = ("ec2", "rds", "secretsmanager", "iam", "logs")


@dataclass(frozen=True)
class Made:
    network: Network
    secrets: Secrets
    database: Database
    role: Role


def provision(rollout: Rollout, **options: Any) -> Made:
    names = rollout.environment.names
    network = ensure_network.fn(rollout)
    secrets = ensure_secrets.fn(rollout, **options)
    engine = choose_engine.fn(rollout)
    ensure_database_groups.fn(rollout, network, engine)
    database = ensure_database.fn(rollout, network, engine, **options)
    ensure_database_address.fn(rollout, address=database.address, port=database.port)
    role = ensure_role.fn(rollout, secrets.arns)
    ensure_log_group.fn(rollout, names.function_logs)
    return Made(network, secrets, database, role)


def teardown(rollout: Rollout) -> None:
    destroy_database.fn(rollout, final_snapshot=False)
    destroy_database_groups.fn(rollout)
    destroy_network.fn(rollout)
    destroy_role.fn(rollout)
    destroy_log_group.fn(rollout, rollout.environment.names.function_logs)
    destroy_secrets.fn(rollout)


def what(change: Change) -> tuple[str, str]:
    return change.action, change.resource


def inventory(rollout: Rollout) -> dict[str, list[str]]:
    """Names of everything that provisioning makes, so that a second one of anything shows."""
    ec2, rds, names = rollout.aws("ec2"), rollout.aws("rds"), rollout.environment.names
    groups = [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]]
    alive = [e for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["State"].lower() == "available"]
    roles = [role["RoleName"] for role in rollout.aws("iam").list_roles()["Roles"]]
    return {
        "groups": sorted(group for group in groups if group != "default"),
        "endpoints": [endpoint["ServiceName"] for endpoint in alive],
        "databases": [f"{i['DBInstanceIdentifier']} {i['DBInstanceStatus']}" for i in databases(rds)],
        "subnet groups": [group["DBSubnetGroupName"] for group in rds.describe_db_subnet_groups()["DBSubnetGroups"]],
        "secrets": sorted(secret["Name"] for secret in rollout.aws("secretsmanager").list_secrets()["SecretList"]),
        "roles": [role for role in roles if role == names.role],
        "logs": [group["logGroupName"] for group in rollout.aws("logs").describe_log_groups()["logGroups"]],
    }


def databases(rds: Any) -> list[dict[str, Any]]:
    return list(rds.describe_db_instances()["DBInstances"])


class Killed(BaseException):
    """The process died here. No `except Exception` may hold it up."""


def kill_after_a_write(rollout: Rollout) -> None:
    """Die when AWS has done the first write, before its answer is looked at."""

    def after_call(model: Any, **_: Any) -> None:
        if not is_read(model.name):
            raise Killed(model.name)

    for service in SERVICES:
        rollout.aws(service).meta.events.register("after-call", after_call)


@pytest.fixture
def environment(cloud: Cloud) -> Environment:
    cloud.reset()
    return make_environment(cloud.aws_endpoint, database=LOCAL)


def test_everything_is_made_and_then_left_alone(environment: Environment) -> None:
    planning = make_rollout(environment, planning=True)
    planned = provision(planning)
    assert planned.database.address == PENDING
    rollout = make_rollout(environment)
    made = provision(rollout)
    assert {what(change) for change in rollout.changes} == {what(change) for change in planning.changes}
    assert made.database.engine_version == "15.15"
    assert "15.4 is not offered in us-east-1" in " ".join(change.why for change in rollout.changes)
    again = make_rollout(environment)
    calls = record_calls(again, *SERVICES)
    assert provision(again) == made
    assert again.changes == []
    assert {call for call in calls if not call.startswith(("Describe", "Get", "List"))} == set()


def test_killed_after_every_write_and_run_again(environment: Environment) -> None:
    """Each run dies after its first write, so each next one starts from one of the states in between."""
    deaths: list[str] = []
    for _ in range(40):
        dying = make_rollout(environment)
        kill_after_a_write(dying)
        try:
            made = provision(dying)
            break
        except Killed as death:
            deaths.append(str(death))
    assert dying.changes == []
    assert {"CreateSecret", "CreateDBInstance", "CreateVpcEndpoint", "PutSecretValue", "CreateRole"} <= set(deaths)
    found = inventory(make_rollout(environment))
    assert {kind: len(names) for kind, names in found.items()} == {**dict.fromkeys(found, 1), "groups": 3, "secrets": 2}
    assert provision(make_rollout(environment)) == made


@pytest.mark.parametrize(("kind", "when"), [("server-error", "before"), ("reset", "after")])
def test_every_write_may_fail_once(
    cloud: Cloud, environment: Environment, kind: Literal["server-error", "reset"], when: Phase
) -> None:
    """`reset` after the call is the worse one: AWS has done it, and botocore, not knowing, sends it again."""
    whole = make_rollout(environment)
    cloud.faults.clear()
    provision(whole)
    wanted = inventory(whole)
    operations = {(call.service, call.operation) for call in cloud.faults.calls if not is_read(call.operation)}
    cloud.reset()
    for service, operation in operations:
        cloud.faults.add(Fault(kind, service, operation, when=when))
    provision(make_rollout(environment))
    cloud.faults.clear()
    assert inventory(whole) == wanted


def test_the_database_is_real_and_its_secret_opens_it(environment: Environment) -> None:
    rollout = make_rollout(environment)
    provision(rollout)
    with psycopg.connect(database_dsn(rollout).get_secret_value()) as connection:
        row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row == ("miyabi_admin", "miyabi")


def test_settings_that_differ_are_changed_and_waited_for(environment: Environment) -> None:
    provision(make_rollout(environment))
    settings = LOCAL.model_copy(update={"instance_class": "db.t3.medium", "storage_gb": 30, "open_to_world": True})
    larger = make_rollout(environment.model_copy(update={"database": settings}))
    provision(larger)
    assert {change.field for change in larger.changes} == {"ingress", "DBInstanceClass", "AllocatedStorage"}
    assert "open to the whole internet" in larger.findings[0].text
    instance = larger.aws("rds").describe_db_instances()["DBInstances"][0]
    assert (instance["DBInstanceStatus"], instance["DBInstanceClass"]) == ("available", "db.t3.medium")


def test_lost_secret_stops_and_reset_password_mends(environment: Environment) -> None:
    rollout = make_rollout(environment)
    provision(rollout)
    name = environment.names.database_secret
    before = read_secret(rollout, name)
    rollout.aws("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with pytest.raises(Permanent, match="reset_password=true"):
        provision(make_rollout(environment))
    provision(make_rollout(environment), reset_password=True)
    assert read_secret(rollout, name) != before
    with psycopg.connect(database_dsn(rollout).get_secret_value()) as connection:
        connection.execute("SELECT 1")


def test_snapshot_and_teardown_leave_nothing(environment: Environment) -> None:
    rollout = make_rollout(environment)
    provision(rollout)
    snapshot = snapshot_database.fn(rollout, schema=1)
    assert snapshot.identifier.startswith("miyabi-postgres-local-schema-1-at-")
    teardown(rollout)
    again = make_rollout(environment)
    teardown(again)
    assert again.changes == []
    provision(again)
    teardown(again)
