"""The Lambda runtime of the embedded cloud: real processes that run exactly the zip that was uploaded.

`install(cloud)` puts it under moto's Invoke API and watches for writes; `of(cloud)` is then the runtime, which the API
front uses too. Everything happens in the cloud's event loop, but for the threads that start processes and those in
which the AWS endpoint waits for an answer. `generation` counts the writes that may have changed what a request meets;
who keeps something compiled from moto's state compares it.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from localcloud.lambda_code import RESTED_S, forget_unfinished, remove_unused
from localcloud.lambda_facts import Function, Target, read, resolve
from localcloud.lambda_guard import Guard
from localcloud.lambda_logs import LogBook
from localcloud.lambda_pool import Gauge, Pool
from localcloud.lambda_sandbox import Sandbox
from localcloud.meters import concurrency_meter, function_meter, metrics_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

LOOK_EVERY = 0.05
"""Seconds between two looks at time and memory, while there is work."""


@dataclass(frozen=True)
class Limits:
    """What the runtime allows itself. Times in seconds."""

    concurrency: int = 1000
    """Requests waiting or running in the whole account: AWS's default."""
    processes: int = 10
    """Sandboxes of one version."""
    eager_processes: int = 2 * (os.cpu_count() or 2)
    """Sandboxes of one version that start as soon as a request finds none idle."""
    starved_s: float = LOOK_EVERY
    """Nothing has moved for so long, and none computes: start more."""
    init_timeout_s: float = 10.0
    """Lambda's own limit of the init phase."""
    idle_s: float = 300.0
    """A sandbox without work lives so long."""


class LambdaRuntime:
    """All sandboxes of a cloud."""

    def __init__(
        self, cloud: "Cloud", *, limits: Limits = Limits(), clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.cloud, self.limits, self.clock = cloud, limits, clock
        self.loop: asyncio.AbstractEventLoop = cloud.loop
        self.logs = LogBook(cloud)
        self.account = Gauge(limits.concurrency)
        self.generation = 0
        self.stopping = False
        self._pools: dict[Function, Pool] = {}
        self._gauges: dict[str, Gauge] = {}
        self._guard: Guard | None = None
        self._alive: set[Sandbox] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = False
        self._all_gone = asyncio.Event()
        self._tidying: asyncio.TimerHandle | None = None
        forget_unfinished(cloud.home)
        self.tidy()

    def pools(self, target: Target) -> tuple[tuple[float, Pool], ...]:
        """The pools of a target's versions, with their shares of the traffic."""
        metrics = metrics_of(self.cloud)
        gauge = self._gauges.setdefault(target.name, Gauge(0))
        gauge.limit = self.limits.concurrency if target.reserved is None else target.reserved
        gauge.meter = concurrency_meter(metrics, target.name)
        pools = tuple((share, self._pool(function, gauge)) for share, function in target.shares)
        for _, pool in pools:
            pool.meters[target.arn] = function_meter(
                metrics, target.name, target.qualifier, pool.function.version, split=len(pools) > 1
            )
        return pools

    def _pool(self, function: Function, gauge: Gauge) -> Pool:
        pool = self._pools.get(function)
        if pool is None or pool.retired:
            pool = self._pools[function] = Pool(self, function, gauge)
        return pool

    def changed(self) -> None:
        """Something that requests depend on was written. May be called from any thread."""
        self.generation += 1
        if not self.stopping and not self.loop.is_closed():  # closed: the cloud could not start
            self.loop.call_soon_threadsafe(self._review)

    def start(self, sandbox: Sandbox) -> None:
        """Start a sandbox that its pool has made. The first one brings the guard with it."""
        self._alive.add(sandbox)
        self._guard = self._guard or Guard()
        task = self.loop.create_task(sandbox.start(self._guard))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.watch()

    def gone(self, sandbox: Sandbox) -> None:
        """A sandbox's process has ended."""
        self._alive.discard(sandbox)
        if not self._alive:
            self._all_gone.set()

    def watch(self) -> None:
        """See that limits are enforced while there is work."""
        if not self._watching:
            self._watching = True
            self.loop.call_later(LOOK_EVERY, self._look)

    @property
    def sandboxes(self) -> list[Sandbox]:
        """Those whose process, perhaps, still runs."""
        return list(self._alive)

    async def empty(self) -> None:
        """Kill every process, and wait until they are gone: the next request is a cold start."""
        self._all_gone.clear()
        for sandbox in self.sandboxes:
            sandbox.kill()
        if self._alive:
            await self._all_gone.wait()

    async def stop(self) -> None:
        """End everything; no process is left."""
        self.stopping = True
        await self.empty()
        self.logs.stop()
        if self._guard is not None:
            self._guard.stop()
        _runtimes.pop(self.cloud, None)

    def _look(self) -> None:
        now = self.clock()
        for gauge in self._gauges.values():
            gauge.note(time.time())
        working = [pool.look(now) for pool in list(self._pools.values())]
        self._watching = any(working)
        if self._watching:
            self.loop.call_later(LOOK_EVERY, self._look)
        elif self._alive:
            self.loop.call_later(self.limits.idle_s, self._reap)

    def _reap(self) -> None:
        for pool in list(self._pools.values()):
            pool.reap(self.clock() - self.limits.idle_s)

    def _review(self) -> None:
        """Retire the pools of versions that were deleted or changed."""
        for function, pool in list(self._pools.items()):
            if self._current(function) != function:
                pool.retire()
            if pool.retired and not pool.sandboxes:
                del self._pools[function]
        self._provision()
        self._tidying = self._tidying or self.loop.call_later(1.5 * RESTED_S, self.tidy)

    def _provision(self) -> None:
        """Let each version have as many provisioned sandboxes as was asked for."""
        from localcloud.aws.function_provisioning import wishes

        wanted = dict[Pool, int]()
        for name, version, number in wishes(self.cloud.backend("lambda")):
            ((_, pool),) = self.pools(resolve(self.cloud, name, version))
            wanted[pool] = number
        for pool in list(self._pools.values()):
            if pool in wanted or pool.has_provisioned:
                pool.provision(wanted.get(pool, 0))

    def provisioned(self, name: str, version: str) -> tuple[int, str]:
        """How many provisioned sandboxes of a version are ready, and why there are no more; from any thread."""
        for function, pool in list(self._pools.items()):
            if (function.name, function.version) == (name, version) and not pool.retired:
                return pool.ready_provisioned, pool.problem
        return 0, ""

    def tidy(self) -> None:
        """Remove, in a thread, the unpacked code that no version has and no process uses."""
        from localcloud.aws.function_versions import all_versions

        self._tidying = None
        used = {vars(version).get("code_digest", "") for version in all_versions(self.cloud.backend("lambda"))}
        used |= {sandbox.function.code_sha256 for sandbox in self._alive}
        threading.Thread(target=remove_unused, args=(self.cloud.home, used), name="lambda-tidy", daemon=True).start()

    def _current(self, function: Function) -> Function | None:
        """The same version as moto has it now; None if it is gone."""
        versions = self.cloud.backend("lambda").list_versions_by_function(function.name)
        return next((read(found) for found in versions if str(found.version) == function.version), None)


_runtimes: "WeakKeyDictionary[Cloud, LambdaRuntime]" = WeakKeyDictionary()


def of(cloud: "Cloud") -> LambdaRuntime:
    """The runtime of a cloud, installed if it was not yet."""
    return install(cloud)


def install(cloud: "Cloud", *, limits: Limits = Limits()) -> LambdaRuntime:
    """Let a cloud run functions; a second call changes nothing. The cloud's patches take it out of moto again."""
    if cloud in _runtimes:
        return _runtimes[cloud]
    from localcloud.lambda_invoke import install_invoke

    runtime = _runtimes[cloud] = LambdaRuntime(cloud, limits=limits)
    install_invoke(cloud, runtime)
    _count_writes(cloud, runtime)
    return runtime


def _count_writes(cloud: "Cloud", runtime: LambdaRuntime) -> None:
    """Every write to Lambda and API Gateway, and emptying moto, makes a new generation."""
    from moto.apigatewayv2.responses import ApiGatewayV2Response
    from moto.awslambda.responses import LambdaResponse
    from moto.core.base_backend import BackendDict

    def counted(original: Callable[..., Any], response: Any) -> Any:
        try:
            return original(response)
        finally:
            if response.method != "GET" and not response.path.endswith("/invocations"):
                runtime.changed()

    def emptied(original: Callable[..., Any]) -> None:
        original()
        runtime.changed()

    cloud.patches.wrap(LambdaResponse, "call_action")(counted)
    cloud.patches.wrap(ApiGatewayV2Response, "call_action")(counted)
    cloud.patches.wrap(BackendDict, "reset")(emptied)
