"""Provisioned concurrency: sandboxes of a version that are initialised before anybody asks, and kept.

The wish stands beside the function, by version or alias, in moto's state. `wishes` tells the runtime how many sandboxes
each version shall have; how many it has is asked of the runtime, so READY means that so many wait for work.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.awslambda import urls
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError, ValidationException
from moto.awslambda.responses import LambdaResponse

from localcloud.aws import function_rules as rules
from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

MOST = 10
"""Sandboxes that a version can have here (`Limits.processes`)."""
Count = Callable[[str, str], tuple[int, str]]
"""(function, version) → how many provisioned sandboxes wait or work, and why there are no more ('' while starting)."""


class NoConfig(LambdaClientError):
    """Nothing is provisioned there."""

    code = 404

    def __init__(self) -> None:
        super().__init__(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )


def install(cloud: "Cloud") -> None:
    """Add the operations, which moto does not have."""
    patches = cloud.patches
    route = "{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\\w_:%-]+)/provisioned-concurrency/?$"
    patches.replace(urls, "url_paths", {**urls.url_paths, route: LambdaResponse.dispatch})

    def count(function: str, version: str) -> tuple[int, str]:
        from localcloud import lambda_runtime

        return lambda_runtime.of(cloud).provisioned(function, version)

    _install_writes(patches, count)
    _install_reads(patches, count)


def wishes(backend: Any) -> Iterator[tuple[str, str, int]]:
    """(function, version, how many sandboxes it shall have): an alias shares its own by its weights."""
    for name, group in list(backend._lambdas._functions.items()):
        for qualifier, wish in list(group.get("provisioned", {}).items()):
            for version, share in _shares(backend, name, qualifier).items():
                yield name, version, round(wish["requested"] * share)


def forget(storage: Any, name: str, qualifier: str) -> None:
    """A version or an alias is gone, and its sandboxes go with it."""
    storage._functions[name].get("provisioned", {}).pop(qualifier, None)


def _shares(backend: Any, name: str, qualifier: str) -> dict[str, float]:
    if qualifier.isdecimal():
        return {qualifier: 1.0}
    alias = backend.get_alias(qualifier, name)
    others = (alias.routing_config or {}).get("AdditionalVersionWeights") or {}
    return {alias.function_version: 1.0 - sum(map(float, others.values())), **{v: float(w) for v, w in others.items()}}


def _configs(storage: Any, name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = storage._functions[name].setdefault("provisioned", {})
    return found


def _asked(response: Any) -> tuple[str, str]:
    """The function and the qualifier of a request; says so if there is none."""
    name = response.uri_match["FunctionName"].rpartition(":function:")[2].partition(":")[0]
    qualifier = response.querystring.get("Qualifier", [""])[0]
    response.backend.get_function(name)
    if qualifier == "$LATEST":
        raise InvalidParameterValueException(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    if qualifier.isdecimal():
        response.backend.get_function(name, qualifier)
    elif qualifier:
        response.backend.get_alias(qualifier, name)
    return name, qualifier


def _install_writes(patches: Patches, count: Count) -> None:
    @patches.add(LambdaResponse, "put_provisioned_concurrency_config")
    def put(response: Any) -> Any:
        name, qualifier = _asked(response)
        requested = int(json.loads(response.body or "{}").get("ProvisionedConcurrentExecutions", 0))
        _check(response.backend, name, qualifier, requested)
        wish = {"requested": requested, "modified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")}
        _configs(response.backend._lambdas, name)[qualifier] = wish
        shown = _shown(response.backend, name, qualifier, wish, count)
        return 202, {"status": 202}, json.dumps({**shown, "Status": "IN_PROGRESS"})

    @patches.add(LambdaResponse, "delete_provisioned_concurrency_config")
    def delete(response: Any) -> Any:
        name, qualifier = _asked(response)
        if _configs(response.backend._lambdas, name).pop(qualifier, None) is None:
            raise NoConfig
        return 204, {"status": 204}, ""


def _check(backend: Any, name: str, qualifier: str, requested: int) -> None:
    if requested < 1:
        raise ValidationException(
            str(requested), "provisionedConcurrentExecutions", "Member must have value greater than or equal to 1"
        )
    if requested > MOST:
        raise NotImplementedError(f"provisioned concurrency above {MOST}, which is what a version has here at most")
    reserved = backend.get_function(name).reserved_concurrency
    if reserved is not None and requested > int(reserved):
        raise InvalidParameterValueException(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    others = {version for other in _configs(backend._lambdas, name) if other != qualifier
              for version in _shares(backend, name, other)}  # fmt: skip
    if others & set(_shares(backend, name, qualifier)):
        raise rules.Conflict(
            "Version is pointed to by a Provisioned Concurrency alias"
            if qualifier.isdecimal()
            else "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )


def _install_reads(patches: Patches, count: Count) -> None:
    @patches.add(LambdaResponse, "get_provisioned_concurrency_config")
    def get(response: Any) -> Any:
        name, qualifier = _asked(response)
        wish = _configs(response.backend._lambdas, name).get(qualifier)
        if wish is None:
            raise NoConfig
        return 200, {}, json.dumps(_shown(response.backend, name, qualifier, wish, count))

    @patches.add(LambdaResponse, "list_provisioned_concurrency_configs")
    def list_all(response: Any) -> Any:
        name, _ = _asked(response)
        arn = response.backend.get_function(name).function_arn.partition(":$LATEST")[0]
        shown = [
            {"FunctionArn": f"{arn}:{qualifier}", **_shown(response.backend, name, qualifier, wish, count)}
            for qualifier, wish in _configs(response.backend._lambdas, name).items()
        ]
        return 200, {}, json.dumps({"ProvisionedConcurrencyConfigs": shown})


def _shown(backend: Any, name: str, qualifier: str, wish: Mapping[str, Any], count: Count) -> dict[str, Any]:
    counts = [count(name, version) for version in _shares(backend, name, qualifier)]
    available, problems = sum(number for number, _ in counts), [text for _, text in counts if text]
    status = "READY" if available >= wish["requested"] else "FAILED" if problems else "IN_PROGRESS"
    return {
        "RequestedProvisionedConcurrentExecutions": wish["requested"],
        "AvailableProvisionedConcurrentExecutions": available,
        "AllocatedProvisionedConcurrentExecutions": available,
        "Status": status,
        **({"StatusReason": problems[0]} if status == "FAILED" else {}),
        "LastModified": wish["modified"],
    }
