"""One execution environment: a process, its port of the Runtime API, its log stream, and one request at a time.

A thread of its own unpacks the code, starts the process and waits for its end; all else happens in the loop. A sandbox
is `starting` until its runtime first asks for work, then `idle` or `busy`, and `dead` when it has been killed or has
ended; a dead one is never used again.
"""

import asyncio
import contextlib
import logging
import math
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from localcloud.lambda_guard import Guard
from localcloud.lambda_invocation import Invocation, error_payload, trace_id
from localcloud.lambda_journal import Journal
from localcloud.lambda_process import CannotStart, describe_exit, kill, prepare, spawn
from localcloud.lambda_protocol import MAX_RESPONSE, RuntimeConnection

if TYPE_CHECKING:
    from localcloud.lambda_pool import Pool

logger = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
EXITED = "Runtime exited without providing a reason"


@dataclass(frozen=True)
class Failure:
    """Why a sandbox could not start or go on. `payload` is the runtime's own account of it, where there is one."""

    kind: str
    message: str
    payload: bytes = b""


class Sandbox:
    """A process that runs one version of a function."""

    def __init__(self, pool: "Pool", *, provisioned: bool = False) -> None:
        self.pool, self.runtime, self.function = pool, pool.runtime, pool.function
        self.provisioned = provisioned
        """It was made before anybody asked, and stays."""
        self.state: Literal["starting", "idle", "busy", "dead"] = "starting"
        self.journal = Journal(pool.runtime.logs, pool.function)
        self.max_memory_mb = 0
        self.idle_since = self.born = self.runtime.clock()
        self.spawn_s = 0.0
        """Seconds that it took to start the process."""
        self.init_s = 0.0
        """Seconds from the running process to its first `/next`."""
        self._init_reported = False
        self._invocation: Invocation | None = None
        self._request = b""
        self._started_at = self._begun = 0.0
        """Of the request, by the loop's clock and by the calendar's."""
        self._process: subprocess.Popen[bytes] | None = None
        self._meter: psutil.Process | None = None
        self._connection: RuntimeConnection | None = None
        self._server: asyncio.Server | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self, guard: Guard) -> None:
        """Open the port and begin to start the process."""
        loop = self.runtime.loop
        try:
            self._server = await loop.create_server(lambda: RuntimeConnection(self), "127.0.0.1", 0)
        except OSError as error:
            self._ended(Failure("Sandbox.Failure", f"the embedded cloud has no port for the Runtime API: {error}"))
            return
        loop.add_reader(self.journal.reader, self.journal.read_output)
        address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self._live, args=(address, guard), name="sandbox", daemon=True).start()

    def _live(self, runtime_api: str, guard: Guard) -> None:
        """The process's life, in a thread."""
        try:
            process = self._spawn(runtime_api)
        except CannotStart as error:
            failure = Failure(error.kind, str(error))
        except Exception as error:  # whatever it is, the request that waits must be told, and the sandbox closed
            logger.exception("the process of function %r could not be started", self.function.name)
            failure = Failure("Sandbox.Failure", f"the embedded cloud could not start the process: {error!r}")
        else:
            failure = self._wait(process, guard)
        self.runtime.loop.call_soon_threadsafe(self._ended, failure)

    def _spawn(self, runtime_api: str) -> "subprocess.Popen[bytes]":
        """Start the process, in the sandbox's thread."""
        tell, cloud = self.runtime.loop.call_soon_threadsafe, self.runtime.cloud
        start = prepare(
            cloud.home,
            self.function,
            runtime_api=runtime_api,
            log_stream=self.journal.name,
            endpoint=cloud.aws_endpoint,
            provisioned=self.provisioned,
        )
        tell(self._starts)
        begun = self.runtime.clock()
        process = spawn(start, self.journal.writer)
        tell(self._spawned, process, begun, self.runtime.clock())
        return process

    def _wait(self, process: "subprocess.Popen[bytes]", guard: Guard) -> Failure:
        """Wait for the end of the process, in the sandbox's thread; how it ended."""
        guard.add(process.pid)
        returncode = process.wait()
        kill(process)  # what it left behind in its process group
        guard.remove(process.pid)
        message = f"Runtime exited with error: {describe_exit(returncode)}" if returncode else EXITED
        return Failure("Runtime.ExitError", message)

    def _starts(self) -> None:
        self.born = self.runtime.clock()
        self.journal.init_start()

    def _spawned(self, process: "subprocess.Popen[bytes]", begun: float, running: float) -> None:
        self._process, self.born, self.spawn_s = process, running, running - begun
        with contextlib.suppress(psutil.NoSuchProcess):
            self._meter = psutil.Process(process.pid)
        if self.state == "dead":
            kill(process)

    def kill(self) -> None:
        """End it for good; `_ended` follows when the process is gone."""
        self.state = "dead"
        self.pool.forget(self)
        if self._process is not None:
            kill(self._process)

    def _ended(self, failure: Failure) -> None:
        """The process is gone, or there never was one."""
        self.journal.read_output()
        before, self.state = self.state, "dead"
        if before == "starting":
            self._init_failed(failure)
        elif before == "busy":
            self._fail(failure)
        self._close()
        self.pool.forget(self)
        self.runtime.gone(self)

    def _init_failed(self, failure: Failure) -> None:
        """The log says how it failed, and the request that waited longest gets the error."""
        self.journal.init_failed(failure.kind, self.runtime.clock() - self.born)
        self.pool.init_failed(self, failure)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._connection is not None:
            self._connection.transport.close()
        self.runtime.loop.remove_reader(self.journal.reader)
        self.journal.close()

    # --- what the runtime asks ----------------------------------------------------------------------------------

    def next(self, connection: RuntimeConnection) -> None:
        """The runtime wants an event; it waits until there is one."""
        if self.state in ("busy", "dead"):
            connection.transport.close()
            return
        waits_already = self._connection is not None
        self._connection = connection
        if self.state == "starting":
            self.state, self.init_s = "idle", self.runtime.clock() - self.born
            self._look_at_memory()
        if not waits_already:
            self.pool.ready(self)

    def lost(self, connection: RuntimeConnection) -> None:
        """A connection closed. A runtime that waited on it will open another, or has died."""
        if connection is self._connection:
            self._connection = None
            if self.state == "idle":
                self.pool.not_ready(self)

    def is_running(self, request_id: bytes) -> bool:
        return self.state == "busy" and request_id == self._request

    def init_error(self, payload: bytes) -> None:
        """The runtime itself says that it cannot start, and why."""
        if self.state == "starting":
            self.journal.read_output()
            self.kill()
            self._init_failed(Failure("Runtime.InitError", "the runtime reported an error", payload))

    def too_large(self, size: int) -> None:
        """The answer is longer than Lambda passes on."""
        message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
        self._fail(Failure("Function.ResponseSizeTooLarge", message))

    # --- one request --------------------------------------------------------------------------------------------

    def run(self, invocation: Invocation) -> None:
        """Write an event to the waiting runtime."""
        assert self._connection is not None
        now = self._begun = time.time()
        self.state, self._invocation = "busy", invocation
        self._started_at, self._request = self.runtime.clock(), invocation.request_id.encode()
        event = invocation.event
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"  # awslambdaric crashes without the type
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int(now * 1000) + self.function.timeout_s * 1000}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {invocation.arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {trace_id(now)}\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        )
        self._connection.transport.write(head.encode("latin-1") + event)
        self.journal.start(invocation, now)

    def finish(self, payload: bytes, *, failed: bool, status: str = "") -> None:
        """The outcome of the request: logged, then handed to its caller."""
        invocation, self._invocation = self._invocation, None
        assert invocation is not None
        seconds = self.runtime.clock() - self._started_at
        self.pool.note(invocation, at=self._begun, seconds=seconds, failed=failed)
        self.journal.end(
            invocation.request_id,
            duration_s=seconds,
            init_s=0.0 if self._init_reported else self.init_s,
            memory_mb=self.max_memory_mb,
            status=status,
        )
        self._init_reported = True
        if self.state == "busy":
            self.state = "idle"  # `/next` follows; until then there is no connection to run on
            self._connection, self.idle_since = None, self._started_at
        self.pool.finished()
        invocation.done(payload, failed)

    def reject(self, invocation: Invocation, failure: Failure) -> None:
        """Give a request that was to run here the reason why nothing can."""
        self._invocation, self._started_at, self._begun = invocation, self.runtime.clock(), time.time()
        self.journal.start(invocation, self._begun)
        self._fail(failure)

    def _fail(self, failure: Failure, *, status: str = "error") -> None:
        """End the request with an error of ours."""
        assert self._invocation is not None
        request, kind = self._invocation.request_id, failure.kind
        self.journal.read_output()
        self.journal.error(request, kind, failure.message)
        payload = failure.payload or error_payload(kind, failure.message, request)
        self.finish(payload, failed=True, status=f"{status}\tError Type: {kind}")

    # --- limits -------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Called every now and then while there is work: the limits of time and memory."""
        if self.state == "starting":
            self._look_at_start(now)
        if self._invocation is not None and self._invocation.expires <= now:
            self._invocation.expires = math.inf
            self._invocation.expired()
        if self.state == "busy" and now - self._started_at > self.function.timeout_s:
            self.kill()
            message = f"Task timed out after {self.function.timeout_s:.2f} seconds"
            self._fail(Failure("Sandbox.Timedout", message), status="timeout")
        elif self.state == "busy" and self._look_at_memory() > self.function.memory_mb:
            self.max_memory_mb = self.function.memory_mb
            self.kill()
            self._fail(Failure("Runtime.ExitError", "Runtime exited with error: signal: killed"))

    def _look_at_start(self, now: float) -> None:
        limit = self.runtime.limits.init_timeout_s
        if now - self.born > limit:
            self.journal.read_output()
            self.kill()
            self._init_failed(Failure("Sandbox.Timedout", f"Task timed out after {limit:.2f} seconds"))

    @property
    def is_computing(self) -> bool:
        """Whether its process has, or wants, a core at this moment."""
        with contextlib.suppress(psutil.Error):
            return self._meter is not None and bool(self._meter.status() == psutil.STATUS_RUNNING)
        return False

    def _look_at_memory(self) -> int:
        """Megabytes in use now; the greatest is remembered."""
        if self._meter is None:
            return 0
        with contextlib.suppress(psutil.Error):
            used = int(self._meter.memory_info().rss / MEGABYTE)
            self.max_memory_mb = max(self.max_memory_mb, used)
            return used
        return 0
