"""Stages and deployments of API Gateway v2: a stage is updated, made once, and has its deployment."""

import json
import re
import uuid
from datetime import datetime
from typing import Any

from moto.apigateway import urls  # one host serves both versions
from moto.apigatewayv2.exceptions import APIGatewayV2Error, BadRequestException
from moto.apigatewayv2.models import ApiGatewayV2Backend, Stage
from moto.apigatewayv2.responses import ApiGatewayV2Response
from moto.core.utils import iso_8601_datetime_without_milliseconds

from localcloud.aws.patches import Patches

STAGE_NAME = re.compile(r"\$default|[A-Za-z0-9_-]{1,128}")
STAGE_FIELDS = {
    "accessLogSettings": "access_log_settings",
    "autoDeploy": "auto_deploy",
    "clientCertificateId": "client_certificate_id",
    "defaultRouteSettings": "default_route_settings",
    "deploymentId": "deployment_id",
    "description": "description",
    "routeSettings": "route_settings",
    "stageVariables": "stage_variables",
}


class Conflict(APIGatewayV2Error):
    """It exists already, or something still uses it."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


class NotFound(APIGatewayV2Error):
    """No such stage, route, integration or deployment."""

    code = 404

    def __init__(self, what: str) -> None:
        super().__init__("NotFoundException", f"Unable to find {what}")


def install(patches: Patches) -> None:
    """Close the gaps of stages and deployments."""
    _install_stages(patches)
    _install_update(patches)
    _install_deployments(patches)


def _install_stages(patches: Patches) -> None:
    @patches.wrap(ApiGatewayV2Backend, "create_stage")
    def create(original: Any, backend: Any, api_id: str, config: dict[str, Any]) -> Any:
        name = config["stageName"]
        if not STAGE_NAME.fullmatch(name):
            raise BadRequestException(f"Invalid stage name: {name}")
        if name in backend.get_api(api_id).stages:
            raise Conflict("Stage already exists")
        return original(backend, api_id, config)

    @patches.wrap(Stage, "__init__")
    def init(original: Any, stage: Any, api: Any, config: dict[str, Any]) -> None:
        original(stage, api, config)
        stage.deployment_id = config.get("deploymentId") or (_deploy(api).id if stage.auto_deploy else None)

    @patches.wrap(Stage, "to_json")
    def shown(original: Any, stage: Any) -> dict[str, Any]:
        shape = original(stage)
        if stage.deployment_id:
            said = f"Successfully deployed stage with deployment ID '{stage.deployment_id}'"
            shape |= {"deploymentId": stage.deployment_id, "lastDeploymentStatusMessage": said}
        return dict(shape)

    @patches.wrap(ApiGatewayV2Backend, "delete_stage")
    def delete(original: Any, backend: Any, api_id: str, stage_name: str) -> None:
        backend.get_stage(api_id, stage_name)
        original(backend, api_id, stage_name)


def _install_update(patches: Patches) -> None:
    @patches.add(ApiGatewayV2Response, "update_stage")
    def update(response: Any) -> Any:
        stage = response.apigatewayv2_backend.get_stage(response.uri_match["apiId"], response.uri_match["stageName"])
        for name, value in json.loads(response.body).items():
            if name in STAGE_FIELDS:
                setattr(stage, STAGE_FIELDS[name], value)
        if stage.auto_deploy and not stage.deployment_id:  # it is turned on: what waits is deployed
            stage.deployment_id = _deploy(response.apigatewayv2_backend.get_api(response.uri_match["apiId"])).id
        stage.updated = datetime.now()
        return 200, {}, json.dumps(stage.to_json())


class Deployment:
    """A snapshot of an API's routes, in name: stages serve the routes as they are."""

    def __init__(self, description: str | None, *, auto: bool) -> None:
        self.id, self.description, self.auto = uuid.uuid4().hex[:6], description, auto
        self.created = datetime.now()

    def to_json(self) -> dict[str, Any]:
        return {
            "autoDeployed": self.auto,
            "createdDate": iso_8601_datetime_without_milliseconds(self.created),
            "deploymentId": self.id,
            "deploymentStatus": "DEPLOYED",
            **({"description": self.description} if self.description else {}),
        }


def _deploy(api: Any, description: str | None = None, *, auto: bool = True) -> Deployment:
    deployment = Deployment(description, auto=auto)
    deployments_of(api)[deployment.id] = deployment
    return deployment


def deployments_of(api: Any) -> dict[str, Deployment]:
    found: dict[str, Deployment] = vars(api).setdefault("deployments", {})
    return found


def _install_deployments(patches: Patches) -> None:
    base = "{0}/v2/apis/(?P<api_id>[^/]+)/deployments"
    ours = dict.fromkeys((f"{base}$", f"{base}/(?P<deployment_id>[^/]+)$"), ApiGatewayV2Response.dispatch)
    patches.replace(urls, "url_paths", {**urls.url_paths, **ours})

    def api_of(response: Any) -> Any:
        return response.apigatewayv2_backend.get_api(response.uri_match["apiId"])

    @patches.add(ApiGatewayV2Response, "create_deployment")
    def create(response: Any) -> Any:
        api, wanted = api_of(response), json.loads(response.body or "{}")
        deployment = _deploy(api, wanted.get("description"), auto=False)
        if name := wanted.get("stageName"):
            api.get_stage(name).deployment_id = deployment.id
        return 201, {}, json.dumps(deployment.to_json())

    @patches.add(ApiGatewayV2Response, "get_deployments")
    def list_all(response: Any) -> Any:
        items = [deployment.to_json() for deployment in deployments_of(api_of(response)).values()]
        return 200, {}, json.dumps({"items": items})

    @patches.add(ApiGatewayV2Response, "get_deployment")
    def get(response: Any) -> Any:
        deployment = deployments_of(api_of(response)).get(response.uri_match["deploymentId"])
        if deployment is None:
            raise NotFound(f"deployment {response.uri_match['deploymentId']}")
        return 200, {}, json.dumps(deployment.to_json())
