"""The function's IAM execution role, with the least that it can work with.

Trusted by Lambda of this account alone. One inline policy names the function's log group and the secrets it reads;
network interfaces come in only with a VPC, traces where they are on. Any other policy on the role would undo that, so
it is shown and removed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from blocks.environment import Environment
from tasks.changes import PENDING, Change, Rollout, adoption, deletion, tags_from
from tasks.errors import absent_as_none, unless_exists, when_seen, when_settled, when_visible
from tasks.steps import step

INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""What a function in a VPC needs (AWSLambdaVPCAccessExecutionRole without its log rights). AWS checks them on "*"."""

TRACES = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
"""What X-Ray's daemon beside the function needs (AWSXRayDaemonWriteAccess). AWS checks them on "*"."""


@dataclass(frozen=True)
class Role:
    """The execution role as the function is given it."""

    name: str
    arn: str


@dataclass(frozen=True)
class SeenRole:
    """The role as IAM has it. Documents are canonical JSON; `attached` holds the ARNs of managed policies."""

    arn: str
    tags: dict[str, str]
    trust: str
    inline: dict[str, str]
    attached: tuple[str, ...]


def trust_document(environment: Environment) -> dict[str, Any]:
    """Lambda may use the role, and only for functions of this account."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": environment.account_id}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy_document(environment: Environment, secret_arns: Iterable[str]) -> dict[str, Any]:
    """All that the function may do. `secret_arns` are whole ARNs, with the random suffix that AWS gave them."""
    group = f"arn:aws:logs:{environment.region}:{environment.account_id}:log-group:{environment.names.function_logs}"
    statements = [_allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{group}:*"])]
    if secrets := sorted(set(secret_arns)):
        statements.append(_allow("ReadSecrets", ["secretsmanager:GetSecretValue"], secrets))
    if environment.function.in_vpc:
        statements.append(_allow("UseVpc", list(INTERFACES), ["*"]))
    if environment.monitoring.tracing:
        statements.append(_allow("SendTraces", list(TRACES), ["*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def canonical(document: Any) -> str:
    """JSON that is equal when two policies mean the same: keys and lists sorted, a list of one written as the item."""
    return json.dumps(_normal(document), sort_keys=True, separators=(",", ":"))


def observe_role(rollout: Rollout, name: str) -> SeenRole | None:
    iam = rollout.aws("iam")
    answer = absent_as_none(lambda: iam.get_role(RoleName=name))
    if answer is None:
        return None
    role, inline = answer["Role"], {}
    for policy in _all(iam, "list_role_policies", "PolicyNames", name):
        inline[policy] = canonical(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    attached = tuple(
        policy["PolicyArn"] for policy in _all(iam, "list_attached_role_policies", "AttachedPolicies", name)
    )
    trust = canonical(role["AssumeRolePolicyDocument"])
    return SeenRole(role["Arn"], tags_from(role.get("Tags", [])), trust, inline, attached)


def plan_role(environment: Environment, secret_arns: Sequence[str], seen: SeenRole | None) -> list[Change]:
    """What gives the role our trust and exactly our one policy."""
    name, policy = environment.names.role, environment.names.policy
    resource, trust = f"role {name}", canonical(trust_document(environment))
    wanted = canonical(policy_document(environment, secret_arns))
    if seen is None:
        created = Change("create", resource, "trust", "", trust, "the function runs as it")
        return [created, Change("create", resource, f"policy {policy}", "", wanted)]
    changes = adoption(resource, environment, seen.tags)
    if seen.trust != trust:
        changes.append(Change("update", resource, "trust", seen.trust, trust, "only Lambda of this account"))
    if seen.inline.get(policy) != wanted:
        changes.append(Change("update", resource, f"policy {policy}", seen.inline.get(policy, ""), wanted))
    strays = sorted(set(seen.inline) - {policy}) + sorted(seen.attached)
    return changes + [Change("delete", resource, f"policy {stray}", stray, "", "least privilege") for stray in strays]


def apply_role(rollout: Rollout, secret_arns: Sequence[str], seen: SeenRole | None) -> Role:
    """Create the role or change what differs; nothing else is written."""
    iam, name, environment = rollout.aws("iam"), rollout.environment.names.role, rollout.environment
    if seen is None:
        trust = json.dumps(trust_document(environment))
        description = f"Runs {environment.names.function}"
        unless_exists(
            lambda: iam.create_role(
                RoleName=name, AssumeRolePolicyDocument=trust, Description=description, Tags=rollout.tag_list
            )
        )
        seen = when_seen(f"role {name}", lambda: observe_role(rollout, name))
        rollout.require_ours(f"role {name}", seen.tags)
    _settle_role(rollout, seen)
    _settle_policies(rollout, policy_document(environment, secret_arns), seen)
    return Role(name, seen.arn)


@step("Ensure execution role")
def ensure_role(rollout: Rollout, secret_arns: Sequence[str], *, keep_strays: bool = False) -> Role:
    """Have the function's role; `secret_arns` are the secrets that it may read, and no others. `keep_strays` leaves
    policies that are not ours: who only gives rights back takes none away."""
    name = rollout.environment.names.role
    seen = observe_role(rollout, name)
    if seen:
        rollout.require_ours(f"role {name}", seen.tags)
    if seen and keep_strays:
        seen = without_strays(seen, rollout.environment.names.policy)
    return rollout.converge(
        f"role {name}",
        plan_role(rollout.environment, secret_arns, seen),
        apply=lambda: apply_role(rollout, secret_arns, seen),
        planned=lambda: Role(name, seen.arn if seen else PENDING),
    )


def without_strays(seen: SeenRole, policy: str) -> SeenRole:
    """The role as if it had no policy but ours."""
    return replace(seen, inline={name: text for name, text in seen.inline.items() if name == policy}, attached=())


@step("Destroy execution role")
def destroy_role(rollout: Rollout) -> None:
    """Delete the role with its policies, if it is there and ours. The function goes first."""
    name = rollout.environment.names.role
    seen = observe_role(rollout, name)
    rollout.converge(
        f"absence of role {name}",
        deletion(rollout, f"role {name}", seen.tags if seen else None),
        apply=lambda: _delete_role(rollout, name, seen),
        planned=lambda: None,
    )


def _settle_role(rollout: Rollout, seen: SeenRole) -> None:
    """Our tags and our trust."""
    iam, name, trust = rollout.aws("iam"), rollout.environment.names.role, trust_document(rollout.environment)
    if not rollout.environment.owns(seen.tags):
        iam.tag_role(RoleName=name, Tags=rollout.tag_list)
    if seen.trust != canonical(trust):
        when_settled(lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust)))


def _settle_policies(rollout: Rollout, document: dict[str, Any], seen: SeenRole) -> None:
    """Our one inline policy first, then away with the others, so that a running function never lacks a right."""
    iam, name, policy = rollout.aws("iam"), rollout.environment.names.role, rollout.environment.names.policy
    if seen.inline.get(policy) != canonical(document):
        wanted = {"RoleName": name, "PolicyName": policy, "PolicyDocument": json.dumps(document)}
        when_settled(lambda: when_visible(lambda: iam.put_role_policy(**wanted)))
    _remove_policies(iam, name, inline=set(seen.inline) - {policy}, attached=seen.attached)


def _delete_role(rollout: Rollout, name: str, seen: SeenRole | None) -> None:
    iam = rollout.aws("iam")
    _remove_policies(iam, name, inline=seen.inline if seen else (), attached=seen.attached if seen else ())
    absent_as_none(lambda: when_settled(lambda: iam.delete_role(RoleName=name)))


def _remove_policies(iam: Any, name: str, *, inline: Iterable[str], attached: Iterable[str]) -> None:
    for policy in inline:
        absent_as_none(partial(iam.delete_role_policy, RoleName=name, PolicyName=policy))
    for arn in attached:
        absent_as_none(partial(iam.detach_role_policy, RoleName=name, PolicyArn=arn))


def _all(iam: Any, operation: str, key: str, role: str) -> list[Any]:
    """Every item of a paged list about the role."""
    return [item for page in iam.get_paginator(operation).paginate(RoleName=role) for item in page[key]]


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_normal(item) for item in value), key=json.dumps)
        return items[0] if len(items) == 1 else items
    return value
