"""Servers that answer in every way that HTTP allows, and some that it does not; a thread each, on loopback."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[[socket.socket, int], None]
"""Talks on one connection, the n-th (from 0), until it returns; then that is closed."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """Where it is, and what it has seen."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextmanager
def serving(talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    server = Server(f"{'https://localhost' if context else 'http://127.0.0.1'}:{port}")

    def speak(client: socket.socket, number: int) -> None:
        with suppress(OSError), context.wrap_socket(client, server_side=True) if context else client as wire:
            wire.settimeout(20)
            talk(wire, number)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.connections += 1
                threading.Thread(target=speak, args=(client, server.connections - 1), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def asked(wire: socket.socket) -> bytes:
    """The next request, without a body; b"" at the end."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = wire.recv(65536)
        if not piece:
            return b""
        data += piece
    return data


def always(*pieces: bytes, pause: Callable[[], None] = lambda: None) -> Talk:
    """Every request on a connection gets these pieces, with a pause before each but the first."""

    def talk(wire: socket.socket, _number: int) -> None:
        while asked(wire):
            for index, piece in enumerate(pieces):
                if index:
                    pause()
                wire.sendall(piece)

    return talk


def once(*pieces: bytes) -> Talk:
    """The first request gets these pieces, then the connection ends."""

    def talk(wire: socket.socket, _number: int) -> None:
        asked(wire)
        for piece in pieces:
            wire.sendall(piece)

    return talk
