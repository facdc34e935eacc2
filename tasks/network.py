"""The network: the default VPC, three security groups, and a door to Secrets Manager.

The database's port is open to the function's group and to the addresses that the environment names, and to the world
only when it says `database.open_to_world`, which is then a finding. What a group lets out stays AWS's default (all).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from blocks.environment import Environment
from tasks.changes import PENDING, Change, Rollout
from tasks.errors import Permanent, Rejected
from tasks.network_endpoint import (
    SeenEndpoint,
    Visitor,
    apply_endpoint,
    destroy_endpoint,
    observe_endpoint,
    plan_endpoint,
    plan_endpoint_away,
    wait_available,
)
from tasks.network_groups import (
    GroupSpec,
    Rule,
    SeenGroup,
    apply_groups,
    destroy_groups,
    observe_groups,
    plan_groups,
    plan_groups_away,
    tcp,
)
from tasks.steps import step

POSTGRES = 5432
HTTPS = 443
WORLD = "0.0.0.0/0"
WITHOUT_LAMBDA = frozenset({"use1-az3"})
"""Zones in which Lambda cannot place network interfaces (from experience; not checked against AWS)."""


@dataclass(frozen=True)
class Subnet:
    """A default subnet. `zone_id` is the zone's real name: `zone` letters differ between accounts."""

    id: str
    zone: str
    zone_id: str


@dataclass(frozen=True)
class Vpc:
    """The region's default VPC with its default subnets, one for each zone."""

    id: str
    cidr: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True)
class Network:
    """What the database and the function are placed in. Ids are PENDING in a plan that would make them."""

    vpc_id: str
    subnets: tuple[Subnet, ...]
    database_group_id: str
    function_group_id: str | None
    """None when the function is outside the VPC; so is `endpoint_id`."""
    endpoint_id: str | None

    @property
    def subnet_ids(self) -> tuple[str, ...]:
        return tuple(subnet.id for subnet in self.subnets)

    @property
    def function_subnet_ids(self) -> tuple[str, ...]:
        """The subnets that Lambda can use."""
        return tuple(subnet.id for subnet in self.subnets if subnet.zone_id not in WITHOUT_LAMBDA)


@dataclass(frozen=True)
class SeenNetwork:
    """What there is of the network."""

    vpc: Vpc
    groups: dict[str, SeenGroup]
    endpoint: SeenEndpoint | None


def group_specs(environment: Environment) -> tuple[GroupSpec, ...]:
    """The security groups of an environment. Raises Rejected with every range that cannot be used."""
    names, database = environment.names, environment.database
    sources = _ranges(database.ingress_cidrs) + ([WORLD] if database.open_to_world else [])
    if not environment.function.in_vpc:
        return (_spec(names.database_group, "Miyabi database", [tcp(POSTGRES, source) for source in sources]),)
    sources.append(names.function_group)
    return (
        _spec(names.function_group, "Miyabi API function", []),
        _spec(names.database_group, "Miyabi database", [tcp(POSTGRES, source) for source in sources]),
        _spec(names.endpoint_group, "Way to Secrets Manager", [tcp(HTTPS, names.function_group)]),
    )


def observe_vpc(rollout: Rollout) -> Vpc | None:
    ec2 = rollout.aws("ec2")
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        return None
    vpc = found[0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default-for-az", "Values": ["true"]}]
    pages = ec2.get_paginator("describe_subnets").paginate(Filters=filters)
    subnets = [
        Subnet(subnet["SubnetId"], subnet["AvailabilityZone"], subnet["AvailabilityZoneId"])
        for page in pages
        for subnet in page["Subnets"]
    ]
    return Vpc(vpc, found[0]["CidrBlock"], tuple(sorted(subnets, key=lambda subnet: subnet.zone)))


def check_vpc(vpc: Vpc | None, region: str) -> Vpc:
    """The VPC, if it can hold a database. Raises Permanent with the command that mends it."""
    if vpc is None:
        raise Permanent(f"region {region!r} has no default VPC; make one with `aws ec2 create-default-vpc`")
    zones = {subnet.zone for subnet in vpc.subnets}
    if len(zones) < 2:
        raise Permanent(
            f"default VPC {vpc.id} has default subnets in {len(zones)} zone(s) ({', '.join(sorted(zones)) or 'none'}) "
            "and RDS wants two; add one with `aws ec2 create-default-subnet --availability-zone ZONE`"
        )
    return vpc


def observe_network(rollout: Rollout, vpc: Vpc) -> SeenNetwork:
    names = rollout.environment.names
    groups = observe_groups(rollout, vpc.id, (names.database_group, names.function_group, names.endpoint_group))
    visits = rollout.environment.function.in_vpc or names.endpoint_group in groups
    endpoint = observe_endpoint(rollout, _visitor(rollout.environment, vpc, groups)) if visits else None
    return SeenNetwork(vpc, groups, endpoint)


def plan_network(environment: Environment, seen: SeenNetwork, *, adopt: bool = False) -> list[Change]:
    """What makes the groups and, for a function in the VPC, its way to Secrets Manager."""
    changes = plan_groups(environment, group_specs(environment), seen.groups)
    if environment.function.in_vpc:
        visitor = _visitor(environment, seen.vpc, seen.groups)
        changes += plan_endpoint(environment.names.secrets_endpoint, visitor, seen.endpoint, adopt=adopt)
    return changes


def apply_network(rollout: Rollout, seen: SeenNetwork) -> Network:
    environment, names = rollout.environment, rollout.environment.names
    ids = apply_groups(rollout, seen.vpc.id, group_specs(environment), seen.groups)
    endpoint = None
    if environment.function.in_vpc:
        visitor = Visitor(seen.vpc.id, seen.vpc.cidr, ids[names.function_group], ids[names.endpoint_group])
        by_zone = {subnet.zone: subnet.id for subnet in seen.vpc.subnets}
        endpoint = apply_endpoint(rollout, visitor, seen.endpoint, by_zone)
    return Network(seen.vpc.id, seen.vpc.subnets, ids[names.database_group], ids.get(names.function_group), endpoint)


@step("Ensure network")
def ensure_network(rollout: Rollout) -> Network:
    """Have the security groups with exactly their rules, and the endpoint if the function is in the VPC."""
    seen = observe_network(rollout, check_vpc(observe_vpc(rollout), rollout.environment.region))
    for group in seen.groups.values():
        rollout.require_ours(f"security group {group.name}", group.tags)
    _report_exposure(rollout)
    if seen.endpoint and seen.endpoint.state != "available" and not rollout.planning:
        wait_available(rollout, seen.endpoint.id)
    return rollout.converge(
        "network",
        plan_network(rollout.environment, seen, adopt=rollout.adopt),
        apply=lambda: apply_network(rollout, seen),
        planned=lambda: _planned(rollout.environment, seen),
    )


@step("Destroy network")
def destroy_network(rollout: Rollout) -> None:
    """Take our groups and the endpoint away; the database and the function go first. The VPC is not ours."""
    vpc = observe_vpc(rollout)
    if vpc is None:
        return
    seen = observe_network(rollout, vpc)
    visitor = _visitor(rollout.environment, vpc, seen.groups)
    endpoint = plan_endpoint_away(visitor, seen.endpoint)
    rollout.converge(
        "absence of the network",
        endpoint + plan_groups_away(rollout, seen.groups),
        apply=lambda: _destroy(rollout, seen, visitor if endpoint else None),
        planned=lambda: None,
    )


def _destroy(rollout: Rollout, seen: SeenNetwork, visitor: Visitor | None) -> None:
    if visitor and seen.endpoint:
        destroy_endpoint(rollout, visitor, seen.endpoint)
    destroy_groups(rollout, seen.groups)


def _planned(environment: Environment, seen: SeenNetwork) -> Network:
    """The network as it stands, with PENDING for what is not there yet."""
    names, inside = environment.names, environment.function.in_vpc
    database, function = _id(seen.groups, names.database_group), _id(seen.groups, names.function_group)
    endpoint = seen.endpoint.id if seen.endpoint else PENDING
    return Network(seen.vpc.id, seen.vpc.subnets, database, function if inside else None, endpoint if inside else None)


def _visitor(environment: Environment, vpc: Vpc, groups: dict[str, SeenGroup]) -> Visitor:
    names = environment.names
    return Visitor(vpc.id, vpc.cidr, _id(groups, names.function_group), _id(groups, names.endpoint_group))


def _id(groups: dict[str, SeenGroup], name: str) -> str:
    return groups[name].id if name in groups else PENDING


def _spec(name: str, description: str, rules: Sequence[Rule]) -> GroupSpec:
    return GroupSpec(name, description, frozenset(rules))


def _ranges(written: Sequence[str]) -> list[str]:
    """The address ranges as EC2 writes them: `10.0.0.7/8` is kept by AWS as `10.0.0.0/8`."""
    ranges, problems = [], []
    for text in written:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            problems.append(f"{text!r} is not an address range: {error}")
            continue
        if network.prefixlen == 0:
            problems.append(f"{text!r} is the whole world: say database.open_to_world = true if that is meant")
        ranges.append(str(network))
    if problems:
        raise Rejected("database.ingress_cidrs", problems)
    return ranges


def _report_exposure(rollout: Rollout) -> None:
    """Findings about who can, and who cannot, reach the database."""
    environment, name = rollout.environment, rollout.environment.names.database
    if environment.database.open_to_world:
        rollout.find(
            f"database {name}",
            f"port {POSTGRES} is open to the whole internet ({WORLD}), as database.open_to_world says: anyone may try "
            "passwords. Put the function in the VPC and name the workers' addresses in database.ingress_cidrs.",
        )
    elif not environment.function.in_vpc and not environment.database.ingress_cidrs:
        rollout.find(
            f"database {name}",
            "nothing may reach it: the function is outside the VPC and has no fixed address, and "
            "database.ingress_cidrs is empty. Set function.in_vpc = true.",
        )
