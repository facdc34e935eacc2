"""The right of API Gateway to invoke the alias: the one whose absence gives HTTP 500 and an empty log group.

It stands in the resource policy of the alias, not of the function, and names exactly one API. What the policy says is
read and compared; a statement that is missing, tampered with, or left from an earlier API is put right.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import Change, Rollout
from tasks.errors import absent_as_none, error_code, when_settled
from tasks.steps import step

GATEWAY = "apigateway.amazonaws.com"


@dataclass(frozen=True)
class Permission:
    """Who may invoke what."""

    alias_arn: str
    api_id: str
    source_arn: str
    """`arn:aws:execute-api:REGION:ACCOUNT:API/*/*`: any stage and route of one API."""

    def is_given_by(self, statement: Mapping[str, Any]) -> bool:
        """True if this statement of a policy gives exactly this permission."""
        condition = statement.get("Condition") or {}
        sources = [like.get("AWS:SourceArn") for like in condition.values() if isinstance(like, Mapping)]
        return (
            statement.get("Effect") == "Allow"
            and statement.get("Action") == "lambda:InvokeFunction"
            and statement.get("Resource") == self.alias_arn
            and sources == [self.source_arn]
        )


@step("Ensure the permission to invoke")
def ensure_permission(rollout: Rollout, api_id: str) -> None:
    """Let the API invoke the alias, and change nothing else; a release does it together with the API."""
    names = rollout.environment.names
    alias_arn = rollout.aws.arn("lambda", f"function:{names.function}:{names.alias}")
    wanted = Permission(alias_arn, api_id, rollout.aws.arn("execute-api", f"{api_id}/*/*"))
    seen = observe_statements(rollout)
    rollout.converge(
        f"permission of API {names.api}",
        plan_permission(f"API {names.api}", wanted, seen),
        apply=lambda: apply_permission(rollout, wanted, seen),
        planned=lambda: None,
    )


def statement_id(api_id: str) -> str:
    """The same for the same API, so that giving the permission twice is one statement."""
    return f"apigateway-{api_id}"


def observe_statements(rollout: Rollout) -> tuple[Mapping[str, Any], ...]:
    """The statements about API Gateway in the alias's policy."""
    return by_gateway(observe_policy(rollout))[0]


def by_gateway(policy: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """The statements about API Gateway, and the others."""
    ours, others = filter(is_gateways, policy), (entry for entry in policy if not is_gateways(entry))
    return tuple(ours), tuple(others)


def is_gateways(statement: Mapping[str, Any]) -> bool:
    """True for one about API Gateway; a principal may be a service, an account, or `*` for everybody."""
    principal = statement.get("Principal")
    return isinstance(principal, Mapping) and principal.get("Service") == GATEWAY


def observe_policy(rollout: Rollout) -> tuple[Mapping[str, Any], ...]:
    """All statements of the alias's policy. No alias or no policy: none."""
    names = rollout.environment.names
    answer = absent_as_none(
        lambda: rollout.aws("lambda").get_policy(FunctionName=names.function, Qualifier=names.alias)
    )
    return tuple(json.loads(answer["Policy"])["Statement"]) if answer else ()


def stale_ids(wanted: Permission, seen: Sequence[Mapping[str, Any]]) -> list[str]:
    """Statements to take away: those that give another permission, and a second of the right one."""
    right = [entry for entry in seen if wanted.is_given_by(entry)]
    return [str(entry["Sid"]) for entry in seen if entry not in right] + [str(entry["Sid"]) for entry in right[1:]]


def plan_permission(api: str, wanted: Permission, seen: Sequence[Mapping[str, Any]]) -> list[Change]:
    subject = f"permission of {api} to invoke"
    changes = [Change("delete", subject, "statement", sid, "", "not this API's") for sid in stale_ids(wanted, seen)]
    if not any(wanted.is_given_by(entry) for entry in seen):
        why = "without it every request is HTTP 500 and nothing is logged"
        changes.append(Change("create", subject, "source", "", wanted.source_arn, why))
    return changes


def apply_permission(rollout: Rollout, wanted: Permission, seen: Sequence[Mapping[str, Any]]) -> None:
    """Take away what is wrong first: it may have the statement id that is about to be used."""
    client, names = rollout.aws("lambda"), rollout.environment.names
    for sid in stale_ids(wanted, seen):
        remove_statement(rollout, sid)
    if any(wanted.is_given_by(entry) for entry in seen):
        return
    try:
        client.add_permission(
            FunctionName=names.function,
            Qualifier=names.alias,
            StatementId=statement_id(wanted.api_id),
            Action="lambda:InvokeFunction",
            Principal=GATEWAY,
            SourceArn=wanted.source_arn,
        )
    except ClientError as error:
        # Here this code means that the statement exists: an answer was lost. The caller looks again and compares.
        if error_code(error) != "ResourceConflictException":
            raise


def remove_statement(rollout: Rollout, sid: str) -> None:
    client, names = rollout.aws("lambda"), rollout.environment.names
    absent_as_none(
        lambda: when_settled(
            lambda: client.remove_permission(FunctionName=names.function, Qualifier=names.alias, StatementId=sid)
        )
    )
