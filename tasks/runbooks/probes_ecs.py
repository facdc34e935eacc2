"""ECS: services that lack tasks, why tasks stopped, and whether what their definitions name is there."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.errors import absent_as_none, error_code
from tasks.runbooks.elsewhere import asked
from tasks.runbooks.facts import RunbookFacts
from tasks.runbooks.facts_elsewhere import DefinitionsSeen, Service, ServicesSeen, Stopped, StoppedSeen

PER_CALL, MOST_STOPPED, EVENTS = 10, 100, 5
IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


def see_services(look: Look, facts: Facts) -> ServicesSeen:
    """Every service, or those of the cluster (or `cluster/service`) that is named."""
    ecs = look.rollout.aws("ecs")
    cluster, _, service = look.target.partition("/")
    clusters = [cluster] if cluster else asked("ECS", lambda: listed(ecs, "list_clusters", "clusterArns"))
    found = asked("ECS", lambda: [one for name in clusters for one in services_of(ecs, name)])
    found = [one for one in found if service in ("", one.name)]
    if not found:
        raise NothingToAsk(f"no such resource here: there is no ECS service{f' in {look.target}' if cluster else ''}")
    return ServicesSeen(tuple(found))


def listed(client: Any, operation: str, key: str, **arguments: Any) -> list[str]:
    return [str(one) for page in client.get_paginator(operation).paginate(**arguments) for one in page[key]]


def services_of(ecs: Any, cluster: str) -> Iterator[Service]:
    """Nothing where there is no such cluster."""
    try:
        names = listed(ecs, "list_services", "serviceArns", cluster=cluster)
    except ecs.exceptions.ClusterNotFoundException:
        return
    for part in chunks(names):
        for one in ecs.describe_services(cluster=cluster, services=part)["services"]:
            yield Service(
                cluster=cluster.rpartition("/")[2],
                name=one["serviceName"],
                desired=one["desiredCount"],
                running=one["runningCount"],
                pending=one["pendingCount"],
                definition=one["taskDefinition"],
                events=tuple(event["message"] for event in one.get("events", [])[:EVENTS]),
            )


def chunks(names: list[str], size: int = PER_CALL) -> Iterable[list[str]]:
    return (names[at : at + size] for at in range(0, len(names), size))


def see_stopped(look: Look, facts: Facts) -> StoppedSeen:
    """Tasks that stopped, the last first, with what ECS and their containers said."""
    ecs, found = look.rollout.aws("ecs"), list[Any]()
    services = services_in(facts)
    for cluster in dict.fromkeys(one.cluster for one in services):
        names = listed(ecs, "list_tasks", "taskArns", cluster=cluster, desiredStatus="STOPPED")[:MOST_STOPPED]
        for part in chunks(names, 100):
            found += ecs.describe_tasks(cluster=cluster, tasks=part)["tasks"]
    wanted = {f"service:{one.name}" for one in services}
    mine = [one for one in found if str(one.get("group", "")) in wanted]
    mine.sort(key=lambda one: str(one.get("stoppedAt", "")), reverse=True)
    return StoppedSeen(tuple(stopped(one) for one in mine))


def stopped(task: dict[str, Any]) -> Stopped:
    containers = task.get("containers", [])
    reasons = [task.get("stoppedReason"), *(one.get("reason") for one in containers)]
    codes = tuple(one["exitCode"] for one in containers if one.get("exitCode") is not None)
    return Stopped(task["taskArn"].rpartition("/")[2], str(task.get("group", "")), tuple(filter(None, reasons)), codes)


def services_in(facts: Facts) -> tuple[Service, ...]:
    assert isinstance(facts, RunbookFacts)
    if facts.services is None:
        raise NothingToAsk("no service is known")
    return facts.services.services


def see_definitions(look: Look, facts: Facts) -> DefinitionsSeen:
    """Whether the images, roles and log groups of the definitions exist."""
    arns = list(dict.fromkeys(one.definition for one in services_in(facts)))
    ecs = look.rollout.aws("ecs")
    found = [ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in arns]
    containers = [one for definition in found for one in definition["containerDefinitions"]]
    roles = {str(one.get(key)) for one in found for key in ("executionRoleArn", "taskRoleArn") if one.get(key)}
    groups = {(one.get("logConfiguration") or {}).get("options", {}).get("awslogs-group") for one in containers}
    return DefinitionsSeen(
        definitions=len(found),
        images=troubles({one["image"] for one in containers}, lambda image: image_trouble(look, image)),
        roles=troubles(roles, lambda role: role_trouble(look, role)),
        groups=troubles({group for group in groups if group}, lambda group: group_trouble(look, group)),
    )


def troubles(names: Iterable[str], why: Any) -> dict[str, str]:
    return {name: trouble for name in sorted(names) if (trouble := why(name))}


def image_trouble(look: Look, image: str) -> str:
    """Why ECR cannot give it; '' if it can, or if it is no image of this account's ECR."""
    part = IMAGE.fullmatch(image)
    if part is None or part["account"] != look.rollout.aws.account_id or part["region"] != look.rollout.aws.region:
        return ""
    wanted = {"imageDigest": part["digest"]} if part["digest"] else {"imageTag": part["tag"] or "latest"}
    try:
        look.rollout.aws("ecr").describe_images(repositoryName=part["name"], imageIds=[wanted])
    except ClientError as error:
        if error_code(error) == "RepositoryNotFoundException":
            return f"there is no repository {part['name']!r}"
        if error_code(error) == "ImageNotFoundException":
            return f"the repository has no image {next(iter(wanted.values()))!r}"
        raise
    return ""


def role_trouble(look: Look, arn: str) -> str:
    name = arn.rpartition("/")[2]
    return "" if absent_as_none(lambda: look.rollout.aws("iam").get_role(RoleName=name)) else "there is no such role"


def group_trouble(look: Look, name: str) -> str:
    answer = look.rollout.aws("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return "" if any(one["logGroupName"] == name for one in answer) else "there is no such log group"
