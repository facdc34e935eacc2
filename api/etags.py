"""Versions of what is answered: `ETag`, so that an answer that the caller has already is not sent again (If-None-Match,
304), and so that nobody overwrites what somebody else has changed meanwhile (If-Match, 412).

Whatever GET answers in JSON has a tag, the hash of its bytes: a page that asks every few seconds mostly hears that
nothing has changed. What can be updated carries the row's version (`updated_at`) before it, by `tag`:
`"18c2f0a1b2c3d.9f86d081884c7d65"`. If-Match compares the versions, for nothing else can be lost, If-None-Match all.
If-Match is not demanded (the mission's clients send none): without it, or with `*`, the update is made whatever there
is. A weak tag (`W/"…"`) never matches there, by RFC 9110 §13.1.1, but does in If-None-Match.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Header, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STRONG = re.compile(r'(?<!W/)"([0-9a-f]{1,16})(?:\.[0-9a-f]+)?"')
T = TypeVar("T")


class Versioned(Protocol):
    @property
    def updated_at(self) -> datetime: ...


V = TypeVar("V", bound=Versioned)


def tag(response: Response, row: V) -> V:
    """Say which version of the row the answer shows."""
    response.headers["ETag"] = f'"{(row.updated_at - EPOCH) // MICROSECOND:x}"'
    return row


def if_match(if_match: Annotated[str | None, Header(max_length=1000)] = None) -> list[datetime] | None:
    """The versions that the caller would change, for `updated_at = ANY(…)`; None for whatever there is."""
    if if_match is None or if_match.strip() == "*":
        return None
    return [version for found in STRONG.findall(if_match) for version in read_version(found)]


def read_version(text: str) -> list[datetime]:
    try:
        return [EPOCH + int(text, 16) * MICROSECOND]
    except OverflowError:
        return []


IfMatch = Annotated[list[datetime] | None, Depends(if_match)]


def unchanged(found: T | None) -> T:
    """What an update gave that was made only if nobody else had changed the row. Raises ApiError 412."""
    if found is None:
        raise ApiError("precondition_failed", "It has been changed meanwhile; read it again")
    return found


class ETags:
    """ASGI middleware. An answer in several parts, such as a stream, is let through as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "") if scope["method"] == "GET" else ""
        held: Message | None = None

        async def answer(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and is_tagged(scope, message):
                held = message
                return
            if held is not None:
                start, held = held, None
                message = tagged(start, message, known)
                await send(start)
            await send(message)

        await self.app(scope, receive, answer)


def is_tagged(scope: Scope, start: Message) -> bool:
    """JSON that GET answers, and whatever a handler has given a version."""
    headers = Headers(raw=start["headers"])
    is_json = headers.get("content-type", "") == "application/json"
    return start["status"] in (200, 201) and is_json and (scope["method"] == "GET" or "etag" in headers)


def tagged(start: Message, body: Message, known: str) -> Message:
    """Write the tag into the answer's start. The body to send: none, and 304, if the caller knows the tag."""
    if body.get("more_body"):
        return body
    headers = MutableHeaders(raw=start["headers"])
    version = headers.get("etag", '""').strip('"')
    hashed = blake2b(body["body"], digest_size=12).hexdigest()
    tag = headers["ETag"] = f'"{version}.{hashed}"' if version else f'"{hashed}"'
    if tag not in known:
        return body
    start["status"] = 304
    del headers["content-type"], headers["content-length"]
    return {**body, "body": b""}
