"""The VPC's door to Secrets Manager, for a function that has no way to the internet.

An interface endpoint with private DNS can exist once in a VPC, so environments that share a VPC share it: each brings
its own security group, which lets its own function in, and the last one to leave deletes the endpoint. One that
somebody else made is used when it lets the function in already; otherwise it is left alone unless adopted.
"""

import ipaddress
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.environment import MANAGED_BY
from tasks.changes import Change, Rollout, tags_from
from tasks.errors import NotOurs, Permanent, absent_as_none, when_settled, when_visible
from tasks.network_groups import Rule, rules_in
from tasks.waiting import wait_until

logger = logging.getLogger(__name__)

ZONES = 2
"""Zones that the endpoint stands in. One serves the whole VPC; the second is for when a zone fails. Each costs about
$7 a month (us-east-1, 2026), which is why it is not all of them."""
PATIENCE = 900.0


@dataclass(frozen=True)
class Visitor:
    """Who wants to use the endpoint: a function's group, and the group that the endpoint lets it in by."""

    vpc_id: str
    vpc_cidr: str
    function_group: str
    endpoint_group: str


@dataclass(frozen=True)
class SeenEndpoint:
    """The VPC's endpoint for Secrets Manager with private DNS, whoever made it."""

    id: str
    state: str
    managed: bool
    """Made by miyabi-pipelines, for this environment or for another one in the VPC."""
    groups: tuple[str, ...]
    guests: tuple[str, ...]
    """Those of the groups that belong to other environments of ours."""
    admits: bool
    """The function gets in by the groups as they are."""


def service_name(rollout: Rollout) -> str:
    return f"com.amazonaws.{rollout.environment.region}.secretsmanager"


def observe_endpoint(rollout: Rollout, visitor: Visitor) -> SeenEndpoint | None:
    ec2 = rollout.aws("ec2")
    found = next(iter(_living(rollout, visitor.vpc_id)), None)
    if found is None:
        return None
    ids = tuple(group["GroupId"] for group in found.get("Groups", []))
    groups = ec2.describe_security_groups(GroupIds=list(ids))["SecurityGroups"] if ids else []
    rules = [rule for group in groups for permission in group["IpPermissions"] for rule in rules_in(permission, {})]
    ours = [group["GroupId"] for group in groups if _managed(group)]
    return SeenEndpoint(
        found["VpcEndpointId"],
        str(found["State"]).lower(),
        _managed(found),
        ids,
        tuple(group for group in ours if group != visitor.endpoint_group),
        any(_lets_in(rule, visitor) for rule in rules),
    )


def plan_endpoint(name: str, visitor: Visitor, seen: SeenEndpoint | None, *, adopt: bool = False) -> list[Change]:
    """What gives the function its way to Secrets Manager. Raises NotOurs for a closed door of somebody else."""
    if seen is None:
        why = f"the only way from a VPC to the function's secrets; about $7 a month in each of {ZONES} zones"
        return [Change("create", f"VPC endpoint {name}", "private DNS", "", "secretsmanager", why)]
    if visitor.endpoint_group in seen.groups:
        return []
    if not seen.managed and seen.admits:
        logger.info("VPC endpoint %s was made by someone else and lets the function in: it is used as it is", seen.id)
        return []
    if not seen.managed and not adopt:
        raise NotOurs(
            f"VPC endpoint {seen.id} for Secrets Manager exists in {visitor.vpc_id}, was not made by miyabi-pipelines "
            f"and lets the function's group {visitor.function_group} not in. A VPC has one such endpoint: allow TCP "
            "443 from that group in its security groups, or run again with adopt=true to attach a group of ours."
        )
    after = ", ".join((*seen.groups, visitor.endpoint_group))
    why = "the VPC has this endpoint once, and its environments share it"
    return [Change("update", f"VPC endpoint {seen.id}", "security groups", ", ".join(seen.groups), after, why)]


def apply_endpoint(rollout: Rollout, visitor: Visitor, seen: SeenEndpoint | None, subnets: Mapping[str, str]) -> str:
    """Make the endpoint, or attach our group to the one there is; wait until it can be used. Gives its id.

    `subnets` are subnet ids by zone.
    """
    if seen is None:
        endpoint = _create_endpoint(rollout, visitor, subnets)
    else:
        endpoint = seen.id
        if visitor.endpoint_group not in seen.groups and (seen.managed or not seen.admits):
            _modify(rollout, endpoint, AddSecurityGroupIds=[visitor.endpoint_group])
    return wait_available(rollout, endpoint)


def plan_endpoint_away(visitor: Visitor, seen: SeenEndpoint | None) -> list[Change]:
    """The last environment deletes the endpoint, the others only take their group away."""
    if seen is None or visitor.endpoint_group not in seen.groups:
        return []
    if seen.managed and not seen.guests:
        return [Change("delete", f"VPC endpoint {seen.id}")]
    after = ", ".join(group for group in seen.groups if group != visitor.endpoint_group)
    why = "others still use it"
    return [Change("update", f"VPC endpoint {seen.id}", "security groups", ", ".join(seen.groups), after, why)]


def destroy_endpoint(rollout: Rollout, visitor: Visitor, seen: SeenEndpoint) -> None:
    ec2 = rollout.aws("ec2")
    if seen.guests or not seen.managed:
        _modify(rollout, seen.id, RemoveSecurityGroupIds=[visitor.endpoint_group])
        return
    answer = absent_as_none(lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[seen.id])) or {}
    if refused := answer.get("Unsuccessful"):
        raise Permanent(f"VPC endpoint {seen.id} could not be deleted: {refused[0]['Error']['Message']}")
    wait_until(f"the end of VPC endpoint {seen.id}", lambda: _gone(rollout, visitor.vpc_id, seen.id), patience=PATIENCE)


def _living(rollout: Rollout, vpc_id: str) -> list[Any]:
    """The VPC's endpoints for Secrets Manager that hold its private DNS name, ours first."""
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "service-name", "Values": [service_name(rollout)]}]
    pages = rollout.aws("ec2").get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
    gone = {"deleting", "deleted", "failed", "rejected", "expired"}
    alive = [
        endpoint
        for page in pages
        for endpoint in page["VpcEndpoints"]
        if endpoint.get("PrivateDnsEnabled") and str(endpoint["State"]).lower() not in gone
    ]
    return sorted(alive, key=lambda endpoint: not _managed(endpoint))


def _lets_in(rule: Rule, visitor: Visitor) -> bool:
    """True when the rule opens 443 to the function's group or to a range that has the whole VPC in it."""
    if rule.protocol not in {"tcp", "-1"} or (rule.protocol == "tcp" and not rule.first <= 443 <= rule.last):
        return False
    if rule.source == visitor.function_group:
        return True
    try:
        source, vpc = ipaddress.ip_network(rule.source), ipaddress.ip_network(visitor.vpc_cidr)
    except ValueError:
        return False
    return (
        isinstance(source, ipaddress.IPv4Network) and isinstance(vpc, ipaddress.IPv4Network) and vpc.subnet_of(source)
    )


def _create_endpoint(rollout: Rollout, visitor: Visitor, subnets: Mapping[str, str]) -> str:
    """The token is the same for every attempt of a release, so a request that is sent twice makes one endpoint."""
    ec2, name = rollout.aws("ec2"), rollout.environment.names.secrets_endpoint
    offered = ec2.describe_vpc_endpoint_services(ServiceNames=[service_name(rollout)])["ServiceDetails"][0]
    zones = sorted(set(subnets) & set(offered["AvailabilityZones"]))[:ZONES]
    token = uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {visitor.endpoint_group} {rollout.release}")
    tags = [*rollout.tag_list, {"Key": "Name", "Value": name}]
    answer = when_visible(
        lambda: ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=visitor.vpc_id,
            ServiceName=service_name(rollout),
            SubnetIds=[subnets[zone] for zone in zones],
            SecurityGroupIds=[visitor.endpoint_group],
            PrivateDnsEnabled=True,
            ClientToken=str(token),
            TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": tags}],
        )
    )
    return str(answer["VpcEndpoint"]["VpcEndpointId"])


def wait_available(rollout: Rollout, endpoint: str) -> str:
    """Wait until the endpoint can be used; gives its id again."""

    def poll() -> tuple[str, str | None]:
        described = absent_as_none(lambda: rollout.aws("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint]))
        state = str(described["VpcEndpoints"][0]["State"]).lower() if described else "not seen yet"
        return state, endpoint if state == "available" else None

    failed = frozenset({"failed", "rejected", "expired", "deleted"})
    return wait_until(f"VPC endpoint {endpoint}", poll, patience=PATIENCE, expected=90, failed=failed)


def _gone(rollout: Rollout, vpc_id: str, endpoint: str) -> tuple[str, bool | None]:
    described = absent_as_none(lambda: rollout.aws("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint]))
    states = [str(item["State"]).lower() for item in described["VpcEndpoints"]] if described else []
    return (states[0], None) if states and states[0] != "deleted" else ("gone", True)


def _modify(rollout: Rollout, endpoint: str, **groups: Sequence[str]) -> None:
    ec2 = rollout.aws("ec2")
    when_settled(lambda: ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, **groups))


def _managed(resource: Mapping[str, Any]) -> bool:
    return tags_from(resource.get("Tags", [])).get("ManagedBy") == MANAGED_BY
