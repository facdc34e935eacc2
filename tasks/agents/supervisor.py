"""Runs one program for a worker, and ends all of it when the worker says so or dies. A script: processes.py starts it.

File descriptor 0 is a socket to the worker. Its end means "stop": the kernel closes it also after kill -9, which is why
this needs no signal from a parent (PR_SET_PDEATHSIG reaches no grandchildren, and leaves no time to end properly).
How the program ended goes back on it. The program's own stdin is closed; it writes to the worker's pipes directly.
What the program started is ended with it: the process group, which is ours, and on Linux those that left it too,
because we adopt them (PR_SET_CHILD_SUBREAPER). Elsewhere, as on macOS, who leaves the group stays.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

WIRE = 0
LEFTOVERS_S = 1.0
"""What still runs after the program has ended has this long to follow."""
SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def main(grace_s: float, command: list[str]) -> None:
    """Run it; `grace_s` is the time between TERM and KILL."""
    wake = listen_for_signals()
    adopt_orphans()
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        tell({"refused": os.strerror(error.errno or 0)})
        return
    while program.poll() is None and WIRE not in select.select([WIRE, wake], [], [])[0]:
        wake.recv(4096)
    stop(program, grace_s if program.poll() is None else LEFTOVERS_S)
    tell({"code": program.poll()})
    kill_all()


def listen_for_signals() -> socket.socket:
    """Readable when a child has ended. TERM must not end us: we send it to our own group. (exec resets handlers.)"""
    wake, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(os.dup(writer.fileno()), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return wake


def adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stop(program: "subprocess.Popen[bytes]", patience: float) -> None:
    """TERM to everything, and wait until all have ended, or for `patience` seconds."""
    if program.poll() is not None and not descendants():
        return
    send(signal.SIGTERM)
    deadline = time.monotonic() + patience
    while (program.poll() is None or descendants()) and time.monotonic() < deadline:
        time.sleep(0.02)


def send(number: signal.Signals) -> None:
    os.killpg(0, number)
    for pid in descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_all() -> None:
    """KILL what is left, new ones that it starts meanwhile too; last of all the group, and with it ourselves."""
    deadline = time.monotonic() + 5
    while (left := descendants()) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    reap()
    os.killpg(0, signal.SIGKILL)


def reap() -> None:
    """Collect the dead that we adopted: in a container there may be nobody else to do it."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def descendants() -> list[int]:
    """Living processes below this one; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # `pid (name) state ppid …`, and the name may hold anything
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, new = [], [os.getpid()]
    while new:
        new = [child for pid in new for child in children.get(pid, ())]
        found += new
    return found


def tell(message: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the worker is gone
        os.write(WIRE, json.dumps(message).encode())


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
