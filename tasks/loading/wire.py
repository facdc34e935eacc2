"""HTTP/1.1 on the wire: requests encoded once, answers read with as little work as being right allows.

An answer like the last one of its kind (same status, head and body as long, Content-Length in the same place) is whole
if its length is. Anything else goes to llhttp through httptools: chunks, pieces, 100-continue, bodies that end with the
connection.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import httptools

from tasks.loading.job import Request

AGENT = "miyabi-pipelines/load"
END = b"\r\n\r\n"
LENGTH_LINE = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n)", re.IGNORECASE)
FRAMED = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
PARTIAL, BROKEN = 0, -1
"""What `Reader.read` answers besides a status: more has to come; this is not HTTP."""


def encode(url: str, request: Request) -> bytes:
    """The request as it is sent, every time."""
    parts = urlsplit(url)
    body = request.body.encode()
    fields = {
        "Host": parts.netloc.rpartition("@")[2],
        "User-Agent": AGENT,
        "Accept": "*/*",
        **({"Content-Type": "application/json", "Content-Length": str(len(body))} if has_body(request) else {}),
    }
    given = {name.lower() for name in request.headers}
    lines = [f"{name}: {value}" for name, value in fields.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if any("\r" in line or "\n" in line for line in [request.path, *lines]):
        raise ValueError(f"request {request.name!r} has a line break in its path or a header")
    target = parts.path.rstrip("/") + request.path
    return "\r\n".join([f"{request.method} {target} HTTP/1.1", *lines, "", ""]).encode() + body


def has_body(request: Request) -> bool:
    return bool(request.body) or request.method in ("POST", "PUT", "PATCH")


class Shape:
    """What the answers of one kind of request look like: the last whole one that came in one piece."""

    __slots__ = ("head", "length_at", "length_line", "start", "status", "total")

    def __init__(self) -> None:
        self.total = self.head = self.length_at = self.status = -1
        self.start = self.length_line = b""

    def learn(self, data: bytes, status: int) -> None:
        """Know the next one by this one, if its length is told and all of it is here."""
        head = data.find(END)
        found = LENGTH_LINE.search(data, 0, head + 2)
        if found and head + 4 + int(found[1]) == len(data):
            self.total, self.head, self.status = len(data), head, status
            self.length_at, self.length_line, self.start = found.start(), found[0], data[:12]

    def fits(self, data: bytes) -> bool:
        """Whether data of this shape's length is whole and has its status."""
        return (
            data.startswith(self.start)
            and data.startswith(self.length_line, self.length_at)
            and data.find(END) == self.head
        )


class Reader:
    """The answers of one connection, in order. It is asked for one at a time."""

    __slots__ = ("complete", "keep_alive", "parser", "pieces", "raw", "shapes", "status", "surplus")

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = shapes
        self.keep_alive = True
        """Whether another request may follow the last answer on this connection."""
        self.parser: httptools.HttpResponseParser | None = None
        self.raw, self.pieces, self.complete, self.status, self.surplus = b"", 0, False, 0, False

    def read(self, data: bytes, kind: int) -> int:
        """More of the answer to a request of this kind: its status once it is whole, else PARTIAL or BROKEN."""
        shape = self.shapes[kind]
        if not self.pieces and len(data) == shape.total and shape.fits(data):
            return shape.status
        self.pieces += 1
        if not self.status:
            self.raw += data  # the head, in case the connection's end is the body's
        try:
            self.parser = self.parser or httptools.HttpResponseParser(self)
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return BROKEN
        if self.surplus:
            return BROKEN
        if not self.complete:
            return PARTIAL
        status = self.status
        if self.pieces == 1 and self.keep_alive:
            shape.learn(data, status)
        self.raw, self.pieces, self.complete, self.status = b"", 0, False, 0
        return status

    def ended(self) -> int:
        """The connection was closed: the status if that is how this answer ends, else PARTIAL."""
        self.keep_alive = False
        while self.raw.startswith(b"HTTP/1.1 1"):
            self.raw = self.raw.partition(END)[2]
        framed = FRAMED.search(self.raw, 0, self.raw.find(END) + 2)
        return self.status if self.status and not framed else PARTIAL

    @property
    def untouched(self) -> bool:
        """True while nothing of an answer has come."""
        return not self.pieces

    def on_message_begin(self) -> None:
        self.surplus = self.complete  # nobody asked for a second one

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        status = self.parser.get_status_code()
        if status >= 200:  # else 100-continue and the like: the answer comes after it
            self.status, self.keep_alive = status, self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.complete = self.status != 0
