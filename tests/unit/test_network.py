"""The network: default VPC, security groups, the endpoint for Secrets Manager."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from blocks.environment import DatabaseSettings, FunctionSettings
from tasks.changes import PENDING, Rollout
from tasks.errors import NotOurs, Permanent, Rejected
from tasks.network import (
    Subnet,
    Vpc,
    check_vpc,
    destroy_network,
    ensure_network,
    group_specs,
    observe_network,
    observe_vpc,
)
from tasks.network_groups import permission_for, tcp
from tests.support import before_call, changes_of, fail_call, make_environment, make_rollout, record_calls

ENVIRONMENT = make_environment()
DATABASE, FUNCTION, ENDPOINT = "miyabi-database-testing", "miyabi-function-testing", "miyabi-endpoint-testing"
SERVICE = "com.amazonaws.us-east-1.secretsmanager"


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout()


def rules_of(rollout: Rollout, name: str) -> set[str]:
    vpc = observe_vpc(rollout)
    assert vpc is not None
    return {str(rule) for rule in observe_network(rollout, vpc).groups[name].rules}


def endpoints(rollout: Rollout) -> list[dict[str, Any]]:
    found = rollout.aws("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return [endpoint for endpoint in found if endpoint["State"] != "deleted"]


@pytest.mark.parametrize(
    ("database", "in_vpc", "expected"),
    [
        ({}, True, {f"tcp 5432 from {FUNCTION}"}),
        ({}, False, set()),
        ({"open_to_world": True}, False, {"tcp 5432 from 0.0.0.0/0"}),
        (
            {"ingress_cidrs": ("203.0.113.7/32", "10.1.2.3/8", "2001:db8::/32")},
            True,
            {
                f"tcp 5432 from {FUNCTION}",
                "tcp 5432 from 203.0.113.7/32",
                "tcp 5432 from 10.0.0.0/8",
                "tcp 5432 from 2001:db8::/32",
            },
        ),
    ],
)
def test_who_reaches_the_database(database: dict[str, Any], in_vpc: bool, expected: set[str]) -> None:
    environment = make_environment(database=DatabaseSettings(**database), function=FunctionSettings(in_vpc=in_vpc))
    specs = {spec.name: spec for spec in group_specs(environment)}
    assert {str(rule) for rule in specs[DATABASE].rules} == expected
    assert (ENDPOINT in specs) is in_vpc


def test_all_bad_ranges_are_told_at_once() -> None:
    settings = DatabaseSettings(ingress_cidrs=("office", "0.0.0.0/0", "::/0", "10.0.0.0/8"))
    with pytest.raises(Rejected) as caught:
        group_specs(make_environment(database=settings))
    assert len(caught.value.problems) == 3
    assert "open_to_world" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("vpc", "message"),
    [
        (None, "create-default-vpc"),
        (Vpc("vpc-1", "10.0.0.0/16", ()), r"0 zone\(s\)"),
        (Vpc("vpc-1", "10.0.0.0/16", (Subnet("s", "us-east-1a", "use1-az6"),)), "RDS wants two"),
    ],
)
def test_a_vpc_that_cannot_hold_a_database(vpc: Vpc | None, message: str) -> None:
    with pytest.raises(Permanent, match=message):
        check_vpc(vpc, "us-east-1")


def test_made_once_and_then_left_alone(rollout: Rollout) -> None:
    made = ensure_network.fn(rollout)
    assert len(made.subnet_ids) == 6
    assert len(made.function_subnet_ids) == 5
    assert rules_of(rollout, DATABASE) == {f"tcp 5432 from {FUNCTION}"}
    assert rules_of(rollout, ENDPOINT) == {f"tcp 443 from {FUNCTION}"}
    (endpoint,) = endpoints(rollout)
    assert endpoint["VpcEndpointId"] == made.endpoint_id
    assert endpoint["PrivateDnsEnabled"] is True
    assert len(endpoint["SubnetIds"]) == 2
    again = make_rollout(rollout.environment)
    calls = record_calls(again, "ec2")
    assert ensure_network.fn(again) == made
    assert again.changes == []
    assert all(call.startswith("Describe") for call in calls)
    assert rollout.findings == []


def test_everything_is_tagged_at_creation(rollout: Rollout) -> None:
    calls = record_calls(rollout, "ec2")
    ensure_network.fn(rollout)
    assert "CreateTags" not in calls
    groups = rollout.aws("ec2").describe_security_groups(Filters=[{"Name": "tag:Release", "Values": ["test-1"]}])
    assert {group["GroupName"] for group in groups["SecurityGroups"]} == {DATABASE, FUNCTION, ENDPOINT}
    assert {"Key": "ManagedBy", "Value": "miyabi-pipelines"} in endpoints(rollout)[0]["Tags"]


def test_outside_the_vpc_there_is_only_the_database_group(rollout: Rollout) -> None:
    environment = make_environment(function=FunctionSettings(in_vpc=False))
    outside = make_rollout(environment)
    made = ensure_network.fn(outside)
    assert (made.function_group_id, made.endpoint_id) == (None, None)
    assert endpoints(rollout) == []
    assert "nothing may reach it" in outside.findings[0].text


def test_open_to_the_world_is_a_finding_and_closes_again(rollout: Rollout) -> None:
    opened = make_rollout(make_environment(database=DatabaseSettings(open_to_world=True)))
    ensure_network.fn(opened)
    assert "tcp 5432 from 0.0.0.0/0" in rules_of(rollout, DATABASE)
    assert "open to the whole internet" in opened.findings[0].text
    ensure_network.fn(rollout)
    assert rules_of(rollout, DATABASE) == {f"tcp 5432 from {FUNCTION}"}
    assert changes_of(rollout) == [f"delete security group {DATABASE} ingress: tcp 5432 from 0.0.0.0/0 → "]


def test_planning_shows_and_does_not_write(rollout: Rollout) -> None:
    planning = make_rollout(rollout.environment, planning=True)
    planned = ensure_network.fn(planning)
    assert (planned.database_group_id, planned.function_group_id, planned.endpoint_id) == (PENDING,) * 3
    assert [change.action for change in planning.changes] == ["create"] * 6
    vpc = observe_vpc(rollout)
    assert vpc is not None
    assert observe_network(rollout, vpc).groups == {}


def test_groups_of_someone_else_are_refused_until_adopted(rollout: Rollout) -> None:
    ec2 = rollout.aws("ec2")
    vpc = observe_vpc(rollout)
    assert vpc is not None
    ec2.create_security_group(GroupName=DATABASE, Description="by hand", VpcId=vpc.id)
    with pytest.raises(NotOurs, match=DATABASE):
        ensure_network.fn(rollout)
    ensure_network.fn(make_rollout(rollout.environment, adopt=True))
    later = make_rollout(rollout.environment)
    ensure_network.fn(later)
    assert later.changes == []


def test_lost_race_is_compared(rollout: Rollout) -> None:
    other = make_rollout()
    before_call(rollout, "ec2", "CreateSecurityGroup", lambda: ensure_network.fn(other))
    ensure_network.fn(rollout)
    later = make_rollout()
    ensure_network.fn(later)
    assert later.changes == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound"),
        ("AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate"),
        ("CreateVpcEndpoint", "InvalidGroup.NotFound"),
    ],
)
def test_eventual_consistency_is_waited_for(rollout: Rollout, operation: str, code: str) -> None:
    fail_call(rollout, "ec2", operation, code)
    assert ensure_network.fn(rollout).endpoint_id


def test_a_second_environment_shares_the_endpoint(rollout: Rollout) -> None:
    first = ensure_network.fn(rollout)
    second = make_rollout(make_environment(name="staging"))
    assert ensure_network.fn(second).endpoint_id == first.endpoint_id
    assert len(endpoints(rollout)) == 1
    destroy_network.fn(rollout)
    assert len(endpoints(rollout)) == 1
    again = make_rollout(second.environment)
    ensure_network.fn(again)
    assert again.changes == []
    destroy_network.fn(second)
    assert endpoints(rollout) == []


def test_an_endpoint_of_someone_else_that_lets_us_in_is_reused(rollout: Rollout) -> None:
    ec2, vpc = rollout.aws("ec2"), observe_vpc(rollout)
    assert vpc is not None
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc.id)["GroupId"]
    ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc.id,
        ServiceName=SERVICE,
        SubnetIds=[vpc.subnets[0].id],
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )
    with pytest.raises(NotOurs):
        ensure_network.fn(make_rollout())
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission_for(tcp(443, vpc.cidr), {})])
    made = ensure_network.fn(rollout)
    assert [endpoint["VpcEndpointId"] for endpoint in endpoints(rollout)] == [made.endpoint_id]
    destroy_network.fn(rollout)
    assert len(endpoints(rollout)) == 1


def test_destroy(rollout: Rollout) -> None:
    ensure_network.fn(rollout)
    planning = make_rollout(rollout.environment, planning=True)
    destroy_network.fn(planning)
    assert [change.action for change in planning.changes] == ["delete"] * 4
    fail_call(rollout, "ec2", "DeleteSecurityGroup", "DependencyViolation")
    destroy_network.fn(rollout)
    vpc = observe_vpc(rollout)
    assert vpc is not None
    assert observe_network(rollout, vpc).groups == {}
    assert endpoints(rollout) == []
    again = make_rollout(rollout.environment)
    destroy_network.fn(again)
    assert again.changes == []
