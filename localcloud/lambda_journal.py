"""What one sandbox logs: the lines of Lambda itself in its exact form, and what the process prints.

The process writes stdout and stderr into one pipe. It is read when there is something, and once more before each END,
so that a request's output stands between its START and END, and in the tail that its caller asked for. A start that
fails is tried again within the request on Lambda; here it is not, but what it printed stands in the request again.
"""

import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable

from localcloud.lambda_facts import Function
from localcloud.lambda_invocation import Invocation
from localcloud.lambda_logs import LogBook

REPORT = (
    "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\t"
    "Max Memory Used: %d MB\t%s%s\n"
)
REPEATED = 100
"""Lines of a failed start that stand in its request again."""


class Journal:
    """The log stream of one sandbox, and the pipe into it."""

    def __init__(self, book: LogBook, function: Function, *, now: Callable[[], float] = time.time) -> None:
        self.name = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{function.version}]{secrets.token_hex(16)}"
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._stream = book.stream(function.log_group, self.name, role=function.role)
        self._function, self._now = function, now
        self._invocation: Invocation | None = None
        self._unfinished = b""
        self._printed = deque[str](maxlen=REPEATED)
        """The last lines that no request caused."""
        self._again: tuple[str, ...] = ()

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)

    def read_output(self) -> None:
        """Take over what the process has printed so far."""
        while True:
            try:
                data = os.read(self.reader, 65536)
            except BlockingIOError:
                return
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            for line in lines:
                self._print(line)

    def init_start(self) -> None:
        self._note(self._now(), "INIT_START Runtime Version: %s (embedded cloud)\n", self._function.runtime)

    def init_failed(self, kind: str, duration_s: float) -> None:
        self._print_unfinished()
        self._again = tuple(self._printed)
        status = "timeout" if kind == "Sandbox.Timedout" else "error"
        template = "INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: %s\tError Type: %s\n"
        self._note(self._now(), template, duration_s * 1000, status, kind)

    def start(self, invocation: Invocation, at: float) -> None:
        self._invocation = invocation
        self._note(at, "START RequestId: %s Version: %s\n", invocation.request_id, self._function.version)
        again, self._again = self._again, ()
        for line in again:
            self._note(at, "%s\n", line)

    def error(self, request_id: str, kind: str, message: str) -> None:
        self._print_unfinished()
        self._note(self._now(), "RequestId: %s Error: %s\n%s\n", request_id, message, kind)

    def end(self, request_id: str, *, duration_s: float, init_s: float, memory_mb: int, status: str) -> None:
        """END and REPORT. `init_s`: of the first request, 0 for later ones; `status`: of failures of ours."""
        self.read_output()
        now, duration, init = self._now(), duration_s * 1000, init_s * 1000
        self._note(now, "END RequestId: %s\n", request_id)
        first = f"Init Duration: {init:.2f} ms\t" if init else ""
        ending = f"Status: {status}" if status else ""
        billed = math.ceil(duration + init)
        self._note(now, REPORT, request_id, duration, billed, self._function.memory_mb, memory_mb, first, ending)
        self._invocation = None

    def _print(self, line: bytes) -> None:
        text = line.decode(errors="replace").replace("\r", "\n")  # with which awslambdaric joins the lines of an event
        self._note(self._now(), "%s\n", text)
        if self._invocation is None:
            self._printed.append(text)

    def _print_unfinished(self) -> None:
        """A line that the process did not end before it died."""
        if self._unfinished:
            line, self._unfinished = self._unfinished, b""
            self._print(line)

    def _note(self, at: float, template: str, *values: object) -> None:
        self._stream.add(at, template, *values)
        if self._invocation is not None and self._invocation.log is not None:
            self._invocation.log.append(template % values)
