"""Faults on demand, and the record of every AWS call.

A `Fault` answers the calls it matches with throttling, a server error, a broken connection, a state conflict or IAM's
delay, either instead of the operation or after it ("done, but the answer was lost"). `on_call` is told of each call
before and after it, and may raise `Dropped` to break the connection; the crash sweep kills its client there.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from localcloud.aws.operations import Operation
from localcloud.aws.wire import Answer, error_answer

Phase = Literal["before", "after"]
Kind = Literal["throttle", "server-error", "reset", "conflict", "iam-delay", "error"]
OnCall = Callable[[int, str, str, Phase], None]


class Dropped(Exception):
    """Break the connection without an answer."""


@dataclass(frozen=True)
class Call:
    """The `number`-th call since the record was cleared, from 1."""

    number: int
    service: str
    operation: str


@dataclass(frozen=True)
class Fault:
    """What to answer, and to which calls. An empty `service` or `operation` and a `call` of None match all."""

    kind: Kind
    service: str = ""
    operation: str = ""
    call: int | None = None
    """Only this call, by its number in the record."""
    skip: int = 0
    """Let this many matching calls through first."""
    times: int = 1
    when: Phase = "before"
    """`before`: instead of the operation. `after`: the operation is done, its answer is not sent."""
    code: str = ""
    message: str = ""
    status: int = 400
    """`code`, `message` and `status` are for the kind `error`."""

    def matches(self, call: Call, when: Phase) -> bool:
        return (
            when == self.when
            and self.service in ("", call.service)
            and self.operation in ("", call.operation)
            and self.call in (None, call.number)
        )


class Faults:
    """The active faults and the record of calls. Safe to use from several threads; never saved."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.on_call: OnCall | None = None
        self._active: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._active.append(fault)

    def clear(self) -> None:
        """Forget faults, record and callback; calls are numbered from 1 again."""
        with self._lock:
            self._active, self.calls, self.on_call = [], [], None

    @property
    def active(self) -> tuple[Fault, ...]:
        return tuple(self._active)

    def begin(self, operation: Operation) -> Call:
        """Record a call."""
        with self._lock:
            call = Call(len(self.calls) + 1, operation.service, operation.name)
            self.calls.append(call)
            return call

    def reach(self, call: Call, when: Phase, operation: Operation) -> Answer | None:
        """Tell `on_call`, then give the fault's answer if there is one; raises `Dropped` for a broken connection."""
        if self.on_call:
            self.on_call(call.number, call.service, call.operation, when)
        fault = self._take(call, when)
        if fault is None:
            return None
        if fault.kind == "reset":
            raise Dropped
        return answer_of(fault, operation)

    def _take(self, call: Call, when: Phase) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._active):
                if not fault.matches(call, when):
                    continue
                if fault.skip:
                    self._active[index] = replace(fault, skip=fault.skip - 1)
                    continue
                left = replace(fault, times=fault.times - 1)
                self._active[index : index + 1] = [left] if left.times else []
                return fault
        return None


THROTTLED: dict[str, tuple[str, int]] = {
    "apigatewayv2": ("TooManyRequestsException", 429),
    "ec2": ("RequestLimitExceeded", 503),
    "lambda": ("TooManyRequestsException", 429),
    "logs": ("ThrottlingException", 400),
    "s3": ("SlowDown", 503),
    "secretsmanager": ("ThrottlingException", 400),
}
CONFLICTS: dict[str, tuple[str, int]] = {
    "apigatewayv2": ("ConflictException", 409),
    "cloudfront": ("PreconditionFailed", 412),
    "ec2": ("DependencyViolation", 400),
    "iam": ("ConcurrentModification", 409),
    "lambda": ("ResourceConflictException", 409),
    "logs": ("OperationAbortedException", 400),
    "rds": ("InvalidDBInstanceState", 400),
    "s3": ("OperationAborted", 409),
    "secretsmanager": ("InvalidRequestException", 400),
}
NOT_ASSUMABLE = "The role defined for the function cannot be assumed by Lambda."


def answer_of(fault: Fault, operation: Operation) -> Answer:
    """The fault as the service itself words it (reference/aws.md §7 has the codes)."""
    code, status, message = fault.code, fault.status, fault.message
    if fault.kind == "throttle":
        code, status = THROTTLED.get(operation.service, ("Throttling", 400))
        message = "Rate exceeded"
    elif fault.kind == "server-error":
        code, status, message = "InternalFailure", 500, "The request processing has failed (injected)."
    elif fault.kind == "conflict":
        code, status = CONFLICTS.get(operation.service, ("ConflictException", 409))
        message = "The operation cannot be performed at this time. An update is in progress (injected)."
    elif fault.kind == "iam-delay":
        code, status, message = "InvalidParameterValueException", 400, NOT_ASSUMABLE
    return error_answer(operation.protocol, code=code, message=message, status=status)
