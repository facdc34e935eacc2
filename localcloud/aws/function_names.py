"""How a caller may name a Lambda function: `name`, `name:qualifier`, a partial or a whole ARN, with a qualifier or not.

moto understands that in some operations and not in others. So a request is rewritten before moto sees it: the bare name
in the path, the qualifier where AWS has a parameter for it. What AWS refuses is refused here, with its codes.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from localcloud.aws.operations import Operation
from localcloud.aws.wire import Answer, error_answer

PATH = re.compile(r"(?P<before>/\d{4}-\d\d-\d\d/functions/)(?P<name>[^/]+)(?P<after>.*)")
NAME = re.compile(
    r"(arn:aws[\w-]*:lambda:)?((?P<region>[a-z]{2}(-[a-z]+)+-\d):)?((?P<account>\d{12}):)?(function:)?"
    r"(?P<name>[\w-]+)(:(?P<qualifier>\$LATEST|[\w-]+))?"
)
"""As in AWS's API reference."""
QUALIFIED = frozenset({
    "AddPermission", "DeleteFunction", "GetFunction", "GetFunctionConfiguration", "GetFunctionEventInvokeConfig",
    "GetFunctionUrlConfig", "GetPolicy", "GetProvisionedConcurrencyConfig", "Invoke", "RemovePermission",
})  # fmt: skip
"""The operations that have a parameter for a qualifier, of those that the embedded cloud has."""


def plainly_named(environ: dict[str, Any], operation: Operation, *, account: str, region: str) -> dict[str, Any]:
    """The request with the bare name in its path. Raises `Refused`."""
    path = PATH.fullmatch(environ["PATH_INFO"])
    if path is None or ":" not in (given := unquote(path["name"])):
        return environ
    name = NAME.fullmatch(given)
    if name is None:
        raise Refused("ValidationException", f"Value {given!r} at 'functionName' is not the name of a function")
    if name["account"] not in (None, account) or name["region"] not in (None, region):
        raise Refused("ResourceNotFoundException", f"Function not found: {given}", status=404)
    plain = {**environ, "PATH_INFO": f"{path['before']}{name['name']}{path['after']}"}
    return with_qualifier(plain, operation, name["qualifier"]) if name["qualifier"] else plain


def with_qualifier(environ: dict[str, Any], operation: Operation, qualifier: str) -> dict[str, Any]:
    """The request with the name's qualifier as a parameter."""
    if operation.name not in QUALIFIED:
        raise Refused("InvalidParameterValueException", f"{operation.name} takes no function name with a qualifier")
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if dict(query).get("Qualifier", qualifier) != qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise Refused("InvalidParameterValueException", message)
    others = [(key, value) for key, value in query if key != "Qualifier"]
    return {**environ, "QUERY_STRING": urlencode([*others, ("Qualifier", qualifier)])}


class Refused(Exception):
    """What AWS answers to a name that it does not take."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.answer: Answer = error_answer("rest-json", code=code, message=message, status=status)
