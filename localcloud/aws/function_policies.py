"""Resource policies of Lambda functions: one for each qualifier, and no statement twice.

moto keeps one list of statements for a function and all its versions; what belongs to a qualifier is told by the
statement's resource.
"""

import json
import re
from typing import Any

from moto.awslambda.exceptions import (
    GenericResourcNotFound,
    InvalidParameterValueException,
    PreconditionFailedException,
)
from moto.awslambda.models import LambdaBackend
from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse

from localcloud.aws import function_rules as rules
from localcloud.aws.patches import Patches


def install(patches: Patches) -> None:
    """Close the gaps of resource policies."""

    @patches.wrap(Policy, "add_statement")
    def add(original: Any, policy: Any, raw: str, qualifier: str | None = None) -> Any:
        wanted = json.loads(raw)
        name = wanted.get("StatementId", "")
        if qualifier == "$LATEST":
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        _check_statement(wanted)
        if any(statement["Sid"] == name for statement in statements_of(policy, qualifier)):
            raise rules.Conflict(
                f"The statement id ({name}) provided already exists. Please provide a new statement id, or remove the "
                "existing statement."
            )
        return original(policy, raw, qualifier)

    @patches.wrap(LambdaBackend, "get_policy")
    def get(original: Any, backend: Any, name: str, qualifier: str | None = None) -> str:
        policy = backend.get_function(name, qualifier).policy
        statements = statements_of(policy, qualifier)
        if not statements:
            raise GenericResourcNotFound()
        document = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
        return json.dumps({"Policy": json.dumps(document), "RevisionId": policy.revision})

    _install_remove(patches)


def _install_remove(patches: Patches) -> None:
    @patches.wrap(LambdaResponse, "remove_permission")
    def remove(original: Any, response: Any) -> Any:
        name, wanted = response.uri_match["FunctionName"], response.uri_match["StatementId"]
        qualifier = response.querystring.get("Qualifier", [None])[0]
        policy = response.backend.get_function(name, qualifier).policy
        for statement in statements_of(policy, qualifier):
            if statement["Sid"] == wanted:
                _check_revision(policy, response.querystring.get("RevisionId", [""])[0])
                policy.statements.remove(statement)
                return 204, {"status": 204}, ""
        raise GenericResourcNotFound()


def forget(function: Any, qualifier: str) -> None:
    """Drop the policy of an alias or version that is no more."""
    for statement in statements_of(function.policy, qualifier):
        function.policy.statements.remove(statement)


def _check_revision(policy: Any, given: str) -> None:
    if given and given != policy.revision:
        raise PreconditionFailedException(
            "The RevisionId provided does not match the latest RevisionId for the Lambda function or alias. Call the "
            "GetPolicy API to retrieve the latest RevisionId for your resource."
        )


def statements_of(policy: Any, qualifier: str | None) -> list[dict[str, Any]]:
    """The statements that hold for one qualifier (None: the function without one)."""
    resource = policy.parent.arn if not hasattr(policy.parent, "function_arn") else policy.parent.function_arn
    wanted = f"{resource}:{qualifier}" if qualifier and qualifier != "$LATEST" else resource
    return [statement for statement in policy.statements if statement.get("Resource") == wanted]


def _check_statement(wanted: dict[str, Any]) -> None:
    principal = wanted.get("Principal", "")
    if not re.fullmatch(r"\*|\d{12}|arn:aws[\w-]*:iam::.+|[\w.-]+\.amazonaws\.com", principal):
        raise InvalidParameterValueException(
            "The provided principal was invalid. Please check the principal and try again."
        )
    if not re.fullmatch(r"lambda:[A-Za-z*]+|\*", wanted.get("Action", "")):
        raise InvalidParameterValueException(f"Invalid action: {wanted.get('Action')}")
