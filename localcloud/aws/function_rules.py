"""What Lambda refuses: the checks that moto leaves out, with Lambda's codes and words.

Each function raises an error of moto's Lambda or returns nothing. `spec` is the JSON of a request.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any

from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    PreconditionFailedException,
    ValidationException,
)
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

RUNTIMES = frozenset({
    "provided.al2", "provided.al2023", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13",
    "python3.14", "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "java8.al2", "java11", "java17", "java21",
    "java25", "dotnet8", "dotnet10", "ruby3.2", "ruby3.3", "ruby3.4",
})  # fmt: skip
RETIRED = frozenset({
    "provided", "python2.7", "python3.6", "python3.7", "python3.8", "nodejs8.10", "nodejs10.x", "nodejs12.x",
    "nodejs14.x", "nodejs16.x", "java8", "go1.x", "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "dotnet7", "ruby2.5",
    "ruby2.7",
})  # fmt: skip
RESERVED_VARIABLES = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
})  # fmt: skip
NOT_HERE = ("Layers", "FileSystemConfigs", "DeadLetterConfig", "ImageConfig", "CodeSigningConfigArn")
"""Settings that moto keeps and that a process here would not see."""
VARIABLES_LIMIT = 4096
UNZIPPED_LIMIT = 262_144_000
REQUEST_LIMIT = 70_167_211
"""Bytes of a request: what a zip of 50 MB is in base64."""
CONCURRENCY, UNRESERVED = 1000, 100
"""Concurrent executions of the account, and how many may not be reserved."""
NOT_ASSUMABLE = "The role defined for the function cannot be assumed by Lambda."
RESERVED_KEYS = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}"
)
TOO_LONG = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    "exceeded the 4KB limit. String measured: {} bytes"
)


class Conflict(LambdaClientError):
    """Something is in progress, or exists."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


class TooLarge(LambdaClientError):
    """The request does not fit."""

    code = 413

    def __init__(self, operation: str) -> None:
        message = f"Request must be smaller than {REQUEST_LIMIT} bytes for the {operation} operation"
        super().__init__("RequestEntityTooLargeException", message)


def check_create(backend: Any, spec: Mapping[str, Any]) -> None:
    """The parameters of CreateFunction; whether the role exists is moto's to say."""
    name = spec["FunctionName"].rpartition(":")[2]
    if not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name):
        raise ValidationException(
            name, "functionName", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+"
        )
    if spec.get("PackageType", "Zip") != "Zip":
        raise NotImplementedError("container images")
    if not spec.get("Runtime") or not spec.get("Handler"):
        raise InvalidParameterValueException(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    check_configuration(backend, spec)


def check_configuration(backend: Any, spec: Mapping[str, Any]) -> None:
    """The settings that create and update have in common; those that are not given are not checked."""
    if missing := [name for name in NOT_HERE if spec.get(name)]:
        raise NotImplementedError(f"{missing[0]} of a function")
    _check_runtime(spec.get("Runtime"))
    _check_range(spec.get("MemorySize"), "memorySize", 128, 10240)
    _check_range(spec.get("Timeout"), "timeout", 1, 900)
    check_variables((spec.get("Environment") or {}).get("Variables") or {})
    _check_network(backend, spec.get("VpcConfig") or {})
    if role := spec.get("Role"):
        check_role(backend, role)


def _check_runtime(runtime: str | None) -> None:
    if runtime in RETIRED:
        raise InvalidParameterValueException(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions."
        )
    if runtime is not None and runtime not in RUNTIMES:
        raise InvalidParameterValueException(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(sorted(RUNTIMES))}] or be a valid ARN"
        )


def _check_range(value: int | None, name: str, least: int, most: int) -> None:
    if value is not None and value < least:
        raise ValidationException(str(value), name, f"Member must have value greater than or equal to {least}")
    if value is not None and value > most:
        raise ValidationException(str(value), name, f"Member must have value less than or equal to {most}")


def check_variables(variables: Mapping[str, str]) -> None:
    if reserved := sorted(RESERVED_VARIABLES & variables.keys()):
        raise InvalidParameterValueException(RESERVED_KEYS.format(", ".join(reserved)))
    for name in variables:
        if not re.fullmatch(r"[a-zA-Z]([a-zA-Z0-9_])+", name):
            raise ValidationException(
                name, "environment.variables", "Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+"
            )
    size = len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode())
    if size > VARIABLES_LIMIT:
        raise InvalidParameterValueException(TOO_LONG.format(size))


def _check_network(backend: Any, config: Mapping[str, Any]) -> None:
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    known = {subnet.id for zone in ec2.subnets.values() for subnet in zone.values()}
    if missing := [subnet for subnet in config.get("SubnetIds") or [] if subnet not in known]:
        raise InvalidParameterValueException(
            f"Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: "
            f"The subnet ID '{missing[0]}' does not exist"
        )
    for group in config.get("SecurityGroupIds") or []:
        if ec2.get_security_group_from_id(group) is None:
            raise InvalidParameterValueException(
                "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error "
                f"Message: The security group '{group}' does not exist"
            )


def check_role(backend: Any, arn: str) -> None:
    """The role's trust policy lets Lambda assume it. A role that is not there is moto's to report."""
    for role in iam_backends[backend.account_id]["aws"].roles.values():
        if role.arn == arn and not _trusts_lambda(role.assume_role_policy_document):
            raise InvalidParameterValueException(NOT_ASSUMABLE)


def _trusts_lambda(document: str | Mapping[str, Any]) -> bool:
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    return any(
        statement.get("Effect") == "Allow"
        and "lambda.amazonaws.com" in _listed((statement.get("Principal") or {}).get("Service"))
        and {"sts:AssumeRole", "sts:*", "*"} & set(_listed(statement.get("Action")))
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def check_zip(content: bytes) -> None:
    """The uploaded bytes are a zip, neither empty nor too large once unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError):
        raise InvalidParameterValueException(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    if not entries:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
    if sum(entry.file_size for entry in entries) > UNZIPPED_LIMIT:
        raise InvalidParameterValueException(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")


def check_settled(function: Any) -> None:
    """No creation and no update is in progress."""
    if function.state != "Active":
        raise Conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: "
            f"{function.state}"
        )
    if function.is_updating:
        raise Conflict(
            "The operation cannot be performed at this time. An update is in progress for resource: "
            f"{function.function_arn}"
        )


def check_revision(resource: Any, given: str | None) -> None:
    if given and given != resource.revision_id:
        raise PreconditionFailedException(
            "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to "
            "retrieve the latest RevisionId"
        )


def check_reserved(backend: Any, name: str, wanted: int) -> None:
    others = sum(int(f.reserved_concurrency or 0) for f in backend.list_functions() if f.function_name != name)
    if CONCURRENCY - others - wanted < UNRESERVED:
        raise InvalidParameterValueException(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED}]."
        )


def check_routing(storage: Any, name: str, version: str, routing: Mapping[str, Any] | None) -> None:
    """The additional weights of an alias: one other published version, a share between 0 and 1."""
    weights: Mapping[str, float] = (routing or {}).get("AdditionalVersionWeights") or {}
    if not weights:
        return
    if "$LATEST" in (version, *weights):
        raise InvalidParameterValueException("$LATEST is not supported for an alias pointing to more than 1 version")
    if len(weights) > 1:
        raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other, weight in weights.items():
        if other == version:
            raise InvalidParameterValueException(
                f"Invalid function version {other}. Function version {other} is already included in routing "
                "configuration."
            )
        if not 0 <= weight <= 1:
            raise ValidationException(
                f"{{{other}={weight}}}",
                "routingConfig.additionalVersionWeights",
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
                "have value greater than or equal to 0.0]",
            )
        storage.get_function_by_name_or_arn_with_qualifier(name, other)
