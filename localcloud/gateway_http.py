"""HTTP/1.1 of the API front: parsing, keep-alive, pipelining and limits of one connection.

One request at a time is with the gateway; those that a client sends ahead wait here, so answers keep their order. The
prefix `/_api/<id>` is taken off before anyone else sees the path.
"""

import asyncio
import time
from collections import deque
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

import httptools

from localcloud.gateway_request import Request, joined_headers
from localcloud.gateway_response import REASONS, Response, own

if TYPE_CHECKING:
    from localcloud.gateway import Gateway

MAX_BODY = 10 * 1024 * 1024
"""Bytes; API Gateway's limit."""
MAX_AHEAD = 64
"""Requests that a client may send ahead before its connection is read no further."""
PREFIX = "/_api/"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_LARGE = own(413, "Request Entity Too Large")
LINGER = 2.0
"""Seconds in which a refused client may finish sending; closing at once could take the answer from it."""
BODILESS = frozenset({204, 304})

Waiting = tuple[Request, str, bool]
"""A request, its API, and whether the connection stays open after it."""


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)  # until connection_made
        self._peer = ""
        self._current: Waiting | None = None
        self._ahead: deque[Waiting] = deque()
        self._refused = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._expects = False

    # --- called by the loop ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = transport.get_extra_info("peername")[0]
        self._gateway.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.connections.discard(self)
        self._ahead.clear()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refused = True  # the request itself was taken; what follows would be another protocol
        except httptools.HttpParserError:
            self._refuse(own(400, "Bad Request"))

    # --- called by the parser -------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers.append((name, value))
        if name == b"content-length" and int(value) > MAX_BODY:
            self._refuse(TOO_LARGE)
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        if self._expects and not self._refused:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_BODY:
            self._body.append(body)
        elif not self._refused:
            self._refuse(TOO_LARGE)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        waiting = self._read()
        self._begin()
        if self._current is None and not self._ahead:
            self._handle(waiting)
            return
        self._ahead.append(waiting)
        if len(self._ahead) >= MAX_AHEAD:
            self._transport.pause_reading()

    # --- called by the gateway ------------------------------------------------------------------------------------

    def respond(self, response: Response, request_id: str) -> None:
        """Send the answer to the request that is with the gateway, and hand it the next one."""
        assert self._current is not None
        request, _, keep_alive = self._current
        keep_alive = keep_alive and not self._refused
        if not self._transport.is_closing():
            self._transport.write(
                rendered(response, request_id, keep_alive=keep_alive, bodiless=request.method == "HEAD")
            )
        self._current = None
        if not keep_alive:
            self._transport.close()
        elif self._ahead:
            self._gateway.cloud.loop.call_soon(self._take_next)

    def close(self) -> None:
        self._transport.close()

    # --------------------------------------------------------------------------------------------------------------

    def _read(self) -> Waiting:
        """The request that the parser has finished."""
        path, _, query = self._url.decode("latin-1").partition("?")
        headers, cookies = joined_headers(self._headers)
        before = headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{before}, {self._peer}" if before else self._peer
        headers["x-forwarded-port"], headers["x-forwarded-proto"] = self._gateway.port_text, "http"
        if path.startswith(PREFIX):
            api_id, _, rest = path[len(PREFIX) :].partition("/")
            path = f"/{rest}"
        else:
            api_id, _, domain = headers.get("host", "").partition(".")
            api_id = api_id if domain.startswith("execute-api.") else ""
        request = Request(
            method=self._parser.get_method().decode(),
            path=path,
            query=query,
            headers=headers,
            cookies=cookies,
            body=b"".join(self._body),
            source_ip=self._peer,
            protocol=f"HTTP/{self._parser.get_http_version()}",
        )
        return request, api_id, self._parser.should_keep_alive()

    def _take_next(self) -> None:
        if self._current is None and self._ahead:
            self._handle(self._ahead.popleft())
            self._transport.resume_reading()

    def _handle(self, waiting: Waiting) -> None:
        self._current = waiting
        self._gateway.handle(self, waiting[0], waiting[1])

    def _refuse(self, response: Response) -> None:
        """Answer what cannot be taken as a request, and close."""
        self._refused = True
        if self._current is None:
            self._transport.write(rendered(response, "", keep_alive=False))
            self._gateway.cloud.loop.call_later(LINGER, self._transport.close)


_date = (0, "")


def http_date(second: int) -> str:
    """The `Date` header of a second since the epoch."""
    global _date
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


def rendered(response: Response, request_id: str, *, keep_alive: bool, bodiless: bool = False) -> bytes:
    """A response as bytes. `bodiless`: the answer to HEAD, with the length of what GET would send."""
    status, body = response.status, response.body
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}\r\nDate: {http_date(int(time.time()))}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in response.headers]
    if status not in BODILESS:
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}\r\nApigw-Requestid: {request_id}\r\n\r\n")
    head = "".join(lines).encode("latin-1", "replace")
    return head if bodiless or status in BODILESS else head + body
