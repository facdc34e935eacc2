"""CloudWatch log groups: the function's and the API's access log.

A group is made before whatever writes to it: Lambda would make one that never expires. Nothing is encrypted with a
key of ours, since CloudWatch encrypts by itself.
"""

import logging
from dataclasses import dataclass
from typing import Any

from blocks.environment import Environment
from tasks.changes import PENDING, Change, Rollout, adoption, deletion, differences
from tasks.errors import Rejected, absent_as_none, unless_exists, when_seen, when_visible
from tasks.steps import step

logger = logging.getLogger(__name__)

RETENTIONS = frozenset({
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
})  # fmt: skip
"""The days that PutRetentionPolicy accepts (its API reference); any other number is refused by AWS."""


@dataclass(frozen=True)
class LogGroup:
    """A log group. The ARN is without the `:*` that IAM policies add for its streams."""

    name: str
    arn: str


@dataclass(frozen=True)
class SeenLogGroup:
    """A log group as AWS has it. `retention_days` is None for "never expires"."""

    arn: str
    retention_days: int | None
    tags: dict[str, str]


def observe_log_group(rollout: Rollout, name: str) -> SeenLogGroup | None:
    logs = rollout.aws("logs")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    found = next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)
    if found is None:
        return None
    arn = str(found["arn"]).removesuffix(":*")
    listed: dict[str, Any] | None = absent_as_none(lambda: logs.list_tags_for_resource(resourceArn=arn))
    return SeenLogGroup(arn, found.get("retentionInDays"), listed["tags"] if listed else {})


def plan_log_group(environment: Environment, name: str, seen: SeenLogGroup | None) -> list[Change]:
    """What makes the group ours and keep its events long enough. Raises Rejected for days that AWS does not take."""
    days, resource = environment.log_retention_days, f"log group {name}"
    if days not in RETENTIONS:
        raise Rejected("log_retention_days", [f"{days} is not one of {', '.join(map(str, sorted(RETENTIONS)))}"])
    if seen is None:
        return [Change("create", resource, "retention", "", f"{days} days")]
    wanted, actual = {"retention": f"{days} days"}, {"retention": _days(seen.retention_days)}
    return adoption(resource, environment, seen.tags) + differences(resource, wanted, actual)


def apply_log_group(rollout: Rollout, name: str, seen: SeenLogGroup | None) -> LogGroup:
    logs, days = rollout.aws("logs"), rollout.environment.log_retention_days
    if seen is None:
        unless_exists(lambda: logs.create_log_group(logGroupName=name, tags=rollout.tags))
        seen = when_seen(f"log group {name}", lambda: observe_log_group(rollout, name))
        rollout.require_ours(f"log group {name}", seen.tags)
    if not rollout.environment.owns(seen.tags):
        logs.tag_resource(resourceArn=seen.arn, tags=rollout.tags)
    if seen.retention_days != days:
        when_visible(lambda: logs.put_retention_policy(logGroupName=name, retentionInDays=days))
    return LogGroup(name, seen.arn)


@step("Ensure log group", run_name="Ensure log group {name}")
def ensure_log_group(rollout: Rollout, name: str) -> LogGroup:
    """Have the log group with the environment's retention, before anything writes to it."""
    seen = observe_log_group(rollout, name)
    if seen:
        rollout.require_ours(f"log group {name}", seen.tags)
    return rollout.converge(
        f"log group {name}",
        plan_log_group(rollout.environment, name, seen),
        apply=lambda: apply_log_group(rollout, name, seen),
        planned=lambda: LogGroup(name, seen.arn if seen else PENDING),
    )


@step("Destroy log group", run_name="Destroy log group {name}")
def destroy_log_group(rollout: Rollout, name: str) -> None:
    """Delete the group with all that is in it, if it is there and ours."""
    seen = observe_log_group(rollout, name)
    rollout.converge(
        f"absence of log group {name}",
        deletion(rollout, f"log group {name}", seen.tags if seen else None),
        apply=lambda: absent_as_none(lambda: rollout.aws("logs").delete_log_group(logGroupName=name)),
        planned=lambda: None,
    )


def _days(days: int | None) -> str:
    return "never expires" if days is None else f"{days} days"
