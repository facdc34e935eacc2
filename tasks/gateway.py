"""The HTTP API in front of the function: API → integration → route → stage → permission, and a probe.

All of it is made in words, as `create_api(Target=…)` leaves out the permission and hides the rest. The integration
targets the alias, so traffic moves there alone. Names of APIs are not unique: an API is ours by name and tags, which
it has from its creation on. Leftovers of an answer that was lost (a bare second API, a second integration or route)
are found and removed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tasks.changes import PENDING, Change, Rollout, deletion
from tasks.errors import Permanent, Temporary, absent_as_none, when_seen
from tasks.gateway_parts import SeenApi, Spec, apply_parts, create_api, plan_api
from tasks.permissions import apply_permission, by_gateway, observe_policy, remove_statement, statement_id
from tasks.probe import probe_api
from tasks.steps import step

GATEWAY_TIMEOUT_MS = 30_000
"""API Gateway's own limit for an integration."""
ACCESS_LOG = {
    name: f"$context.{name}"
    for name in (
        "requestId", "requestTime", "identity.sourceIp", "httpMethod", "path", "protocol", "status", "responseLength",
        "responseLatency", "routeKey", "integrationStatus", "integrationLatency", "integrationErrorMessage",
        "error.message", "error.responseType", "authorizer.error",
    )
}  # fmt: skip
"""Fields of an access log line. `integrationErrorMessage` is where a missing permission is told, and nowhere else."""
ROUNDS = 4
"""How often applying looks at what it did before it gives up."""


class NoApi(Permanent):
    """There is no API of the environment's name."""


@dataclass(frozen=True)
class Api:
    """The API as others need it."""

    id: str
    url: str
    """Where it is reached from here, without a slash at the end."""
    endpoint: str
    """Its own address at AWS."""
    arn: str


@step("Ensure the HTTP API")
def ensure_api(rollout: Rollout, alias_arn: str, *, patience: float = 20.0) -> Api:
    """The API, on the alias, allowed to invoke it, and answering; that it does is waited for, `patience` seconds."""
    spec = wanted_api(rollout, alias_arn)
    seen = observe_api(rollout, spec.name)
    if seen is not None:
        rollout.require_ours(f"API {spec.name!r} ({seen.id})", dict(seen.tags))
        for route in seen.routes_by_hand:
            rollout.find(f"API {spec.name}", f"route {route['RouteKey']!r} was made by hand and is left as it is")
    return rollout.converge(
        f"API {spec.name}",
        plan_api(rollout.environment, spec, seen),
        apply=lambda: probed(rollout, apply_api(rollout, spec, seen), patience),
        planned=lambda: described(rollout, seen),
    )


@step("Look at the HTTP API")
def inspect_api(rollout: Rollout) -> tuple[Api, list[Change]]:
    """The API as it stands, and what a release would change at it: the first suspects when it does not answer."""
    names = rollout.environment.names
    seen = observe_api(rollout, names.api)
    if seen is None:
        raise NoApi(f"environment {rollout.environment.name!r} has no API; run `release`, which makes it")
    alias_arn = rollout.aws.arn("lambda", f"function:{names.function}:{names.alias}")
    return described(rollout, seen), plan_api(rollout.environment, wanted_api(rollout, alias_arn), seen)


ALLOWED = ("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id")
EXPOSED = (
    "etag", "idempotency-replayed", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-execution-status",
    "x-next-cursor", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id",
)  # fmt: skip
"""What the API itself exposes where no gateway does it (api/app.py)."""


def wanted_api(rollout: Rollout, alias_arn: str) -> Spec:
    environment, settings = rollout.environment, rollout.environment.api
    cors = {
        "AllowOrigins": [*settings.cors_origins],
        "AllowMethods": ["*"],
        "AllowHeaders": [*ALLOWED],
        "ExposeHeaders": [*EXPOSED],
        "MaxAge": 300,
    }
    return Spec(
        name=environment.names.api,
        cors=cors if settings.cors_origins else {},
        integration={
            "IntegrationType": "AWS_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": alias_arn,
            "PayloadFormatVersion": "2.0",
            "TimeoutInMillis": GATEWAY_TIMEOUT_MS,
        },
        stage={
            "AutoDeploy": True,
            "AccessLogSettings": {
                "DestinationArn": rollout.aws.arn("logs", f"log-group:{environment.names.api_logs}"),
                "Format": json.dumps(ACCESS_LOG),
            },
            "DefaultRouteSettings": {
                "ThrottlingBurstLimit": settings.burst_limit,
                "ThrottlingRateLimit": float(settings.rate_limit),
            },
        },
        alias_arn=alias_arn,
        sources=rollout.aws.arn("execute-api", "{api_id}/*/*"),
    )


def described(rollout: Rollout, seen: SeenApi | None) -> Api:
    """The API as it stands, or as a plan sees it."""
    api_id, endpoint = (seen.id, seen.endpoint) if seen else (PENDING, PENDING)
    return Api(api_id, url_of(rollout, api_id, endpoint), endpoint, api_arn(rollout, api_id))


def known_api_url(rollout: Rollout) -> str | None:
    """Where the API is reached, if there is one already; one read."""
    apis = named_apis(rollout, rollout.environment.names.api)
    return url_of(rollout, apis[0]["ApiId"], apis[0]["ApiEndpoint"]) if apis else None


def url_of(rollout: Rollout, api_id: str, endpoint: str) -> str:
    return (rollout.environment.api_url or endpoint).replace("{api_id}", api_id).rstrip("/")


def api_arn(rollout: Rollout, api_id: str) -> str:
    return f"arn:aws:apigateway:{rollout.aws.region}::/apis/{api_id}"


def named_apis(rollout: Rollout, name: str) -> list[Mapping[str, Any]]:
    """Ours of this name, oldest first; if there is none, those of this name that are not ours."""
    pages = rollout.aws("apigatewayv2").get_paginator("get_apis").paginate()
    named = [api for page in pages for api in page["Items"] if api["Name"] == name]
    named.sort(key=lambda api: (str(api["CreatedDate"]), api["ApiId"]))
    return [api for api in named if rollout.environment.owns(api.get("Tags") or {})] or named


def observe_api(rollout: Rollout, name: str) -> SeenApi | None:
    """The API with its parts, whether it is ours or not; None if there is none of this name."""
    client, apis = rollout.aws("apigatewayv2"), named_apis(rollout, name)
    if not apis:
        return None
    api, twins = chosen(rollout, name, apis) if len(apis) > 1 else (apis[0], ())
    api_id = api["ApiId"]
    statements, others = by_gateway(observe_policy(rollout))
    return SeenApi(
        id=api_id,
        endpoint=api["ApiEndpoint"],
        tags=api.get("Tags") or {},
        cors=api.get("CorsConfiguration") or {},
        integrations=list_all(client, "get_integrations", api_id),
        routes=list_all(client, "get_routes", api_id),
        stage=absent_as_none(lambda: client.get_stage(ApiId=api_id, StageName="$default")),
        statements=statements,
        other_statements=others,
        twins=twins,
    )


def chosen(rollout: Rollout, name: str, apis: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Of several APIs the one with routes, or the oldest if none has any; and the ids of the others, ours and bare."""
    client, ours = rollout.aws("apigatewayv2"), rollout.environment.owns(apis[0].get("Tags") or {})
    used = [api for api in apis if not ours or list_all(client, "get_routes", api["ApiId"])]
    if len(used) > 1:
        ids = " and ".join(repr(api["ApiId"]) for api in used)
        raise Permanent(f"API {name!r} exists more than once: {ids}. Delete or rename all but one of them.")
    kept = (used or apis)[0]
    return kept, tuple(api["ApiId"] for api in apis if api["ApiId"] != kept["ApiId"])


def list_all(client: Any, operation: str, api_id: str) -> list[Mapping[str, Any]]:
    pages = client.get_paginator(operation).paginate(ApiId=api_id)
    return [item for page in pages for item in page["Items"]]


def apply_api(rollout: Rollout, spec: Spec, seen: SeenApi | None) -> SeenApi:
    """Write what differs and look again, until nothing is left to do.

    Looking again finds what a lost answer left behind, and settings that AWS took without keeping them.
    """
    client, rest = rollout.aws("apigatewayv2"), list[Change]()
    seen = seen or create_api(client, spec, rollout.tags)
    for _ in range(ROUNDS):
        apply_parts(client, rollout.environment, spec, seen, api_arn(rollout, seen.id))
        apply_permission(rollout, spec.permission(seen.id), seen.statements)
        seen = when_seen(f"API {spec.name!r}", lambda: observe_api(rollout, spec.name))
        rest = plan_api(rollout.environment, spec, seen)
        if not rest:
            return seen
        rollout.note([change for change in rest if change.action == "delete"])
    raise Temporary(f"API {spec.name!r} does not stay as it is set: " + "; ".join(map(str, rest)))


def probed(rollout: Rollout, seen: SeenApi, patience: float) -> Api:
    """The API, once something answers at its address."""
    api = described(rollout, seen)
    if problem := probe_api(api.url + rollout.environment.api.health_path, patience=patience):
        rollout.find(f"API {rollout.environment.names.api}", problem)
    return api


@step("Destroy the HTTP API")
def destroy_api(rollout: Rollout) -> None:
    """Delete every API of ours of this name with its parts, and take back their permissions."""
    name = rollout.environment.names.api
    for api in named_apis(rollout, name):
        rollout.converge(
            f"API {name}",
            deletion(rollout, f"API {name} ({api['ApiId']})", api.get("Tags") or {}),
            apply=partial(delete_api, rollout, api["ApiId"]),
            planned=lambda: None,
        )


def delete_api(rollout: Rollout, api_id: str) -> None:
    absent_as_none(lambda: rollout.aws("apigatewayv2").delete_api(ApiId=api_id))
    remove_statement(rollout, statement_id(api_id))
