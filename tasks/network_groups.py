"""Security groups: who may reach what, by which port.

The mechanism only; `tasks/network.py` says which groups there are. A rule's source is an address range, or a group's
name where the group is one of ours. Rules that nobody asked for are taken out, since a hole left open by hand is how
the mission's database came to face the internet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from blocks.environment import Environment
from tasks.changes import Change, Rollout, adoption, deletion, tags_from
from tasks.errors import absent_as_none, unless_exists, when_seen, when_settled, when_visible

PATIENCE = 30 * 60.0
"""Seconds until a group that is in use must be free: Lambda gives its interfaces back within 20 minutes or so."""


@dataclass(frozen=True, order=True)
class Rule:
    """Lets `source` in: an address range, a prefix list, or a group by name (by id where it is not ours)."""

    protocol: str
    first: int
    last: int
    source: str

    def __str__(self) -> str:
        if self.protocol == "-1":
            return f"everything from {self.source}"
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {ports} from {self.source}"


@dataclass(frozen=True)
class GroupSpec:
    """A security group as it should be."""

    name: str
    description: str
    rules: frozenset[Rule]


@dataclass(frozen=True)
class SeenGroup:
    """A security group as EC2 has it."""

    id: str
    name: str
    tags: dict[str, str]
    rules: frozenset[Rule]


def tcp(port: int, source: str) -> Rule:
    return Rule("tcp", port, port, source)


def observe_groups(rollout: Rollout, vpc_id: str, names: Sequence[str]) -> dict[str, SeenGroup]:
    """Those of the named groups that exist in the VPC, by name."""
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": list(names)}]
    pages = rollout.aws("ec2").get_paginator("describe_security_groups").paginate(Filters=filters)
    found = [group for page in pages for group in page["SecurityGroups"]]
    known = {group["GroupId"]: group["GroupName"] for group in found}
    return {
        group["GroupName"]: SeenGroup(
            group["GroupId"],
            group["GroupName"],
            tags_from(group.get("Tags", [])),
            frozenset(rule for permission in group["IpPermissions"] for rule in rules_in(permission, known)),
        )
        for group in found
    }


def plan_groups(environment: Environment, specs: Sequence[GroupSpec], seen: Mapping[str, SeenGroup]) -> list[Change]:
    """What makes the groups exist with exactly their rules."""
    return [change for spec in specs for change in _plan_group(environment, spec, seen.get(spec.name))]


def apply_groups(
    rollout: Rollout, vpc_id: str, specs: Sequence[GroupSpec], seen: Mapping[str, SeenGroup]
) -> dict[str, str]:
    """Make the groups, then their rules, since a rule may name another group. Gives ids by name."""
    names = [spec.name for spec in specs]
    if missing := [spec for spec in specs if spec.name not in seen]:
        for spec in missing:
            _create_group(rollout, vpc_id, spec)
        seen = when_seen("security groups", lambda: _all_of(names, observe_groups(rollout, vpc_id, names)))
        for group in seen.values():
            rollout.require_ours(f"security group {group.name}", group.tags)
    ids = {name: seen[name].id for name in names}
    for spec in specs:
        _settle_group(rollout, spec, seen[spec.name], ids)
    return ids


def plan_groups_away(rollout: Rollout, seen: Mapping[str, SeenGroup]) -> list[Change]:
    return [change for group in seen.values() for change in deletion(rollout, _resource(group.name), group.tags)]


def destroy_groups(rollout: Rollout, seen: Mapping[str, SeenGroup]) -> None:
    """Delete those of the groups that are ours.

    Their rules go first, since a group that a rule names cannot be deleted. Lambda gives its network interfaces back
    only some minutes after the function is gone; until then EC2 answers DependencyViolation, which is waited for.
    """
    ec2 = rollout.aws("ec2")
    ours = [group for group in seen.values() if rollout.environment.owns(group.tags)]
    ids = {group.name: group.id for group in seen.values()}
    for group in ours:
        _revoke(ec2, group, group.rules, ids)
    for group in ours:
        delete = partial(ec2.delete_security_group, GroupId=group.id)
        absent_as_none(partial(when_settled, delete, patience=PATIENCE))


def rules_in(permission: Mapping[str, Any], known: Mapping[str, str]) -> list[Rule]:
    """One rule per source of what EC2 calls an IP permission. `known` names groups by id."""
    sources = [item["CidrIp"] for item in permission.get("IpRanges", [])]
    sources += [item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])]
    sources += [item["PrefixListId"] for item in permission.get("PrefixListIds", [])]
    pairs = [item["GroupId"] for item in permission.get("UserIdGroupPairs", [])]
    sources += [known.get(group, group) for group in pairs]
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    return [Rule(permission["IpProtocol"], first, last, source) for source in sources]


def permission_for(rule: Rule, ids: Mapping[str, str]) -> dict[str, Any]:
    """The rule as EC2 wants it; the reverse of `rules_in`."""
    ports = {} if rule.protocol == "-1" else {"FromPort": rule.first, "ToPort": rule.last}
    source = ids.get(rule.source, rule.source)
    if source.startswith("sg-"):
        origin: dict[str, Any] = {"UserIdGroupPairs": [{"GroupId": source}]}
    elif source.startswith("pl-"):
        origin = {"PrefixListIds": [{"PrefixListId": source}]}
    elif ":" in source:
        origin = {"Ipv6Ranges": [{"CidrIpv6": source}]}
    else:
        origin = {"IpRanges": [{"CidrIp": source}]}
    return {"IpProtocol": rule.protocol, **ports, **origin}


def _plan_group(environment: Environment, spec: GroupSpec, seen: SeenGroup | None) -> list[Change]:
    resource = _resource(spec.name)
    changes = [Change("create", resource, why=spec.description)] if seen is None else []
    if seen:
        changes += adoption(resource, environment, seen.tags)
    rules = seen.rules if seen else frozenset()
    changes += [Change("create", resource, "ingress", "", str(rule)) for rule in sorted(spec.rules - rules)]
    stray = "not in the environment"
    return changes + [Change("delete", resource, "ingress", str(r), "", stray) for r in sorted(rules - spec.rules)]


def _create_group(rollout: Rollout, vpc_id: str, spec: GroupSpec) -> None:
    tags = [*rollout.tag_list, {"Key": "Name", "Value": spec.name}]
    unless_exists(
        lambda: rollout.aws("ec2").create_security_group(
            GroupName=spec.name,
            Description=spec.description,
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        )
    )


def _settle_group(rollout: Rollout, spec: GroupSpec, seen: SeenGroup, ids: Mapping[str, str]) -> None:
    """New rules before stray ones go: nobody who may connect is shut out in between."""
    ec2 = rollout.aws("ec2")
    if not rollout.environment.owns(seen.tags):
        ec2.create_tags(Resources=[seen.id], Tags=rollout.tag_list)
    for rule in sorted(spec.rules - seen.rules):
        wanted = {"GroupId": seen.id, "IpPermissions": [permission_for(rule, ids)]}
        unless_exists(partial(when_visible, partial(ec2.authorize_security_group_ingress, **wanted)))
    _revoke(ec2, seen, seen.rules - spec.rules, ids)


def _revoke(ec2: Any, group: SeenGroup, rules: frozenset[Rule], ids: Mapping[str, str]) -> None:
    """One call for each rule, since EC2 refuses a whole call for one rule that another run was faster with."""
    for rule in sorted(rules):
        permissions = [permission_for(rule, ids)]
        absent_as_none(partial(ec2.revoke_security_group_ingress, GroupId=group.id, IpPermissions=permissions))


def _all_of(names: Sequence[str], seen: dict[str, SeenGroup]) -> dict[str, SeenGroup] | None:
    return seen if all(name in seen for name in names) else None


def _resource(name: str) -> str:
    return f"security group {name}"
