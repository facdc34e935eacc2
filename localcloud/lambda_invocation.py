"""One call of a function, and the names that AWS gives to what can go wrong with it."""

import json
import math
import secrets
from abc import ABC, abstractmethod
from itertools import count

_random = secrets.token_hex(16)
_UUID = f"{_random[:8]}-{_random[8:12]}-4{_random[12:15]}-a{_random[15:18]}-"
_TRACE = _random[18:30]
_count = count(secrets.randbits(40))


class Invocation(ABC):
    """An event on its way to a function. Those who call a function make a subclass that takes the outcome."""

    __slots__ = ("arn", "event", "expires", "log", "request_id")

    def __init__(self, event: bytes, arn: str, *, expires: float = math.inf) -> None:
        self.event = event
        self.arn = arn
        self.request_id = request_id()
        self.expires = expires
        """When the caller stops waiting, by the loop's clock."""
        self.log: list[str] | None = None
        """A list here is filled with the lines that the function logs meanwhile."""

    @abstractmethod
    def done(self, payload: bytes, failed: bool) -> None:
        """The function's answer; `failed`: it is an error's description."""

    def expired(self) -> None:  # noqa: B027 - most callers wait for ever
        """The caller's patience ended. The function goes on, and `done` is still called if it was running."""


def request_id() -> str:
    """A UUID: random for each process, counted on within it, which costs a tenth of a random one each time."""
    return f"{_UUID}{next(_count):012x}"


def trace_id(at: float) -> str:
    """An X-Ray trace header of now."""
    number = next(_count)
    return f"Root=1-{int(at):08x}-{_TRACE}{number:012x};Parent={number:016x};Sampled=0"


def error_payload(kind: str, message: str, request: str) -> bytes:
    """What a caller gets when the runtime, not the function, failed."""
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {request} Error: {message}"}).encode()
