"""The subnet group and the parameter group of the database."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tasks.changes import Rollout
from tasks.database_engine import Engine
from tasks.database_groups import (
    SeenParameterGroup,
    SeenSubnetGroup,
    destroy_database_groups,
    ensure_database_groups,
    observe_parameter_group,
    observe_subnet_group,
    plan_parameter_group,
    plan_subnet_group,
    wanted_subnets,
)
from tasks.errors import NotOurs, Permanent
from tasks.network import Network, Subnet, ensure_network
from tests.support import before_call, fail_call, make_environment, make_rollout

ENVIRONMENT = make_environment()
TAGS = ENVIRONMENT.tags
ENGINE = Engine("15.15", "15.4 is not offered", ("us-east-1a", "us-east-1b", "us-east-1c"))
SUBNETS = frozenset({"s1", "s2"})


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout(ENVIRONMENT)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, [("create", "subnets", "s1, s2")]),
        (SeenSubnetGroup("arn", "vpc", SUBNETS, TAGS), []),
        (SeenSubnetGroup("arn", "vpc", SUBNETS | {"s3"}, TAGS), []),
        (SeenSubnetGroup("arn", "vpc", frozenset({"s1", "s3"}), TAGS), [("update", "subnets", "s1, s2, s3")]),
    ],
)
def test_plan_of_the_subnet_group(seen: SeenSubnetGroup | None, expected: list[tuple[str, str, str]]) -> None:
    changes = plan_subnet_group(ENVIRONMENT, "vpc", SUBNETS, seen)
    assert [(change.action, change.field, change.after) for change in changes] == expected


@pytest.mark.parametrize(("zones", "expected"), [(("a", "c"), {"s1", "s3"}), ((), {"s1", "s2", "s3"})])
def test_subnets_are_those_of_the_zones_that_offer_the_engine(zones: tuple[str, ...], expected: set[str]) -> None:
    subnets = (Subnet("s1", "a", "use1-az1"), Subnet("s2", "b", "use1-az2"), Subnet("s3", "c", "use1-az4"))
    network = Network("vpc", subnets, "sg-1", None, None)
    assert wanted_subnets(network, Engine("15.15", "", zones)) == expected


def test_a_subnet_group_in_another_vpc() -> None:
    with pytest.raises(Permanent, match="vpc-2"):
        plan_subnet_group(ENVIRONMENT, "vpc", SUBNETS, SeenSubnetGroup("arn", "vpc-2", SUBNETS, TAGS))


SSL = {"rds.force_ssl": "1"}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, [("create", "family"), ("create", "rds.force_ssl")]),
        (SeenParameterGroup("arn", "postgres15", SSL, TAGS), []),
        (SeenParameterGroup("arn", "postgres15", {**SSL, "work_mem": "64MB"}, TAGS), []),
        (SeenParameterGroup("arn", "postgres15", {"rds.force_ssl": "0"}, TAGS), [("update", "rds.force_ssl")]),
        (SeenParameterGroup("arn", "postgres15", SSL, {}), [("update", "tags")]),
    ],
)
def test_plan_of_the_parameter_group(seen: SeenParameterGroup | None, expected: list[tuple[str, str]]) -> None:
    changes = plan_parameter_group(ENVIRONMENT, "postgres15", seen)
    assert [(change.action, change.field) for change in changes] == expected


def test_a_parameter_group_of_another_family() -> None:
    with pytest.raises(Permanent, match="cannot become 'postgres16'"):
        plan_parameter_group(ENVIRONMENT, "postgres16", SeenParameterGroup("arn", "postgres15", SSL, TAGS))


def test_groups_are_made_once_and_then_left_alone(rollout: Rollout) -> None:
    network = ensure_network.fn(make_rollout(ENVIRONMENT))
    planning = make_rollout(ENVIRONMENT, planning=True)
    ensure_database_groups.fn(planning, network, ENGINE)
    assert observe_subnet_group(rollout) is None
    ensure_database_groups.fn(rollout, network, ENGINE)
    assert rollout.changes == planning.changes
    group, parameters = observe_subnet_group(rollout), observe_parameter_group(rollout)
    assert group is not None
    assert parameters is not None
    assert group.subnets == {subnet.id for subnet in network.subnets if subnet.zone in ENGINE.zones}
    assert parameters.values == SSL
    assert group.tags == parameters.tags == {**TAGS, "Release": "test-1"}
    again = make_rollout(ENVIRONMENT)
    ensure_database_groups.fn(again, network, ENGINE)
    assert again.changes == []


def test_groups_of_someone_else_are_refused_until_adopted(rollout: Rollout) -> None:
    network = ensure_network.fn(make_rollout(ENVIRONMENT))
    rds, names = rollout.aws("rds"), ENVIRONMENT.names
    rds.create_db_parameter_group(
        DBParameterGroupName=names.parameter_group, DBParameterGroupFamily="postgres15", Description="x"
    )
    with pytest.raises(NotOurs, match="parameter group"):
        ensure_database_groups.fn(rollout, network, ENGINE)
    ensure_database_groups.fn(make_rollout(ENVIRONMENT, adopt=True), network, ENGINE)
    later = make_rollout(ENVIRONMENT)
    ensure_database_groups.fn(later, network, ENGINE)
    assert later.changes == []


def test_groups_lose_a_race_and_go(rollout: Rollout) -> None:
    network = ensure_network.fn(make_rollout(ENVIRONMENT))
    ensure_database_groups.fn(make_rollout(ENVIRONMENT), network, ENGINE)
    fail_call(rollout, "rds", "DeleteDBParameterGroup", "InvalidDBParameterGroupState")
    destroy_database_groups.fn(rollout)
    assert [change.action for change in rollout.changes] == ["delete", "delete"]
    other = make_rollout(ENVIRONMENT)
    before_call(rollout, "rds", "CreateDBParameterGroup", lambda: ensure_database_groups.fn(other, network, ENGINE))
    ensure_database_groups.fn(rollout, network, ENGINE)
    destroy_database_groups.fn(rollout)
    assert observe_parameter_group(rollout) is None
