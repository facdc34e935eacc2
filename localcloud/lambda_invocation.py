"""One call of a function, and the names that AWS gives to what can go wrong with it."""

import json
import math
from random import Random

_random = Random()


class Invocation:
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

    def done(self, payload: bytes, failed: bool) -> None:
        """The function's answer; `failed`: it is an error's description."""
        raise NotImplementedError

    def expired(self) -> None:
        """The caller's patience ended. The function goes on, and `done` is still called if it was running."""


def request_id() -> str:
    """A random UUID, made without asking the kernel for entropy each time."""
    text = f"{_random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def trace_id(at: float) -> str:
    """An X-Ray trace header of now."""
    bits = f"{_random.getrandbits(160):040x}"
    return f"Root=1-{int(at):08x}-{bits[:24]};Parent={bits[24:]};Sampled=0"


def error_payload(kind: str, message: str, request: str) -> bytes:
    """What a caller gets when the runtime, not the function, failed."""
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {request} Error: {message}"}).encode()
