"""Versions of what is answered: `ETag`, so that an answer that the caller has already is not sent again (If-None-Match,
304), and so that nobody changes what somebody else has changed meanwhile (If-Match, 412).

Whatever GET answers in JSON has a tag, the hash of its bytes: a page that asks every few seconds mostly hears that
nothing has changed. A row that can be changed carries its version (`updated_at`) before it, by `tag`:
`"18c2f0a1b2c3d.9f86d081884c7d65"`. If-Match compares the versions, for nothing else can be lost, If-None-Match all.

    @router.delete("/{task_id}")
    def delete_task(task_id: UUID, _access: …, change: Annotated[Change, Depends(Changes("task"))]) -> Done:
        with change.connection() as connection:
            tasks.delete(connection, task_id)

Every request that changes or deletes the row of its path takes If-Match with that row's tag; any other that changes
something refuses one (`changes_nothing`). It is not demanded (the mission's clients send none): without it, or with
`*`, the change is made whatever there is. A weak tag (`W/"…"`) never matches there, by RFC 9110 §13.1.1, but does in
If-None-Match.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Header, Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.backend import Backend, CurrentBackend
from api.errors import ApiError
from database import versions
from database.pool import Connection

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STRONG = re.compile(r'(?<!W/)"([0-9a-f]{1,16})(?:\.[0-9a-f]+)?"')


class Row(Protocol):
    """Also with `updated_at`, if it can be changed."""

    @property
    def created_at(self) -> datetime: ...


R = TypeVar("R", bound=Row)


def tag(response: Response, row: R) -> R:
    """Say which version of the row the answer shows."""
    changed: datetime = getattr(row, "updated_at", row.created_at)
    response.headers["ETag"] = f'"{(changed - EPOCH) // MICROSECOND:x}"'
    return row


@dataclass(frozen=True)
class Change:
    """A request that changes the row that its path names. `wanted` are the versions that it would change, None whatever
    there is."""

    kind: versions.Kind
    path: Mapping[str, Any]
    backend: Backend
    response: Response
    wanted: list[datetime] | None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """To make the change with. It is taken back if the row had another version; what else refuses it is told
        first, as if there were no If-Match: whoever may not see the row hears nothing of its versions."""
        with self.backend.pool.connection() as connection:
            if self.wanted is None:
                yield connection
                return
            with connection.transaction():
                found = versions.lock(connection, self.kind, self.path)
                yield connection
                if found not in self.wanted:
                    raise ApiError("precondition_failed", "It has been changed meanwhile; read it again")

    def tag(self, row: R) -> R:
        """Say which version the row has now."""
        return tag(self.response, row)


class Changes:
    """The declaration of a route, for `Depends`."""

    def __init__(self, kind: versions.Kind) -> None:
        self.kind = kind

    def __call__(
        self,
        request: Request,
        response: Response,
        backend: CurrentBackend,
        if_match: Annotated[
            str | None, Header(max_length=1000, description="`ETag` of the row; 412 if it has changed")
        ] = None,
    ) -> Change:
        return Change(self.kind, request.path_params, backend, response, read_tags(if_match))


def read_tags(text: str | None) -> list[datetime] | None:
    if text is None or text.strip() == "*":
        return None
    return [version for found in STRONG.findall(text) for version in read_version(found)]


def read_version(text: str) -> list[datetime]:
    try:
        return [EPOCH + int(text, 16) * MICROSECOND]
    except OverflowError:
        return []


def is_conditional(request: Request) -> bool:
    return request.headers.get("if-match", "*").strip() != "*"


def changes_nothing() -> ApiError:
    """For If-Match where there is no row of before: it would protect nothing."""
    return ApiError("precondition_failed", "This request changes no row that has a tag: leave out If-Match")


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
    return start["status"] in (200, 201, 202) and is_json and (scope["method"] == "GET" or "etag" in headers)


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
