"""The sandboxes of one version: requests go to an idle one, else wait while another is started.

Lambda starts a sandbox for each request that finds none idle. A laptop cannot have a thousand processes, so up to two
for each core start that way, and more, up to `Limits.processes`, only when nothing has moved for a moment and none of
them computes: handlers that wait scale out, handlers that compute do not crowd the cores. Beyond the *concurrency*
requests are refused.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.lambda_facts import Function
from localcloud.lambda_invocation import Invocation
from localcloud.lambda_sandbox import Failure, Sandbox
from localcloud.meters import ERRORS, THROTTLES
from localcloud.metrics import Meter

if TYPE_CHECKING:
    from localcloud.lambda_runtime import LambdaRuntime

REPLACE_S = 0.2
"""Seconds until a provisioned sandbox that has ended is replaced."""


@dataclass
class Gauge:
    """How many requests of a function (or of all) are waiting or running, and how many may."""

    limit: int
    inflight: int = 0
    highest: int = 0
    """Since the last `note`."""
    meter: Meter | None = None

    @property
    def is_full(self) -> bool:
        return self.inflight >= self.limit

    def note(self, at: float) -> None:
        """Note how many there were at most."""
        if self.highest and self.meter is not None:
            self.meter.raise_to(at, self.highest)
        self.highest = self.inflight


class Pool:
    """The sandboxes of one version of a function, and the requests that wait for one."""

    def __init__(self, runtime: "LambdaRuntime", function: Function, gauge: Gauge) -> None:
        self.runtime, self.function, self.gauge = runtime, function, gauge
        self.sandboxes: set[Sandbox] = set()
        self.queue: deque[Invocation] = deque()
        self.meters: dict[str, Meter] = {}
        """By the ARN that was called, which names the version or alias."""
        self.retired = False
        """The version is gone or changed: what runs may finish, nothing stays."""
        self.problem = ""
        """Why there are fewer provisioned sandboxes than there shall be."""
        self._idle: list[Sandbox] = []
        self._moved_at = 0.0
        self._provisioned = 0
        """How many of them there shall be."""

    def submit(self, invocation: Invocation) -> bool:
        """Run an invocation as soon as a sandbox can; False if the concurrency is used up."""
        gauge, account = self.gauge, self.runtime.account
        if gauge.inflight >= gauge.limit or account.inflight >= account.limit:
            self.meters[invocation.arn].at(int(time.time())).flags[THROTTLES] += 1
            return False
        gauge.inflight += 1
        if gauge.inflight > gauge.highest:
            gauge.highest = gauge.inflight
        account.inflight += 1
        self.runtime.watch()
        if self._idle:
            self._idle.pop().run(invocation)
        else:
            self.queue.append(invocation)
            self._grow()
        return True

    def note(self, invocation: Invocation, *, at: float, seconds: float, failed: bool) -> None:
        """Note a run in the metrics, under the moment of its begin."""
        moment = self.meters[invocation.arn].at(int(at))
        moment.values[0].fresh.append(seconds * 1000)
        if failed:
            moment.flags[ERRORS] += 1

    def finished(self) -> None:
        """A request has its outcome."""
        self.gauge.inflight -= 1
        self.runtime.account.inflight -= 1

    def ready(self, sandbox: Sandbox) -> None:
        """A sandbox waits for work."""
        if self.queue:
            self._moved_at = self.runtime.clock()
            sandbox.run(self.queue.popleft())
        elif self.retired:
            sandbox.kill()
        else:
            self._idle.append(sandbox)

    def not_ready(self, sandbox: Sandbox) -> None:
        if sandbox in self._idle:
            self._idle.remove(sandbox)

    def forget(self, sandbox: Sandbox) -> None:
        """A sandbox is dead."""
        self.sandboxes.discard(sandbox)
        self.not_ready(sandbox)
        if self.queue:
            self._grow()
        if sandbox.provisioned and not self.problem:
            self.runtime.loop.call_later(REPLACE_S, self._replace)

    def init_failed(self, sandbox: Sandbox, failure: Failure) -> None:
        """A sandbox could not start: the request that has waited longest is told why."""
        if sandbox.provisioned:
            self.problem = "FUNCTION_ERROR_INIT_FAILURE"
        if self.queue:
            sandbox.reject(self.queue.popleft(), failure)

    def look(self, now: float) -> bool:
        """Enforce the limits, scale out if nothing moves; True while there is work."""
        for sandbox in list(self.sandboxes):
            sandbox.look(now)
        for invocation in [waiting for waiting in self.queue if waiting.expires <= now]:
            self.queue.remove(invocation)
            self.finished()
            invocation.expired()
        if self.queue and now - self._moved_at > self.runtime.limits.starved_s and self._would_more_help():
            self._scale_out()
        return bool(self.queue) or any(sandbox.state in ("starting", "busy") for sandbox in self.sandboxes)

    def reap(self, idle_since: float) -> None:
        """Kill what has had no work since then."""
        for sandbox in [one for one in self._idle if one.idle_since < idle_since and not one.provisioned]:
            sandbox.kill()

    def provision(self, number: int) -> None:
        """Have so many sandboxes that wait for work before anybody asks. A start that failed is tried again."""
        self._provisioned, self.problem = number, ""
        for sandbox in self._those_provisioned()[number:]:
            sandbox.provisioned = False
            if sandbox.state == "idle":
                sandbox.kill()
        self._replace()

    @property
    def has_provisioned(self) -> bool:
        return self._provisioned > 0

    @property
    def ready_provisioned(self) -> int:
        """How many of them have started."""
        return sum(sandbox.state in ("idle", "busy") for sandbox in self._those_provisioned())

    def retire(self) -> None:
        """The version is gone or changed."""
        self.retired = True
        for sandbox in list(self.sandboxes):
            if sandbox.state == "idle" or (sandbox.state == "starting" and not self.queue):
                sandbox.kill()

    def _those_provisioned(self) -> list[Sandbox]:
        return [sandbox for sandbox in list(self.sandboxes) if sandbox.provisioned]

    def _replace(self) -> None:
        """Start the provisioned sandboxes that are missing."""
        if self.retired or self.problem or self.runtime.stopping:
            return
        for _ in range(self._provisioned - len(self._those_provisioned())):
            sandbox = Sandbox(self, provisioned=True)
            self.sandboxes.add(sandbox)
            self.runtime.start(sandbox)

    def _grow(self) -> None:
        """A sandbox for each waiting request, up to two for each core."""
        most = self.runtime.limits.eager_processes
        while len(self.sandboxes) < most and self._starting() < len(self.queue) and self._add_one_of(most):
            pass

    def _scale_out(self) -> None:
        """Nothing moves although all have started: up to twice as many."""
        for _ in range(min(len(self.queue), len(self.sandboxes) or 1)):
            self._add_one_of(self.runtime.limits.processes)

    def _add_one_of(self, most: int) -> bool:
        if len(self.sandboxes) >= min(most, self.gauge.limit) or self.runtime.stopping:
            return False
        self._moved_at = self.runtime.clock()
        sandbox = Sandbox(self)
        self.sandboxes.add(sandbox)
        self.runtime.start(sandbox)
        return True

    def _would_more_help(self) -> bool:
        return not self._starting() and not any(sandbox.is_computing for sandbox in self.sandboxes)

    def _starting(self) -> int:
        return sum(sandbox.state == "starting" for sandbox in self.sandboxes)
