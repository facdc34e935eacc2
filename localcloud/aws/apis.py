"""API Gateway v2: quick-create, and what it refuses of integrations and routes. Serving is `localcloud.gateway`'s."""

import json
import re
from typing import TYPE_CHECKING, Any

from moto.apigatewayv2.exceptions import BadRequestException
from moto.apigatewayv2.models import Api, ApiGatewayV2Backend, Integration, Route, Stage
from moto.apigatewayv2.responses import ApiGatewayV2Response

from localcloud.aws import api_stages
from localcloud.aws.api_stages import Conflict
from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

ROUTE_KEY = re.compile(r"\$default|(ANY|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*")
TIMEOUTS = range(50, 30_001)
"""Milliseconds that an integration of an HTTP API may take."""


def install(cloud: "Cloud") -> None:
    """Close API Gateway's gaps."""
    _install_apis(cloud)
    _install_integrations(cloud.patches)
    _install_routes(cloud.patches)
    api_stages.install(cloud.patches)


def _install_apis(cloud: "Cloud") -> None:
    patches = cloud.patches

    @patches.wrap(ApiGatewayV2Response, "create_api")
    def create(original: Any, response: Any) -> Any:
        _, headers, body = original(response)
        wanted = json.loads(response.body)
        if wanted.get("target"):
            _quick_create(response.apigatewayv2_backend, json.loads(body)["apiId"], wanted)
        return 201, headers, body

    @patches.wrap(ApiGatewayV2Backend, "delete_api")
    def delete(original: Any, backend: Any, api_id: str) -> None:
        backend.get_api(api_id)  # which says that there is none
        original(backend, api_id)

    @patches.wrap(Api, "to_json")
    def shown(original: Any, api: Any) -> dict[str, Any]:
        return {**original(api), "apiEndpoint": f"{cloud.api_endpoint}/_api/{api.api_id}"}

    for kind in (Route, Integration, Stage):
        _mark_managed(patches, kind)


def _mark_managed(patches: Patches, kind: type) -> None:
    @patches.wrap(kind, "to_json")
    def shown(original: Any, resource: Any) -> dict[str, Any]:
        managed = {"apiGatewayManaged": True} if vars(resource).get("managed") else {}
        return {key: value for key, value in {**original(resource), **managed}.items() if value is not None}


NOTHING_ELSE_OF_INTEGRATION = dict.fromkeys((
    "connection_id", "content_handling_strategy", "description", "integration_subtype", "passthrough_behavior",
    "request_parameters", "request_templates", "response_parameters", "template_selection_expression",
    "timeout_in_millis", "tls_config",
))  # fmt: skip
NOTHING_ELSE_OF_ROUTE = dict.fromkeys((
    "authorization_scopes", "authorizer_id", "model_selection_expression", "operation_name", "request_models",
    "request_parameters", "route_response_selection_expression",
))  # fmt: skip


def _quick_create(backend: Any, api_id: str, wanted: dict[str, Any]) -> None:
    """The integration, route and stage that AWS makes for a `target`. It adds no permission to invoke it, nor do we."""
    api, target = backend.get_api(api_id), wanted["target"]
    to_lambda = target.startswith("arn:")
    integration = api.create_integration(
        **NOTHING_ELSE_OF_INTEGRATION,
        connection_type="INTERNET",
        credentials_arn=wanted.get("credentialsArn"),
        integration_method="POST" if to_lambda else "ANY",
        integration_type="AWS_PROXY" if to_lambda else "HTTP_PROXY",
        integration_uri=target,
        payload_format_version="2.0" if to_lambda else "1.0",
    )
    route = api.create_route(
        **NOTHING_ELSE_OF_ROUTE,
        api_key_required=False,
        authorization_type="NONE",
        route_key=wanted.get("routeKey") or "$default",
        target=f"integrations/{integration.id}",
    )
    stage = api.create_stage({"stageName": "$default", "autoDeploy": True})
    integration.managed = route.managed = stage.managed = True


def _install_integrations(patches: Patches) -> None:
    @patches.wrap(ApiGatewayV2Backend, "create_integration")
    def create(original: Any, backend: Any, api_id: str, **wanted: Any) -> Any:
        kind, payload = wanted["integration_type"], wanted["payload_format_version"]
        http = backend.get_api(api_id).protocol_type == "HTTP"
        if http and kind not in ("AWS_PROXY", "HTTP_PROXY"):
            raise BadRequestException("HTTP protocol type API does not support integration type " + str(kind))
        if http and not payload:
            raise BadRequestException("PayloadFormatVersion is a required parameter for integration")
        _check_integration(payload, wanted["timeout_in_millis"])
        return original(backend, api_id=api_id, **wanted)

    @patches.wrap(ApiGatewayV2Backend, "update_integration")
    def update(original: Any, backend: Any, api_id: str, integration_id: str, **wanted: Any) -> Any:
        backend.get_integration(api_id, integration_id)
        _check_integration(wanted["payload_format_version"], wanted["timeout_in_millis"])
        return original(backend, api_id=api_id, integration_id=integration_id, **wanted)

    @patches.wrap(ApiGatewayV2Backend, "delete_integration")
    def delete(original: Any, backend: Any, api_id: str, integration_id: str) -> None:
        backend.get_integration(api_id, integration_id)
        for route in backend.get_routes(api_id):
            if route.target == f"integrations/{integration_id}":
                raise Conflict(f"Cannot delete Integration '{integration_id}': route '{route.route_id}' targets it")
        original(backend, api_id=api_id, integration_id=integration_id)


def _check_integration(payload: str | None, timeout: Any) -> None:
    if payload not in (None, "1.0", "2.0"):
        raise BadRequestException(f"PayloadFormatVersion {payload} is not supported: use 1.0 or 2.0")
    if timeout is not None and int(timeout) not in TIMEOUTS:
        raise BadRequestException(f"Timeout should be between {TIMEOUTS[0]} ms and {TIMEOUTS[-1]} ms")


def _install_routes(patches: Patches) -> None:
    @patches.wrap(ApiGatewayV2Backend, "create_route")
    def create(original: Any, backend: Any, api_id: str, **wanted: Any) -> Any:
        _check_route(backend.get_api(api_id), wanted, None)
        return original(backend, api_id=api_id, **wanted)

    @patches.wrap(ApiGatewayV2Backend, "update_route")
    def update(original: Any, backend: Any, api_id: str, route_id: str, **wanted: Any) -> Any:
        route = backend.get_route(api_id, route_id)
        _check_route(backend.get_api(api_id), wanted, route)
        return original(backend, api_id=api_id, route_id=route_id, **wanted)

    @patches.wrap(ApiGatewayV2Backend, "delete_route")
    def delete(original: Any, backend: Any, api_id: str, route_id: str) -> None:
        backend.get_route(api_id, route_id)
        original(backend, api_id=api_id, route_id=route_id)


def _check_route(api: Any, wanted: dict[str, Any], route: Any | None) -> None:
    """The key is well formed and not another route's; the target is an integration of the API."""
    key, target = wanted.get("route_key"), wanted.get("target")
    if key and api.protocol_type == "HTTP" and not ROUTE_KEY.fullmatch(key):
        raise BadRequestException(
            "The provided route key is not formatted properly for HTTP protocol. Format should be "
            '"<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    if key and any(other.route_key == key and other is not route for other in api.routes.values()):
        raise Conflict(f"Route with key {key} already exists for this API")
    if target and target.removeprefix("integrations/") not in api.integrations:
        raise BadRequestException(f"Invalid Integration identifier specified: {target}")
