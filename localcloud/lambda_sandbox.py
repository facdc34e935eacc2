"""One execution environment: a process, its port of the Runtime API, its log stream, and one request at a time.

A thread of its own unpacks the code, starts the process and waits for its end; all else happens in the loop. A sandbox
is `starting` until its runtime first asks for work, then `idle` or `busy`, and `dead` when it has been killed or has
ended; a dead one is never used again.
"""

import asyncio
import contextlib
import math
import os
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from localcloud.lambda_guard import Guard
from localcloud.lambda_invocation import Invocation, error_payload, trace_id
from localcloud.lambda_process import CannotStart, describe_exit, kill, prepare, spawn
from localcloud.lambda_protocol import MAX_RESPONSE, RuntimeConnection

if TYPE_CHECKING:
    import subprocess

    from localcloud.lambda_pool import Pool

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

    def __init__(self, pool: "Pool") -> None:
        self.pool, self.runtime = pool, pool.runtime
        self.function = pool.function
        self.state: Literal["starting", "idle", "busy", "dead"] = "starting"
        stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{self.function.version}]{secrets.token_hex(16)}"
        self.log = self.runtime.logs.stream(self.function.log_group, stream, role=self.function.role)
        self.process: subprocess.Popen[bytes] | None = None
        self._meter: psutil.Process | None = None
        self.invocation: Invocation | None = None
        self.max_memory_mb = 0
        self.idle_since = self.born = self.runtime.clock()
        self.init_s: float | None = None
        """Seconds from the start of the process to its first `/next`; None before that and once reported."""
        self._connection: RuntimeConnection | None = None
        self._request = b""
        self._started_at = 0.0
        self._server: asyncio.Server | None = None
        self._unfinished = b""
        self._output, self._output_end = os.pipe()
        os.set_blocking(self._output, False)

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self, guard: Guard) -> None:
        """Open the port and begin to start the process."""
        loop = self.runtime.loop
        self._server = await loop.create_server(lambda: RuntimeConnection(self), "127.0.0.1", 0)
        loop.add_reader(self._output, self.read_output)
        port = self._server.sockets[0].getsockname()[1]
        threading.Thread(target=self._live, args=(f"127.0.0.1:{port}", guard), daemon=True).start()

    def _live(self, runtime_api: str, guard: Guard) -> None:
        """The process's life, in a thread."""
        tell = self.runtime.loop.call_soon_threadsafe
        endpoint = self.runtime.cloud.aws_endpoint
        try:
            start = prepare(
                self.runtime.cloud.home,
                self.function,
                runtime_api=runtime_api,
                log_stream=self.log.name,
                endpoint=endpoint,
            )
            tell(self._starts)
            process = spawn(start, self._output_end)
        except CannotStart as error:
            tell(self._ended, str(error), error.kind)
            return
        guard.add(process.pid)
        tell(self._spawned, process)
        returncode = process.wait()
        kill(process)  # what it left behind in its process group
        guard.remove(process.pid)
        reason = describe_exit(returncode)
        tell(self._ended, f"Runtime exited with error: {reason}" if returncode else EXITED, "Runtime.ExitError")

    def _starts(self) -> None:
        self.born = self.runtime.clock()
        self.log.add(f"INIT_START Runtime Version: {self.function.runtime} (embedded cloud)\n", time.time())

    def _spawned(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        with contextlib.suppress(psutil.NoSuchProcess):
            self._meter = psutil.Process(process.pid)
        if self.state == "dead":
            kill(process)

    def kill(self) -> None:
        """End it for good; `_ended` follows when the process is gone."""
        self.state = "dead"
        self.pool.forget(self)
        if self.process is not None:
            kill(self.process)

    def _ended(self, message: str, kind: str) -> None:
        """The process is gone, or there never was one."""
        self.read_output()
        if self.state == "starting":
            self._init_failed(kind, message)
        elif self.state == "busy":
            self.fail(kind, message)
        self.state = "dead"
        self._close()
        self.pool.forget(self)
        self.runtime.gone(self)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._connection is not None:
            self._connection.transport.close()
        self.runtime.loop.remove_reader(self._output)
        os.close(self._output)
        os.close(self._output_end)

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
            self.look_at_memory()
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
            self.read_output()
            self.kill()
            self.pool.init_failed(self, Failure("Runtime.InitError", "the runtime reported an error", payload))

    def too_large(self, size: int) -> None:
        message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
        self.fail("Function.ResponseSizeTooLarge", message)

    # --- one request --------------------------------------------------------------------------------------------

    def run(self, invocation: Invocation) -> None:
        """Write an event to the waiting runtime."""
        assert self._connection is not None
        now = time.time()
        self.state, self.invocation = "busy", invocation
        self._started_at, self._request = self.runtime.clock(), invocation.request_id.encode()
        event = invocation.event
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int(now * 1000) + self.function.timeout_s * 1000}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {invocation.arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {trace_id(now)}\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        )
        self._connection.transport.write(head.encode("latin-1") + event)
        self._note(f"START RequestId: {invocation.request_id} Version: {self.function.version}\n", now)

    def finish(self, payload: bytes, *, failed: bool, status: str = "") -> None:
        """The outcome of the request: logged, then handed to its caller."""
        invocation = self.invocation
        assert invocation is not None
        self.read_output()
        self._report(invocation.request_id, status)
        self.invocation = None
        if self.state == "busy":
            self.state = "idle"  # `/next` follows; until then it has no connection to run on
            self._connection, self.idle_since = None, self._started_at
        self.pool.finished()
        invocation.done(payload, failed)

    def fail(self, kind: str, message: str, *, status: str = "error") -> None:
        """End the request with an error of ours. Most such errors also end the sandbox: the caller says so first."""
        self._fail(Failure(kind, message), status)

    def reject(self, invocation: Invocation, failure: "Failure") -> None:
        """Give a request that was to run here the reason why nothing can."""
        self.invocation, self._started_at = invocation, self.runtime.clock()
        self._note(f"START RequestId: {invocation.request_id} Version: {self.function.version}\n", time.time())
        self._fail(failure, "error")

    def _fail(self, failure: "Failure", status: str) -> None:
        assert self.invocation is not None
        kind, request = failure.kind, self.invocation.request_id
        self._note(f"RequestId: {request} Error: {failure.message}\n{kind}\n", time.time())
        payload = failure.payload or error_payload(kind, failure.message, request)
        self.finish(payload, failed=True, status=f"{status}\tError Type: {kind}")

    def look(self, now: float) -> None:
        """Called every now and then while there is work: the limits of time and memory."""
        if self.state == "starting":
            limit = self.runtime.limits.init_timeout_s
            if now - self.born > limit:
                self.read_output()
                self.kill()
                self._init_failed("Sandbox.Timedout", f"Task timed out after {limit:.2f} seconds")
            return
        if self.invocation is not None and self.invocation.expires <= now:
            self.invocation.expires = math.inf
            self.invocation.expired()
        if self.state == "busy" and now - self._started_at > self.function.timeout_s:
            message = f"Task timed out after {self.function.timeout_s:.2f} seconds"
            self.kill()
            self.fail("Sandbox.Timedout", message, status="timeout")
        elif self.state == "busy" and self.look_at_memory() > self.function.memory_mb:
            self.max_memory_mb = self.function.memory_mb
            self.kill()
            self.fail("Runtime.ExitError", "Runtime exited with error: signal: killed")

    def look_at_memory(self) -> int:
        """Megabytes in use now; the greatest is remembered."""
        if self._meter is None:
            return 0
        with contextlib.suppress(psutil.Error):
            used = int(self._meter.memory_info().rss / MEGABYTE)
            self.max_memory_mb = max(self.max_memory_mb, used)
            return used
        return 0

    # --- logs ---------------------------------------------------------------------------------------------------

    def read_output(self) -> None:
        """Take over what the process has printed."""
        while True:
            try:
                data = os.read(self._output, 65536)
            except (BlockingIOError, OSError):
                break
            if not data:
                break
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            now = time.time()
            for line in lines:  # awslambdaric separates the lines of one event by carriage returns
                self._note(line.decode(errors="replace").replace("\r", "\n") + "\n", now)

    def _note(self, message: str, at: float) -> None:
        self.log.add(message, at)
        if self.invocation is not None and self.invocation.log is not None:
            self.invocation.log.append(message)

    def _report(self, request: str, status: str) -> None:
        now, duration = time.time(), (self.runtime.clock() - self._started_at) * 1000
        init = ""
        billed = duration
        if self.init_s is not None:
            init, billed, self.init_s = (
                f"Init Duration: {self.init_s * 1000:.2f} ms\t",
                duration + self.init_s * 1000,
                None,
            )
        self._note(f"END RequestId: {request}\n", now)
        self._note(
            f"REPORT RequestId: {request}\tDuration: {duration:.2f} ms\tBilled Duration: {int(billed) + 1} ms\t"
            f"Memory Size: {self.function.memory_mb} MB\tMax Memory Used: {self.max_memory_mb} MB\t{init}"
            + (f"Status: {status}\n" if status else "\n"),
            now,
        )

    def _init_failed(self, kind: str, message: str) -> None:
        """Starting failed: the log says how, and the request that waited longest gets the error."""
        duration = (self.runtime.clock() - self.born) * 1000
        status = "timeout" if kind == "Sandbox.Timedout" else "error"
        self._note(
            f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: init\tStatus: {status}\tError Type: {kind}\n",
            time.time(),
        )
        self.pool.init_failed(self, Failure(kind, message))
