"""What a role's policies allow. Read and judged here: `SimulatePrincipalPolicy` would be one more right to need.

Conditions are taken as met, and a permissions boundary is not looked into; both are a doubt, which the causes weigh.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from tasks.diagnosing.looking import Look
from tasks.errors import absent_as_none

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Rights:
    """All statements of a role's policies; `exists` False where there is no such role."""

    exists: bool
    statements: tuple[Statement, ...] = ()
    doubt: str = ""


def rights_of(look: Look, role: str) -> Rights:
    """The role's policies, its own and those attached to it."""
    iam = look.rollout.aws("iam")
    answer = absent_as_none(lambda: iam.get_role(RoleName=role))
    if answer is None:
        return Rights(False)
    statements = tuple(one for document in documents(iam, role) for one in statements_in(document))
    boundary = "it has a permissions boundary" if answer["Role"].get("PermissionsBoundary") else ""
    conditional = "some of its statements have conditions" if any(one.get("Condition") for one in statements) else ""
    return Rights(True, statements, ", ".join(filter(None, (boundary, conditional))))


def documents(iam: Any, role: str) -> Iterator[Any]:
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for attached in page["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            yield found["PolicyVersion"]["Document"]


def statements_in(document: Any) -> list[Statement]:
    if isinstance(document, str):
        document = json.loads(unquote(document) if document.startswith("%") else document)
    found = document["Statement"]
    return [found] if isinstance(found, Mapping) else list(found)


def lacking(rights: Rights, needed: Mapping[str, str]) -> list[str]:
    """Of the actions, each with the resource it is wanted on, those that the policies do not allow."""
    return [action for action, resource in needed.items() if not allows(rights.statements, action, resource)]


def allows(statements: Iterable[Statement], action: str, resource: str) -> bool:
    """IAM's rule: somebody allows it and nobody denies it."""
    effects = {one["Effect"] for one in statements if is_about(one, action, resource)}
    return effects == {"Allow"}


def is_about(statement: Statement, action: str, resource: str) -> bool:
    """Actions are compared without case, as IAM does."""
    lower = {key: lowered(statement[key]) for key in ("Action", "NotAction") if key in statement}
    acts = (
        matches(lower["Action"], action.lower())
        if "Action" in lower
        else not matches(lower["NotAction"], action.lower())
    )
    if "NotResource" in statement:
        return acts and not matches(statement["NotResource"], resource)
    return acts and matches(statement.get("Resource", []), resource)


def lowered(patterns: Any) -> list[str]:
    return [pattern.lower() for pattern in ([patterns] if isinstance(patterns, str) else patterns)]


def matches(patterns: Any, value: str) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns))
