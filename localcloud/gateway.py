"""The API Gateway front: HTTP APIs at `/_api/{api_id}/…`, or by the Host `{api_id}.execute-api.…`.

`await start(cloud)` listens on the cloud's api port, in the cloud's event loop; `await stop()` also ends the Lambda
runtime behind it. A request goes from its socket to the waiting runtime's and back in callbacks, without tasks.
"""

import asyncio
import gc
import time
from random import Random
from typing import TYPE_CHECKING, cast

from localcloud import lambda_runtime
from localcloud.gateway_access_log import Record
from localcloud.gateway_apis import Api, Apis, Route, Stage
from localcloud.gateway_http import Connection
from localcloud.gateway_request import Request, event
from localcloud.gateway_request_v1 import event_v1
from localcloud.gateway_response import Malformed, Response, function_error, mapped, own
from localcloud.lambda_facts import Function
from localcloud.lambda_invocation import Invocation
from localcloud.lambda_invoke import MAX_PAYLOAD
from localcloud.lambda_policy import key_denied
from localcloud.lambda_states import wake
from localcloud.meters import INTEGRATION, LATENCY, PROCESSED

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

COLLECTING = (50_000, 20, 100)
"""Thresholds of the garbage collector. A full collection looks at all of moto and botocore, and stops every request
for a quarter of a second; with Python's own (700, 10, 10) log lines bring one on every few thousand requests."""
NOT_FOUND = own(404, "Not Found")
FAILED = own(500, "Internal Server Error")
UNAVAILABLE = own(503, "Service Unavailable")
THROTTLED = own(429, "Too Many Requests")
TOO_LARGE = own(413, "Request Entity Too Large")


class Exchange(Invocation):
    """One request on its way through the gateway and back."""

    __slots__ = (
        "answered",
        "api",
        "at",
        "connection",
        "gateway",
        "integrated_at",
        "request",
        "route",
        "stage",
        "started_at",
    )

    def __init__(self, gateway: "Gateway", connection: Connection, request: Request) -> None:
        super().__init__(b"", "")
        self.gateway, self.connection, self.request = gateway, connection, request
        self.at, self.started_at = time.time(), gateway.clock()
        self.api: Api | None = None
        self.stage: Stage | None = None
        self.route: Route | None = None
        self.integrated_at: float | None = None
        self.answered = False

    def done(self, payload: bytes, failed: bool) -> None:
        """The function's outcome. After the integration's timeout nobody waits for it any more."""
        if self.answered:
            return
        if failed:
            self.answer(FAILED, error="Internal Server Error", problem=function_error(payload))
            return
        try:
            response = mapped(payload, strict=self.route is not None and self.route.payload == "1.0")
        except Malformed as problem:
            self.answer(FAILED, error="Internal Server Error", problem=str(problem))
            return
        self.answer(response, integration_status="200")

    def expired(self) -> None:
        problem = "Endpoint request timed out"
        self.answer(UNAVAILABLE, error="Service Unavailable", problem=problem)

    def answer(self, response: Response, *, error: str = "", problem: str = "", integration_status: str = "") -> None:
        """Send the response, and note it in the access log."""
        self.answered = True
        if self.api is not None and self.api.cors is not None:
            headers = self.api.cors.apply(self.request, response.headers)
            response = Response(response.status, headers, response.body)
        self.connection.respond(response, self.request_id)
        if self.stage is not None:
            now = self.gateway.clock()
            self._measure(self.stage, response, now)
            if self.stage.log is not None:
                self.stage.log.add(self._record(response, now, error, problem, integration_status))

    def _measure(self, stage: Stage, response: Response, now: float) -> None:
        """Note the request in the metrics, under the moment of its arrival."""
        moment = (self.route or stage).meter.at(int(self.at))
        moment.values[LATENCY].fresh.append((now - self.started_at) * 1000)
        moment.values[PROCESSED].fresh.append(len(self.request.body) + len(response.body))
        if self.integrated_at is not None:
            moment.values[INTEGRATION].fresh.append((now - self.integrated_at) * 1000)
        if response.status >= 400:
            moment.flags[response.status >= 500] += 1

    def _record(self, response: Response, now: float, error: str, problem: str, integration_status: str) -> Record:
        request = self.request
        return Record(
            request_id=self.request_id,
            at=self.at,
            method=request.method,
            path=request.path,
            protocol=request.protocol,
            source_ip=request.source_ip,
            user_agent=request.headers.get("user-agent", ""),
            route_key=self.route.key if self.route else "",
            status=response.status,
            length=len(response.body),
            latency=(now - self.started_at) * 1000,
            error=error,
            integration_error=problem,
            integration_status=integration_status,
            integration_latency=None if self.integrated_at is None else (now - self.integrated_at) * 1000,
            integration_request_id=self.request_id if self.integrated_at is not None else "",
        )


class Gateway:
    """The running front."""

    def __init__(self, cloud: "Cloud", runtime: lambda_runtime.LambdaRuntime) -> None:
        self.cloud, self.runtime, self.clock = cloud, runtime, runtime.clock
        self.apis = Apis(cloud, runtime)
        self.port, self.port_text = 0, ""
        self.connections: set[Connection] = set()
        self._random = Random().random
        self._server: asyncio.Server | None = None
        self._collecting = gc.get_threshold()

    async def start(self, port: int) -> None:
        server = await self.cloud.loop.create_server(lambda: Connection(self), "127.0.0.1", port, backlog=1024)
        self._server = cast(asyncio.Server, server)
        self.port = self._server.sockets[0].getsockname()[1]
        self.port_text = str(self.port)
        gc.set_threshold(*COLLECTING)
        self.runtime.changed()  # what was saved may ask for provisioned sandboxes

    async def stop(self) -> None:
        """Close every connection and end every function's process."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        await self.runtime.stop()
        gc.set_threshold(*self._collecting)

    def handle(self, connection: Connection, request: Request, api_id: str) -> None:
        """Take a complete request to its function, or answer it at once."""
        exchange = Exchange(self, connection, request)
        api = exchange.api = self.apis.find(api_id)
        if api is None:
            exchange.answer(NOT_FOUND)
            return
        stage, path = api.stage_for(request.path)
        exchange.stage = stage
        preflight = api.cors.preflight(request) if api.cors else None
        if preflight is not None:
            connection.respond(preflight, exchange.request_id)
            return
        found = stage.match(request.method, path) if stage else None
        if stage is None or found is None:
            exchange.answer(NOT_FOUND, error="Not Found")
            return
        self._integrate(exchange, stage, *found)

    def _integrate(self, exchange: Exchange, stage: Stage, route: Route, parameters: dict[str, str]) -> None:
        exchange.route = route
        now = self.clock()
        if route.bucket is not None and not route.bucket.take(now):
            exchange.answer(THROTTLED, error="Too Many Requests")
            return
        if route.problem:
            if route.asleep:
                wake(self.cloud, route.asleep)
            exchange.answer(FAILED, error="Internal Server Error", problem=route.problem)
            return
        exchange.event = self._event(exchange, stage, route, parameters)
        if len(exchange.event) > MAX_PAYLOAD["RequestResponse"]:
            exchange.answer(
                TOO_LARGE, error="Request Entity Too Large", problem="the event is larger than Lambda takes"
            )
            return
        exchange.arn, exchange.integrated_at, exchange.expires = route.arn, now, now + route.timeout_s
        pool = route.pick(self._random())
        if pool.function.kms_key and (denied := self._key_denied(pool.function)):
            exchange.answer(FAILED, error="Internal Server Error", problem=denied)
        elif not pool.submit(exchange):
            exchange.answer(
                UNAVAILABLE, error="Service Unavailable", problem="Lambda throttled the request: Rate Exceeded."
            )

    def _key_denied(self, function: Function) -> str:
        return key_denied(self.cloud.backend("iam"), function.role, function.kms_key)

    def _event(self, exchange: Exchange, stage: Stage, route: Route, parameters: dict[str, str]) -> bytes:
        """The event in the integration's format."""
        if route.payload == "2.0":
            return event(
                route.frame,
                exchange.request,
                request_id=exchange.request_id,
                now=exchange.at,
                path_parameters=parameters,
                stage_variables=stage.variables,
            )
        assert exchange.api is not None
        return event_v1(
            exchange.request,
            route_key=route.key,
            stage=stage.name,
            api_id=exchange.api.api_id,
            account_id=self.cloud.account_id,
            region=self.cloud.region,
            request_id=exchange.request_id,
            now=exchange.at,
            path_parameters=parameters,
            stage_variables=stage.variables,
        )


async def start(cloud: "Cloud") -> Gateway:
    """Listen on the cloud's api port (0: a free one; `port` says which). Runs in the cloud's loop."""
    gateway = Gateway(cloud, lambda_runtime.of(cloud))
    await gateway.start(cloud.api_port)
    return gateway
