"""The parts of an HTTP API: how they are wanted, how they stand, what differs, and the writes that mend it.

Wanted values are kept in the words of the AWS calls, so that planning is comparing and applying is sending them.
Everything above `apply_parts` is pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from blocks.environment import Environment
from tasks.changes import PENDING, Change, adoption, differences
from tasks.errors import absent_as_none, error_code, when_settled, when_visible
from tasks.permissions import Permission, plan_permission

Part = Mapping[str, Any]


@dataclass(frozen=True)
class Spec:
    """The API as the environment wants it."""

    name: str
    cors: Part
    """Empty: no CORS."""
    integration: Part
    stage: Part
    alias_arn: str
    sources: str
    """Who may invoke the alias, with `{api_id}` in it."""

    def permission(self, api_id: str) -> Permission:
        return Permission(self.alias_arn, api_id, self.sources.replace("{api_id}", api_id))


@dataclass(frozen=True)
class SeenApi:
    """The API as it stands in AWS."""

    id: str
    endpoint: str
    tags: Mapping[str, str]
    cors: Part
    integrations: Sequence[Part] = ()
    routes: Sequence[Part] = ()
    stage: Part | None = None
    statements: Sequence[Part] = ()
    """Of the alias's policy, about API Gateway."""
    other_statements: Sequence[Part] = ()
    """What else it allows, and whom: nothing here changes it."""
    twins: tuple[str, ...] = ()
    """Ids of further APIs that are ours, of this name, and without a route."""

    @property
    def default_routes(self) -> list[Part]:
        return [route for route in self.routes if route["RouteKey"] == "$default"]

    @property
    def routes_by_hand(self) -> list[Part]:
        return [route for route in self.routes if route["RouteKey"] != "$default"]

    @property
    def integration(self) -> Part | None:
        """The one that the default route targets, else the first."""
        targets = [target_of(route) for route in self.default_routes[:1]]
        used = [entry for entry in self.integrations if entry["IntegrationId"] in targets]
        return next(iter([*used, *self.integrations]), None)

    @property
    def leftovers(self) -> list[tuple[str, str]]:
        """What is there twice, as (kind, id). Routes made by hand, and what they target, are left alone."""
        keep = {target_of(route) for route in self.routes_by_hand}
        if self.integration:
            keep.add(self.integration["IntegrationId"])
        return [
            *(("route", route["RouteId"]) for route in self.default_routes[1:]),
            *(("integration", e["IntegrationId"]) for e in self.integrations if e["IntegrationId"] not in keep),
            *(("API", twin) for twin in self.twins),
        ]


def target_of(route: Part) -> str:
    """The id of the integration that a route leads to; '' for none."""
    return str(route.get("Target") or "").partition("/")[2]


def plan_api(environment: Environment, spec: Spec, seen: SeenApi | None) -> list[Change]:
    """What has to change, part by part in the order of doing it."""
    subject = f"API {spec.name}"
    if seen is None:
        parts = [Change("create", part, why="does not exist") for part in (subject, *parts_of(subject))]
        return [*parts, *plan_permission(subject, spec.permission(PENDING), ())]
    return [
        *adoption(subject, environment, dict(seen.tags)),
        *plan_cors(subject, spec.cors, seen.cors),
        *plan_part(f"integration of {subject}", spec.integration, seen.integration),
        *plan_part(f"route $default of {subject}", route_of(seen), next(iter(seen.default_routes), None)),
        *plan_part(f"stage $default of {subject}", spec.stage, seen.stage),
        *plan_permission(subject, spec.permission(seen.id), seen.statements),
        *(Change("delete", f"{kind} {entry} of {subject}", why="is there twice") for kind, entry in seen.leftovers),
    ]


def parts_of(subject: str) -> list[str]:
    return [f"{part} of {subject}" for part in ("integration", "route $default", "stage $default")]


def plan_cors(subject: str, wanted: Part, seen: Part) -> list[Change]:
    if seen and not wanted:
        return [Change("delete", f"CORS of {subject}", why="the environment allows no origins")]
    return differences(f"CORS of {subject}", canonical(wanted), canonical(only(wanted, seen)))


def plan_part(subject: str, wanted: Part, seen: Part | None) -> list[Change]:
    if seen is None:
        return [Change("create", subject, why="does not exist")]
    return differences(subject, canonical(wanted), canonical(only(wanted, seen)))


def route_of(seen: SeenApi) -> Part:
    """Where the default route has to lead. An integration that is still to be made has no id yet."""
    return {"Target": f"integrations/{seen.integration['IntegrationId'] if seen.integration else PENDING}"}


def only(wanted: Part, seen: Part) -> dict[str, Any]:
    """What AWS says of the settings that we have a wish for; it adds others of its own."""
    return {
        key: only(value, seen.get(key) or {}) if isinstance(value, Mapping) else seen.get(key)
        for key, value in wanted.items()
    }


def canonical(part: Part, prefix: str = "") -> dict[str, object]:
    """Settings in one flat, comparable form: `AccessLogSettings.Format`. The order within a list means nothing."""
    flat: dict[str, object] = {}
    for key, value in part.items():
        if isinstance(value, Mapping):
            flat |= canonical(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            flat[prefix + key] = ", ".join(sorted(map(str, value)))
        else:
            flat[prefix + key] = value.removesuffix(":*") if key == "DestinationArn" and value else value
    return flat


def create_api(client: Any, spec: Spec, tags: Mapping[str, str]) -> SeenApi:
    """A bare API. It has its tags from its first moment, so one whose answer was lost is found again as ours."""
    cors = {"CorsConfiguration": spec.cors} if spec.cors else {}
    answer = client.create_api(Name=spec.name, ProtocolType="HTTP", Tags=dict(tags), **cors)
    return SeenApi(answer["ApiId"], answer["ApiEndpoint"], tags, spec.cors)


def apply_parts(client: Any, environment: Environment, spec: Spec, seen: SeenApi, arn: str) -> None:
    """Everything but the permission, each part only where it differs."""
    if not environment.owns(dict(seen.tags)):
        client.tag_resource(ResourceArn=arn, Tags=environment.tags)
    apply_cors(client, spec, seen)
    integration = apply_integration(client, spec, seen)
    apply_route(client, seen, f"integrations/{integration}")
    apply_stage(client, spec, seen, environment.tags)
    for kind, entry in seen.leftovers:
        remove(client, seen.id, kind, entry)


def apply_cors(client: Any, spec: Spec, seen: SeenApi) -> None:
    if not plan_cors("", spec.cors, seen.cors):
        return
    if spec.cors:
        write(lambda: client.update_api(ApiId=seen.id, CorsConfiguration=spec.cors))
    else:
        write(lambda: client.delete_cors_configuration(ApiId=seen.id))


def apply_integration(client: Any, spec: Spec, seen: SeenApi) -> str:
    """The id of the integration."""
    if seen.integration is None:
        return str(write(lambda: client.create_integration(ApiId=seen.id, **spec.integration))["IntegrationId"])
    ours = seen.integration["IntegrationId"]
    if plan_part("", spec.integration, seen.integration):
        write(lambda: client.update_integration(ApiId=seen.id, IntegrationId=ours, **spec.integration))
    return str(ours)


def apply_route(client: Any, seen: SeenApi, target: str) -> None:
    if not seen.default_routes:
        write(lambda: once(lambda: client.create_route(ApiId=seen.id, RouteKey="$default", Target=target)))
    elif seen.default_routes[0].get("Target") != target:
        route = seen.default_routes[0]["RouteId"]
        write(lambda: client.update_route(ApiId=seen.id, RouteId=route, Target=target))


def apply_stage(client: Any, spec: Spec, seen: SeenApi, tags: Mapping[str, str]) -> None:
    if seen.stage is None:
        stage = {**spec.stage, "Tags": dict(tags)}
        write(lambda: once(lambda: client.create_stage(ApiId=seen.id, StageName="$default", **stage)))
    elif plan_part("", spec.stage, seen.stage):
        write(lambda: client.update_stage(ApiId=seen.id, StageName="$default", **spec.stage))


def remove(client: Any, api_id: str, kind: str, entry: str) -> None:
    """Delete a part. One that is gone was deleted by a call whose answer was lost."""
    deletions: dict[str, Callable[[], Any]] = {
        "route": lambda: client.delete_route(ApiId=api_id, RouteId=entry),
        "integration": lambda: client.delete_integration(ApiId=api_id, IntegrationId=entry),
        "API": lambda: client.delete_api(ApiId=entry),
    }
    absent_as_none(lambda: when_settled(deletions[kind], patience=60.0))


def write(call: Callable[[], Any]) -> Any:
    """A write to an API that may be new, or under another change: API Gateway then says NotFound or Conflict."""
    return when_visible(lambda: when_settled(call, patience=60.0))


def once(create: Callable[[], Any]) -> Any:
    """Create; None if it is there already, since an answer was lost. The caller looks again and compares."""
    try:
        return create()
    except ClientError as error:
        if error_code(error) == "ConflictException" and "already exist" in str(error).lower():
            return None
        raise
