"""Versions and aliases of Lambda functions: numbers that are never used twice, and aliases that hold what they name."""

import copy
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, ValidationException
from moto.awslambda.models import LambdaAlias, LambdaBackend, LambdaStorage
from moto.awslambda.responses import LambdaResponse

from localcloud.aws import function_policies, function_provisioning
from localcloud.aws import function_rules as rules
from localcloud.aws.patches import Patches

NOT_OF_A_VERSION = frozenset(
    ("FunctionArn", "Version", "RevisionId", "LastModified", "State", "StateReason", "StateReasonCode", "Description",
     "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode")
)  # fmt: skip
"""What may differ between a version and an unchanged $LATEST."""


def install(patches: Patches) -> None:
    """Close the gaps of versions and aliases."""
    _install_publish(patches)
    _install_delete(patches)
    _install_aliases(patches)
    _install_lists(patches)


def all_versions(backend: Any) -> Iterator[Any]:
    """Every function's $LATEST and published versions."""
    for group in list(backend._lambdas._functions.values()):
        yield from (version for version in (group["latest"], *group["versions"]) if version is not None)


def _install_lists(patches: Patches) -> None:
    @patches.wrap(LambdaResponse, "list_versions_by_function")
    def versions(original: Any, response: Any) -> Any:
        response.backend.get_function(response.uri_match["FunctionName"])  # which says that there is none
        return original(response)

    @patches.wrap(LambdaResponse, "list_aliases")
    def aliases(original: Any, response: Any) -> Any:
        status, headers, body = original(response)
        wanted = response.querystring.get("FunctionVersion", [None])[0]
        found = [alias for alias in json.loads(body)["Aliases"] if wanted in (None, alias["FunctionVersion"])]
        return status, headers, json.dumps({"Aliases": found})


def _install_publish(patches: Patches) -> None:
    @patches.wrap(LambdaResponse, "publish_version")
    def checked(original: Any, response: Any) -> Any:
        name = response.uri_match["FunctionName"]
        function = response.backend.get_function(name)
        body: Mapping[str, Any] = json.loads(response.body or "{}")
        rules.check_settled(function)
        rules.check_revision(function, body.get("RevisionId"))
        wanted = body.get("CodeSha256")
        if wanted and wanted != function.code_sha_256:
            raise InvalidParameterValueException(
                f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({function.code_sha_256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        return original(response)

    @patches.wrap(LambdaStorage, "publish_version")
    def publish(original: Any, storage: Any, name_or_arn: str, description: str = "") -> Any:
        function = storage.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
        group = storage._functions[function.function_name]
        if group["versions"] and _essence(group["versions"][-1]) == _essence(function):
            return group["versions"][-1]
        group["published"] = group.get("published", 0) + 1
        version = copy.copy(function)
        version.set_version(group["published"])
        version.revision_id, version.last_modified = str(uuid.uuid4()), function.last_modified
        version.description = description or function.description
        group["versions"].append(version)
        storage._arns[version.function_arn] = version
        return version


def _essence(function: Any) -> dict[str, Any]:
    """What makes a version: the same code and configuration need no new one."""
    return {key: value for key, value in function.get_configuration().items() if key not in NOT_OF_A_VERSION}


def _install_delete(patches: Patches) -> None:
    @patches.wrap(LambdaStorage, "del_function")
    def delete(original: Any, storage: Any, name_or_arn: str, qualifier: str | None = None) -> None:
        name, _, in_name = name_or_arn.rpartition(":function:")[2].partition(":")
        qualifier = qualifier or in_name or None
        if qualifier == "$LATEST":
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        function = storage.get_function_by_name_or_arn_with_qualifier(name, qualifier)
        if qualifier is not None:
            _check_unused(storage, name, str(function.version))
            function_policies.forget(function, str(function.version))
            function_provisioning.forget(storage, name, str(function.version))
        original(storage, name, qualifier)
        if qualifier is not None:
            storage._arns.pop(function.function_arn, None)  # which would keep it, and its code, until it is collected


def _check_unused(storage: Any, name: str, version: str) -> None:
    users = sorted(
        alias.name
        for alias in storage._get_function_aliases(name).values()
        if version in (alias.function_version, *_weights(alias.routing_config))
    )
    if users:
        raise rules.Conflict(f"Unable to delete version because the following aliases reference it: {users}")


def _weights(routing: Mapping[str, Any] | None) -> Mapping[str, float]:
    return (routing or {}).get("AdditionalVersionWeights") or {}


def _install_aliases(patches: Patches) -> None:
    @patches.wrap(LambdaStorage, "put_alias")
    def put(
        original: Any, storage: Any, name: str, function_name: str, version: str, description: str, routing: Any
    ) -> Any:
        if name.isdigit() or name == "$LATEST":
            raise ValidationException(name, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)")
        storage.get_function_by_name_or_arn_with_qualifier(function_name, version)
        if name in storage._get_function_aliases(function_name):
            arn = storage.get_alias(name, function_name).arn
            raise rules.Conflict(f"Alias already exists: {arn}")
        rules.check_routing(storage, function_name, version, routing)
        return original(storage, name, function_name, version, description, routing)

    @patches.wrap(LambdaResponse, "update_alias")
    def checked(original: Any, response: Any) -> Any:
        name, alias_name = response.uri_match["FunctionName"], response.uri_match["Name"]
        body: Mapping[str, Any] = json.loads(response.body)
        alias = response.backend.get_alias(alias_name, name)
        rules.check_revision(alias, body.get("RevisionId"))
        version = body.get("FunctionVersion") or alias.function_version
        routing = body.get("RoutingConfig", alias.routing_config)
        rules.check_routing(response.backend._lambdas, name, version, routing)
        return original(response)

    _install_alias_shape(patches)


def _install_alias_shape(patches: Patches) -> None:
    @patches.wrap(LambdaAlias, "update")
    def update(original: Any, alias: Any, *args: Any, **kwargs: Any) -> None:
        original(alias, *args, **kwargs)
        alias.revision_id = str(uuid.uuid4())

    @patches.wrap(LambdaAlias, "to_json")
    def shown(original: Any, alias: Any) -> dict[str, Any]:
        shape: dict[str, Any] = original(alias)
        if not _weights(alias.routing_config):
            del shape["RoutingConfig"]
        return shape

    @patches.wrap(LambdaBackend, "delete_alias")
    def delete(original: Any, backend: Any, name: str, function_name: str) -> None:
        backend.get_alias(name, function_name)  # which says that there is none
        function_policies.forget(backend.get_function(function_name), name)
        function_provisioning.forget(backend._lambdas, function_name, name)
        original(backend, name, function_name)
