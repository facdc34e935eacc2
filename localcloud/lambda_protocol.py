"""The Lambda Runtime API, one listening port for each sandbox, so that no answer can be another's.

A runtime asks for `/next` and waits; the event is written straight to its socket when there is one, and its answer
handed on as it is parsed: no task, future or framework on the way.
"""

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from localcloud.lambda_sandbox import Sandbox

MAX_RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes; Lambda's limit of a synchronous answer."""


def _reply(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ACCEPTED = _reply("202 Accepted", b'{"status":"OK"}\n')
TOO_LARGE = _reply(
    "413 Payload Too Large", b'{"errorType":"RequestEntityTooLarge","errorMessage":"Exceeded maximum allowed payload"}'
)
WRONG_ID = _reply("400 Bad Request", b'{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}')
NO_ROUTE = _reply("404 Not Found", b'{"errorType":"NotFound","errorMessage":"no such path of the Runtime API"}')


class RuntimeConnection(asyncio.Protocol):
    """One connection of a runtime."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self.sandbox = sandbox
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.body: list[bytes] = []
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)  # until connection_made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.sandbox.lost(self)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        url, self.url = self.url, b""
        body, self.body = b"".join(self.body), []
        _, _, path = url.partition(b"/runtime/")
        if path == b"invocation/next":
            self.sandbox.next(self)
        elif path.startswith(b"invocation/"):
            self._outcome(path, body)
        elif path == b"init/error":
            self.transport.write(ACCEPTED)
            self.sandbox.init_error(body)
        else:
            self.transport.write(NO_ROUTE)

    def _outcome(self, path: bytes, body: bytes) -> None:
        """`invocation/<request id>/response` or `/error`."""
        _, request_id, what = path.split(b"/", 2)
        if not self.sandbox.is_running(request_id):
            self.transport.write(WRONG_ID)
        elif len(body) > MAX_RESPONSE:
            self.transport.write(TOO_LARGE)
            self.sandbox.too_large(len(body))
        elif what == b"response":
            self.transport.write(ACCEPTED)
            self.sandbox.finish(body, failed=False)
        elif what == b"error":
            self.transport.write(ACCEPTED)
            self.sandbox.finish(body, failed=True)
        else:
            self.transport.write(NO_ROUTE)
