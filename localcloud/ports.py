"""Ports on 127.0.0.1: last time's, else the preferred one, else one of those after it; whichever nobody listens on.

Those after it, and not just any: the system gives "any" out of the range of which it also takes the ports of outgoing
connections, so one that is free now may be in use when the server starts.
"""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

NEIGHBOURS = 50
_claims: list[IO[str]] = []


def choose_ports(
    preferred: Mapping[str, int], previous: Mapping[str, int], *, claim: Callable[[int], bool] = lambda port: True
) -> dict[str, int]:
    """A free port for each name. One taken or claimed by somebody else moves; no port is given twice."""
    chosen: dict[str, int] = {}
    for name, port in preferred.items():
        wanted = [p for p in (previous.get(name, port), port) if p not in chosen.values()]
        wanted += [p for p in range(port + 1, min(port + NEIGHBOURS, 65536)) if p not in chosen.values()]
        chosen[name] = next((p for p in wanted if is_free(p) and claim(p)), None) or free_port()
    return chosen


def claim(port: int) -> bool:
    """True if no other stack of this user has chosen this port. A claim ends with this process.

    A server may take seconds until it listens, and a stack that chose the same port meanwhile would talk to it.
    """
    folder = Path(tempfile.gettempdir(), f"miyabi-ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    file = (folder / str(port)).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _claims.append(file)
    return True


def is_free(port: int) -> bool:
    """True if a server could listen on this port of 127.0.0.1 now. Old connections in TIME_WAIT do not matter."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False  # macOS would let two programs listen, one on all addresses and one on this
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
