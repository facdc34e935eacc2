"""Around every request: an id, a limit, one line in the log, and an answer even when something unforeseen happens.

The id is Lambda's own, so that a line is found beside START, END and REPORT; elsewhere it is the caller's
`X-Request-Id` or a new one. The log names the route, not the path: no ids of users, no query.
"""

import logging
import re
import time
import traceback
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import json_limits
from api.errors import ApiError, internal_error, response
from api.logs import request_id
from api.surroundings import make_safe

logger = logging.getLogger(__name__)
BODY_LIMIT = 1024 * 1024
TOO_LARGE = ApiError("payload_too_large", f"The body is larger than {BODY_LIMIT} bytes")
GOOD_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Requests:
    """ASGI middleware. The innermost, so that CORS headers are on its answers too."""

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app, self.clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                request_id.set(find_id(scope))  # a connection is a task of its own
            await self.app(scope, receive, send)
            return
        start, status = self.clock(), 0
        this_id = find_id(scope)
        token = request_id.set(this_id)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = this_id
                make_safe(scope, message)
            await send(message)

        try:
            if declared(scope) > BODY_LIMIT:
                await response(TOO_LARGE)(scope, receive, answer)
            else:
                await self.app(scope, limited(scope, receive), answer)
        except Exception as error:
            log_unforeseen(error)
            if status:
                raise
            await response(internal_error())(scope, receive, answer)
        finally:
            log_request(scope, status, self.clock() - start)
            request_id.reset(token)


class Heads:
    """ASGI middleware. HEAD answers what GET would, without the body; a stream of events would have no end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        scope["method"] = "GET"
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept"]

        async def answer(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        try:
            await self.app(scope, receive, answer)
        finally:
            scope["method"] = "HEAD"  # for the log


def find_id(scope: Scope) -> str:
    if context := scope.get("aws.context"):
        return str(context.aws_request_id)
    given = Headers(scope=scope).get("x-request-id", "")
    return given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex


def declared(scope: Scope) -> int:
    """The body's size as the caller says: one that is too large need not be read at all."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def limited(scope: Scope, receive: Receive) -> Receive:
    """Read no more than `BODY_LIMIT` bytes, whatever the caller says, nothing packed, and no JSON that nobody means."""
    headers = Headers(scope=scope)
    is_json = "json" in headers.get("content-type", "json")
    is_packed = headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
    seen = bytearray()

    async def read() -> Message:
        nonlocal seen
        message = await receive()
        seen += message.get("body", b"")
        if len(seen) > BODY_LIMIT:
            raise HTTPException(TOO_LARGE.status, TOO_LARGE.message)
        if is_packed and seen:
            raise HTTPException(415, "Send the body as it is, without Content-Encoding")
        if is_json and not message.get("more_body"):
            json_limits.check(seen)
        return message

    return read


def log_request(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "-")
    level = logging.ERROR if status >= 500 or not status else logging.INFO
    facts = {
        "method": scope["method"],
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    logger.log(level, "%s %s %s", scope["method"], route, status, extra={"facts": facts})


def log_unforeseen(error: Exception) -> None:
    """Where it happened and what, without the values that a chained error may quote."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unforeseen %s: %s", type(error).__name__, error, extra={"facts": {"trace": places}})
