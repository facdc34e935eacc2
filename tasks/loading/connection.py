"""One keep-alive connection to the target, plain or TLS, that never blocks.

The state of its request is here too: one at a time. Errors of sockets and TLS become the kinds that a report counts.
"""

import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from tasks.loading.wire import Reader, Shape

PIECE = 65_536
WAITS = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
REFUSED, RESET = (errno.ECONNREFUSED,), (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)


Address = tuple[int, Any]
"""Family and place, as the system's look-up gives them."""


class Connection:
    """Connecting, shaking hands, idle, or busy with a request."""

    __slots__ = (
        "context", "due", "fileno", "fresh", "host", "kind", "open", "reader", "rest", "sent_at", "served", "session",
        "sock", "state",
    )  # fmt: skip

    CONNECTING, SHAKING, IDLE, BUSY = range(4)

    def __init__(
        self,
        address: Address,
        shapes: Sequence[Shape],
        context: ssl.SSLContext | None,
        host: str,
        session: ssl.SSLSession | None = None,
    ) -> None:
        family, place = address
        self.sock: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fileno = self.sock.fileno()
        self.context, self.host, self.session = context, host, session
        self.reader = Reader(shapes)
        self.state, self.served, self.fresh = self.CONNECTING, 0, True
        self.rest = b""
        self.due = self.sent_at = 0.0
        self.kind = 0
        code = self.sock.connect_ex(place)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self.close()
            raise OSError(code, "connect")

    def established(self) -> bool:
        """Go on with connecting, now that the socket is ready. True once requests may be sent. Raises OSError."""
        if self.state == self.CONNECTING:
            if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, "connect")
            if self.context is not None:
                self.sock = self.context.wrap_socket(
                    self.sock, server_hostname=self.host, do_handshake_on_connect=False, session=self.session
                )
            self.state = self.SHAKING
        if isinstance(self.sock, ssl.SSLSocket):
            try:
                self.sock.do_handshake()
            except WAITS:
                return False
        self.state = self.IDLE
        return True

    def send(self, payload: bytes) -> bool:
        """Begin to send; False if the rest has to wait until the socket takes more. Raises OSError."""
        try:
            sent = self.sock.send(payload)
        except WAITS:
            sent = 0
        self.rest = payload[sent:] if sent < len(payload) else b""
        return not self.rest

    def receive(self) -> bytes | None:
        """What has come; b"" at the end, None if nothing has. Raises OSError."""
        try:
            return self.sock.recv(PIECE)
        except WAITS:
            return None
        except ssl.SSLEOFError:
            return b""

    def ticket(self) -> ssl.SSLSession | None:
        """What shortens the next handshake with this server."""
        return self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None

    def close(self) -> None:
        self.sock.close()


def failure_of(error: OSError) -> str:
    """The kind that a report counts this error as."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    if error.errno in REFUSED:
        return "refused"
    return "reset" if error.errno in RESET else "network"
