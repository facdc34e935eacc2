"""HTTP APIs compiled from moto's state: which route a request takes, and what stands behind it.

Everything that does not depend on the request is decided here once a generation (see lambda_runtime): the function and
its versions' weights, the invoke permission on exactly the qualifier that the integration names, throttling, log, the
fixed parts of the event. A route that cannot work carries its `problem`, which goes into the access log.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import JsonRESTError

from localcloud.gateway_access_log import AccessLog, stream_name
from localcloud.gateway_cors import Cors
from localcloud.gateway_limits import Bucket
from localcloud.gateway_request import Frame, frame
from localcloud.lambda_facts import Target, resolve, split_arn
from localcloud.lambda_policy import gateway_may_invoke
from localcloud.lambda_pool import Pool
from localcloud.meters import metrics_of, route_meter, stage_meter
from localcloud.metrics import Meter

if TYPE_CHECKING:
    from localcloud.cloud import Cloud
    from localcloud.lambda_runtime import LambdaRuntime

NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. "
    "Check the permissions and try again."
)
DEFAULT_TIMEOUT_MS = 30000
DEFAULT = "$default"


@dataclass
class Route:
    """One route of one stage, ready to be used."""

    key: str
    pattern: "re.Pattern[str] | None"
    """Of `METHOD /path`; None for `$default`."""
    parameters: tuple[str, ...]
    rank: tuple[int, ...]
    """The most specific route is the smallest."""
    frame: Frame
    timeout_s: float
    bucket: Bucket | None
    meter: Meter
    payload: str = "2.0"
    """The format of events and responses."""
    problem: str = ""
    asleep: str = ""
    """The inactive function that a request would wake."""
    arn: str = ""
    pools: tuple[tuple[float, Pool], ...] = ()

    def pick(self, draw: float) -> Pool:
        """The pool that takes a request, by a random number in [0, 1)."""
        for share, pool in self.pools:
            draw -= share
            if draw < 0:
                return pool
        return self.pools[0][1]


@dataclass
class Stage:
    """A stage with its routes, the most specific first."""

    name: str
    routes: list[Route]
    log: AccessLog | None
    variables: dict[str, str]
    meter: Meter
    """Of what no route takes."""

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a request, and its path parameters."""
        for route in self.routes:
            if route.pattern is None:
                return route, {}
            found = route.pattern.fullmatch(f"{method} {path}")
            if found:
                return route, dict(zip(route.parameters, found.groups(), strict=True))
        return None


@dataclass
class Api:
    """An HTTP API."""

    api_id: str
    stages: dict[str, Stage]
    cors: Cors | None

    def stage_for(self, path: str) -> tuple[Stage | None, str]:
        """The stage, and the path that its routes see: a named stage is the path's first segment."""
        first = path[1:].partition("/")[0]
        if first in self.stages and first != DEFAULT:
            return self.stages[first], path[len(first) + 1 :] or "/"
        return self.stages.get(DEFAULT), path


class Apis:
    """All HTTP APIs of a cloud, compiled as they are asked for and forgotten at each write."""

    def __init__(self, cloud: "Cloud", runtime: "LambdaRuntime") -> None:
        self._cloud, self._runtime = cloud, runtime
        self._generation = -1
        self._apis: dict[str, Api | None] = {}
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._logs: dict[tuple[str, ...], AccessLog] = {}

    def find(self, api_id: str) -> Api | None:
        """The API, as it is now; None if there is no such one, or its endpoint is switched off."""
        if self._generation != self._runtime.generation:
            self._generation = self._runtime.generation
            self._apis.clear()
        if api_id not in self._apis:
            found = self._cloud.backend("apigatewayv2").apis.get(api_id)
            self._apis[api_id] = self._compile(found) if found and not _is_off(found) else None
        return self._apis[api_id]

    def _compile(self, api: Any) -> Api:
        deployed = [stage for stage in list(api.stages.values()) if stage.deployment_id]
        stages = {stage.name: self._stage(api, stage) for stage in deployed}
        return Api(api.api_id, stages, Cors.read(api.cors_configuration))

    def _stage(self, api: Any, stage: Any) -> Stage:
        routes = [self._route(api, stage, route) for route in list(api.routes.values())]
        return Stage(
            stage.name,
            sorted(routes, key=lambda route: route.rank),
            self._log(api, stage),
            stage.stage_variables or {},
            stage_meter(metrics_of(self._cloud), api.api_id, stage.name),
        )

    def _route(self, api: Any, stage: Any, route: Any) -> Route:
        pattern, parameters, rank = compiled_key(route.route_key)
        integration = api.integrations.get((route.target or "").removeprefix("integrations/"))
        result = Route(
            key=route.route_key,
            pattern=pattern,
            parameters=parameters,
            rank=rank,
            frame=frame(
                route_key=route.route_key,
                stage=stage.name,
                api_id=api.api_id,
                account_id=self._cloud.account_id,
                region=self._cloud.region,
            ),
            timeout_s=(integration.timeout_in_millis if integration else DEFAULT_TIMEOUT_MS) / 1000,
            bucket=self._bucket(api, stage, route.route_key),
            meter=self._meter(api, stage, route.route_key),
            payload=(integration.payload_format_version if integration else None) or "2.0",
        )
        self._connect(api, stage, route, integration, result)
        return result

    def _connect(self, api: Any, stage: Any, route: Any, integration: Any, result: Route) -> None:
        """Find the function behind a route, or the reason why a request cannot reach it."""
        result.problem = unsupported(route, integration)
        if result.problem:
            return
        name, qualifier = split_arn(function_arn(integration.integration_uri))
        try:
            target = resolve(self._cloud, name, qualifier)
        except JsonRESTError as error:
            result.problem = f"The integration's Lambda function does not exist: {error.message}"
            return
        if not integration.credentials_arn and not self._permitted(api, stage, route, target):
            result.problem = NO_PERMISSION
            return
        if target.state in ("Failed", "Inactive"):
            result.problem = f"The Lambda function is in state {target.state}"
            result.asleep = name if target.state == "Inactive" else ""
            return
        result.arn, result.pools = target.arn, self._runtime.pools(target)

    def _permitted(self, api: Any, stage: Any, route: Any, target: Target) -> bool:
        """Whether the function's policy lets this API call it; a route's source is `api/stage/METHOD/path`."""
        statements = self._cloud.backend("lambda").get_function(target.name).policy.statements
        account, region = self._cloud.account_id, self._cloud.region
        method, _, path = route.route_key.partition(" ")
        place = f"{method if method != 'ANY' else '*'}{path}" if path else f"{DEFAULT}"
        source = f"arn:aws:execute-api:{region}:{account}:{api.api_id}/{stage.name}/{place}"
        return gateway_may_invoke(statements, function_arn=target.arn, source_arn=source, account=account)

    def _meter(self, api: Any, stage: Any, route_key: str) -> Meter:
        detailed = settings_of(stage, route_key).get("detailedMetricsEnabled")
        if detailed:
            return route_meter(metrics_of(self._cloud), api.api_id, stage.name, route_key)
        return stage_meter(metrics_of(self._cloud), api.api_id, stage.name)

    def _bucket(self, api: Any, stage: Any, route_key: str) -> Bucket | None:
        settings = settings_of(stage, route_key)
        rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
        if rate is None and burst is None:
            return None
        limits = (float(rate if rate is not None else 10000), float(burst if burst is not None else 5000))
        key = (api.api_id, stage.name, route_key)
        known = self._buckets.get(key)
        if known is None or (known.rate, known.burst) != limits:
            known = self._buckets[key] = Bucket(*limits)
        return known

    def _log(self, api: Any, stage: Any) -> AccessLog | None:
        settings = stage.access_log_settings or {}
        group = settings.get("destinationArn", "").partition(":log-group:")[2].removesuffix(":*")
        if not group:
            return None
        key = (api.api_id, stage.name, group, settings.get("format", ""))
        if key not in self._logs:
            stream = self._runtime.logs.stream(group, stream_name(api.api_id, stage.name))
            domain = f"{api.api_id}.execute-api.{self._cloud.region}.amazonaws.com"
            self._logs[key] = AccessLog(
                stream,
                settings.get("format", ""),
                {
                    "apiId": api.api_id,
                    "stage": stage.name,
                    "accountId": self._cloud.account_id,
                    "domainName": domain,
                    "domainPrefix": api.api_id,
                },
            )
        return self._logs[key]


def settings_of(stage: Any, route_key: str) -> dict[str, Any]:
    """A route's settings: the stage's, where it has none of its own."""
    return {**(stage.default_route_settings or {}), **(stage.route_settings or {}).get(route_key, {})}


def compiled_key(key: str) -> "tuple[re.Pattern[str] | None, tuple[str, ...], tuple[int, ...]]":
    """Pattern, parameter names and rank of a route key. Fixed segments come before variables, those before `{x+}`."""
    if key == DEFAULT:
        return None, (), (9,)
    method, _, path = key.partition(" ")
    segments = path.strip("/").split("/")
    names = tuple(s.strip("{}+") for s in segments if s.startswith("{"))
    kinds = tuple(2 if s.endswith("+}") else 1 if s.startswith("{") else 0 for s in segments)
    parts = [
        ("(.+)" if kind == 2 else "([^/]+)" if kind else re.escape(s)) for s, kind in zip(segments, kinds, strict=True)
    ]
    verb = "[A-Z]+" if method == "ANY" else re.escape(method)
    return re.compile(f"{verb} /{'/'.join(parts)}/?"), names, (*kinds, 8, method == "ANY")


def function_arn(uri: str) -> str:
    """The function's ARN in an integration's URI, which is that ARN or API Gateway's longer form of it."""
    return uri.rpartition("/functions/")[2].removesuffix("/invocations")


def unsupported(route: Any, integration: Any) -> str:
    """Why the embedded cloud cannot serve a route; '' if it can."""
    if integration is None:
        return f"The route {route.route_key!r} has no integration"
    if route.authorization_type not in (None, "", "NONE"):
        return f"SimulatorGap: the embedded cloud has no authorizers ({route.authorization_type!r})"
    if integration.integration_type != "AWS_PROXY":
        return f"SimulatorGap: the embedded cloud has AWS_PROXY integrations only, not {integration.integration_type!r}"
    return ""


def _is_off(api: Any) -> bool:
    return api.protocol_type != "HTTP" or str(api.disable_execute_api_endpoint).lower() == "true"
