"""No test of this process opens a TCP connection to another machine: no paid model, no cloud, by mistake or by default.

An audit hook sees every `connect` of Python's sockets, whoever makes it, and refuses as a closed port would. It cannot
be taken out again, which is the point.
"""

import ipaddress
import socket
import sys
from typing import Any


class Closed(ConnectionRefusedError):
    """The address is not this machine's."""


def is_here(address: Any) -> bool:
    """Unix sockets, and addresses of the loopback interface."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # a name, which the system would look up elsewhere
        return False


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        endpoint, address = arguments
        if endpoint.type == socket.SOCK_STREAM and not is_here(address):
            raise Closed(f"a test would have connected to {address!r}")


def close_the_world() -> None:
    sys.addaudithook(guard)
