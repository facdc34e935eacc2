"""Kills the functions' processes when the cloud dies, however it dies.

A tiny process of its own session reads the process groups from a pipe; at the pipe's end (the cloud is gone, also by
kill -9) it kills those that are left. Unlike PR_SET_PDEATHSIG it needs no code between fork and exec, which is not safe
in a process with threads and makes each start slower; it also works where there is no such signal.
"""

import logging
import subprocess
import sys

logger = logging.getLogger(__name__)

SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
"""


class Guard:
    """The guarding process."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", SCRIPT]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def add(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def stop(self) -> None:
        """Kill what is still guarded, and end."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            logger.warning("the guard of the functions' processes is gone: a kill -9 of the cloud would leave them")
