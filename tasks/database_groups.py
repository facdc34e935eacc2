"""What an instance is placed in and runs with: the subnet group over the zones, and the parameter group.

The parameter group says `rds.force_ssl=1` in so many words, though it is the default from PostgreSQL 15 on: the
connection is encrypted whatever a client asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from blocks.environment import Environment
from tasks.changes import Change, Rollout, adoption, deletion, tags_from
from tasks.database_engine import Engine
from tasks.errors import Permanent, absent_as_none, unless_exists, when_seen, when_settled, when_visible
from tasks.network import Network
from tasks.steps import step

PARAMETERS = {"rds.force_ssl": "1"}


@dataclass(frozen=True)
class SeenSubnetGroup:
    """A DB subnet group as RDS has it; `subnets` are ids."""

    arn: str
    vpc_id: str
    subnets: frozenset[str]
    tags: dict[str, str]


@dataclass(frozen=True)
class SeenParameterGroup:
    """A DB parameter group as RDS has it, with the values that somebody set."""

    arn: str
    family: str
    values: dict[str, str]
    tags: dict[str, str]


def observe_subnet_group(rollout: Rollout) -> SeenSubnetGroup | None:
    rds, name = rollout.aws("rds"), rollout.environment.names.subnet_group
    found = absent_as_none(lambda: rds.describe_db_subnet_groups(DBSubnetGroupName=name))
    if not found or not found["DBSubnetGroups"]:
        return None
    group = found["DBSubnetGroups"][0]
    subnets = frozenset(subnet["SubnetIdentifier"] for subnet in group["Subnets"])
    arn = group["DBSubnetGroupArn"]
    return SeenSubnetGroup(arn, group["VpcId"], subnets, _tags(rollout, arn))


def observe_parameter_group(rollout: Rollout) -> SeenParameterGroup | None:
    rds, name = rollout.aws("rds"), rollout.environment.names.parameter_group
    found = absent_as_none(lambda: rds.describe_db_parameter_groups(DBParameterGroupName=name))
    if not found or not found["DBParameterGroups"]:
        return None
    group, values = found["DBParameterGroups"][0], {}
    for page in rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=name, Source="user"):
        values.update({item["ParameterName"]: item.get("ParameterValue", "") for item in page["Parameters"]})
    arn = group["DBParameterGroupArn"]
    return SeenParameterGroup(arn, group["DBParameterGroupFamily"], values, _tags(rollout, arn))


def wanted_subnets(network: Network, engine: Engine) -> frozenset[str]:
    """The default subnets of the zones that offer the engine; all of them for a version that is not sold any more."""
    return frozenset(subnet.id for subnet in network.subnets if not engine.zones or subnet.zone in engine.zones)


def plan_subnet_group(
    environment: Environment, vpc_id: str, subnets: frozenset[str], seen: SeenSubnetGroup | None
) -> list[Change]:
    """What makes the group cover the subnets. It is never made smaller: an instance may stand in any of them."""
    resource = f"subnet group {environment.names.subnet_group}"
    if seen is None:
        return [Change("create", resource, "subnets", "", _listed(subnets), "the zones that offer the database")]
    if seen.vpc_id != vpc_id:
        raise Permanent(
            f"{resource} belongs to {seen.vpc_id}, the default VPC is {vpc_id}; a database cannot move between them. "
            "Give the environment another name, or destroy the database first."
        )
    changes = adoption(resource, environment, seen.tags)
    if subnets - seen.subnets:
        union = seen.subnets | subnets
        changes.append(Change("update", resource, "subnets", _listed(seen.subnets), _listed(union), "more zones"))
    return changes


def plan_parameter_group(environment: Environment, family: str, seen: SeenParameterGroup | None) -> list[Change]:
    """What sets our parameters. Others in the group are left as they are."""
    resource = f"parameter group {environment.names.parameter_group}"
    if seen is None:
        changes = [Change("create", resource, "family", "", family)]
    elif seen.family != family:
        raise Permanent(
            f"{resource} is of family {seen.family!r} and cannot become {family!r}; delete it, or go back to the "
            "engine version it was made for"
        )
    else:
        changes = adoption(resource, environment, seen.tags)
    values, why = seen.values if seen else {}, "every connection is encrypted; holds from the next restart on"
    return changes + [
        Change("update" if seen else "create", resource, name, values.get(name, ""), value, why)
        for name, value in PARAMETERS.items()
        if values.get(name) != value
    ]


def apply_subnet_group(rollout: Rollout, subnets: frozenset[str], seen: SeenSubnetGroup | None) -> None:
    rds, name = rollout.aws("rds"), rollout.environment.names.subnet_group
    if seen is None:
        wanted = {"DBSubnetGroupName": name, "SubnetIds": sorted(subnets), "Tags": rollout.tag_list}
        unless_exists(partial(rds.create_db_subnet_group, DBSubnetGroupDescription="Miyabi database", **wanted))
        seen = when_seen(f"subnet group {name}", lambda: observe_subnet_group(rollout))
        rollout.require_ours(f"subnet group {name}", seen.tags)
    _adopt(rollout, seen.arn, seen.tags)
    if subnets - seen.subnets:
        union = sorted(seen.subnets | subnets)
        when_settled(lambda: rds.modify_db_subnet_group(DBSubnetGroupName=name, SubnetIds=union))


def apply_parameter_group(rollout: Rollout, family: str, seen: SeenParameterGroup | None) -> None:
    rds, name = rollout.aws("rds"), rollout.environment.names.parameter_group
    if seen is None:
        wanted = {"DBParameterGroupName": name, "DBParameterGroupFamily": family, "Tags": rollout.tag_list}
        unless_exists(partial(rds.create_db_parameter_group, Description="Miyabi database", **wanted))
        seen = when_seen(f"parameter group {name}", lambda: observe_parameter_group(rollout))
        rollout.require_ours(f"parameter group {name}", seen.tags)
    _adopt(rollout, seen.arn, seen.tags)
    parameters = [
        {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
        for key, value in PARAMETERS.items()
        if seen.values.get(key) != value
    ]
    if parameters:
        modify = partial(rds.modify_db_parameter_group, DBParameterGroupName=name, Parameters=parameters)
        when_settled(lambda: when_visible(modify))


@step("Ensure database groups")
def ensure_database_groups(rollout: Rollout, network: Network, engine: Engine) -> None:
    """Have the subnet group and the parameter group that the instance is made with."""
    environment, names = rollout.environment, rollout.environment.names
    subnets = wanted_subnets(network, engine)
    group, parameters = observe_subnet_group(rollout), observe_parameter_group(rollout)
    if group:
        rollout.require_ours(f"subnet group {names.subnet_group}", group.tags)
    if parameters:
        rollout.require_ours(f"parameter group {names.parameter_group}", parameters.tags)
    rollout.converge(
        f"subnet group {names.subnet_group}",
        plan_subnet_group(environment, network.vpc_id, subnets, group),
        apply=lambda: apply_subnet_group(rollout, subnets, group),
        planned=lambda: None,
    )
    rollout.converge(
        f"parameter group {names.parameter_group}",
        plan_parameter_group(environment, engine.family, parameters),
        apply=lambda: apply_parameter_group(rollout, engine.family, parameters),
        planned=lambda: None,
    )


@step("Destroy database groups")
def destroy_database_groups(rollout: Rollout) -> None:
    """Delete both groups if they are there and ours, once the instance is gone."""
    rds, names = rollout.aws("rds"), rollout.environment.names
    group, parameters = observe_subnet_group(rollout), observe_parameter_group(rollout)
    _destroy(
        rollout,
        f"subnet group {names.subnet_group}",
        group.tags if group else None,
        partial(rds.delete_db_subnet_group, DBSubnetGroupName=names.subnet_group),
    )
    _destroy(
        rollout,
        f"parameter group {names.parameter_group}",
        parameters.tags if parameters else None,
        partial(rds.delete_db_parameter_group, DBParameterGroupName=names.parameter_group),
    )


def _destroy(rollout: Rollout, resource: str, tags: dict[str, str] | None, delete: Callable[[], object]) -> None:
    rollout.converge(
        f"absence of {resource}",
        deletion(rollout, resource, tags),
        apply=lambda: absent_as_none(lambda: when_settled(delete)),
        planned=lambda: None,
    )


def _adopt(rollout: Rollout, arn: str, tags: dict[str, str]) -> None:
    if not rollout.environment.owns(tags):
        rollout.aws("rds").add_tags_to_resource(ResourceName=arn, Tags=rollout.tag_list)


def _tags(rollout: Rollout, arn: str) -> dict[str, str]:
    listed = absent_as_none(lambda: rollout.aws("rds").list_tags_for_resource(ResourceName=arn))
    return tags_from(listed["TagList"]) if listed else {}


def _listed(subnets: frozenset[str]) -> str:
    return ", ".join(sorted(subnets))
