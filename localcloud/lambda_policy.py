"""The two policy questions that the runtime asks of IAM's documents.

May this role write logs (identity policies), and may API Gateway invoke this function for this API (the function's
resource policy, on exactly the qualifier that is invoked)? Conditions of identity policies are taken as met.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

Statement = dict[str, Any]


def role_allows(iam: Any, role_arn: str, action: str, resource: str) -> bool:
    """Whether the role's inline and attached policies allow an action on a resource. No such role: no."""
    role = next((role for role in iam.get_roles() if role.arn == role_arn), None)
    if role is None:
        return False
    documents = [*role.policies.values(), *(policy.document for policy in role.managed_policies.values())]
    statements = [statement for document in documents for statement in _statements(document)]
    fitting = [s["Effect"] for s in statements if _any(s, "Action", action) and _any(s, "Resource", resource)]
    return "Allow" in fitting and "Deny" not in fitting


def key_denied(iam: Any, role_arn: str, key_arn: str) -> str:
    """Why Lambda cannot decrypt a function's variables with a customer's key; '' if it can. Key policies are taken to
    leave it to IAM, as the default one does."""
    if not key_arn or role_allows(iam, role_arn, "kms:Decrypt", key_arn):
        return ""
    return (
        "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the "
        "function's KMS key settings. KMS Exception: AccessDeniedException KMS Message: User is not authorized to "
        f"perform: kms:Decrypt on resource: {key_arn}"
    )


def gateway_may_invoke(statements: Iterable[Statement], *, function_arn: str, source_arn: str, account: str) -> bool:
    """Whether a function's resource policy lets API Gateway invoke exactly `function_arn` for `source_arn`."""
    fitting = [
        statement["Effect"]
        for statement in statements
        if _is_gateway(statement.get("Principal"))
        and _any(statement, "Action", "lambda:InvokeFunction")
        and statement.get("Resource") in (function_arn, "*")
        and _condition_met(statement.get("Condition") or {}, source_arn, account)
    ]
    return "Allow" in fitting and "Deny" not in fitting


def arn_like(pattern: str, arn: str) -> bool:
    """IAM's ArnLike: wildcards inside each of the six parts of an ARN."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(
        fnmatchcase(part, like) for part, like in zip(parts, patterns, strict=True)
    )


def _statements(document: str | dict[str, Any]) -> list[Statement]:
    if isinstance(document, str):
        return _statements(json.loads(unquote(document) if document.startswith("%") else document))
    found = document["Statement"]
    return list(found) if isinstance(found, list) else [found]


def _any(statement: Statement, key: str, value: str) -> bool:
    """Whether one of the patterns under a key fits. Actions are compared without case, as IAM does."""
    patterns = statement.get(key, [])
    if key == "Action":
        value = value.lower()
        return any(fnmatchcase(value, pattern.lower()) for pattern in _as_list(patterns))
    return any(fnmatchcase(value, pattern) for pattern in _as_list(patterns))


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _is_gateway(principal: Any) -> bool:
    if isinstance(principal, dict):
        return "apigateway.amazonaws.com" in _as_list(principal.get("Service", []))
    return principal in ("*", "apigateway.amazonaws.com")


def _condition_met(condition: dict[str, dict[str, Any]], source_arn: str, account: str) -> bool:
    return all(
        _holds(operator, key.lower(), _as_list(wanted), source_arn, account)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, key: str, wanted: list[str], source_arn: str, account: str) -> bool:
    match key:
        case "aws:sourcearn" if operator in ("ArnLike", "ArnEquals", "StringLike"):
            return any(arn_like(pattern, source_arn) for pattern in wanted)
        case "aws:sourcearn":
            return source_arn in wanted
        case "aws:sourceaccount":
            return account in wanted
    return False
