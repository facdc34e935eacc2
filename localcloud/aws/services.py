"""All services at once: close their gaps, empty them, and what the cloud says of them."""

from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


def install(cloud: "Cloud") -> None:
    """Close every gap. Raises `MotoChanged` where moto is not the one we know."""


def resume(cloud: "Cloud") -> None:
    """Go on with what a stop interrupted."""


def forget_all() -> None:
    """Empty moto: its state is global, and the next cloud of this process starts from what it saved."""
    BackendDict.reset()
    reset_model_data()


def reset(cloud: "Cloud") -> None:
    """Empty the account."""
    forget_all()


def status(cloud: "Cloud") -> dict[str, Any]:
    """What runs here, without a secret: APIs, functions, databases and sites by name."""
    apis = {
        api.name: {"id": api.api_id, "url": f"{cloud.api_endpoint}/_api/{api.api_id}"}
        for api in cloud.backend("apigatewayv2").apis.values()
    }
    functions = {
        function.function_name: {"runtime": function.run_time, "version": str(function.version)}
        for function in cloud.backend("lambda").list_functions()
    }
    return {"apis": apis, "functions": functions, "databases": {}, "sites": {}}
