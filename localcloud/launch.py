"""The last thing run before a service: sets its signals, its user and its fate, then becomes it.

Run as a script of its own, `python -I -S launch.py ...`, 15 ms, because code between fork and exec is not safe in a
process with threads. Signals are back at their defaults: a program started with SIGINT ignored (as by `&` in a shell
script) would keep it so, and Prefect's worker could then never be stopped. On Linux the service gets a signal when the
thread that started it ends, so a kill -9 of the supervisor leaves nothing behind.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522
NOBODY_ELSE = -1


@dataclass(frozen=True)
class Account:
    """Who runs the service. `reach`: it may enter directories that are closed to this user (Linux, from root only)."""

    uid: int
    gid: int
    reach: bool = False


def launched(
    command: Sequence[str],
    *,
    dies_with: signal.Signals | None = None,
    account: Account | None = None,
    detached: bool = False,
) -> list[str]:
    """The command line that starts `command` through this module; its first word must be a path.

    `dies_with` is what the service is sent when its starter is gone. Linux watches the starting *thread*: start it
    from one that lives as long. `detached` prints the process id, lets the starter go on, and writes to stderr alone.
    """
    who = account or Account(NOBODY_ELSE, NOBODY_ELSE)
    numbers = [os.getpid(), int(dies_with or 0), who.uid, who.gid, int(who.reach), int(detached)]
    return [sys.executable, "-I", "-S", __file__, *map(str, numbers), *command]


def main(argv: list[str]) -> None:
    (parent, death, uid, gid, reach, detached), command = map(int, argv[1:7]), argv[7:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if detached:
        detach()
    if uid != NOBODY_ELSE:
        become(Account(uid, gid, bool(reach)))
    if death and sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, death)  # after the change of user, which clears it
        if os.getppid() != parent:
            sys.exit("the process that started this one is gone already")
    os.execv(command[0], command)


def detach() -> None:
    """Go on as a grandchild in a session of its own, whose end nobody has to collect."""
    if child := os.fork():
        print(child, flush=True)
        os._exit(0)
    os.setsid()
    os.dup2(2, 1)


def become(account: Account) -> None:
    """Change to another user for good; with `reach`, keep the one capability that opens closed directories."""
    if account.reach:
        prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    if account.reach:
        keep_reach()


def keep_reach() -> None:
    """Hold CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE where a container has only that, across exec; drop all others."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then their upper halves
    check(libc.capget(header, sets), "capget")
    held = [c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if sets[1] & 1 << c]
    if not held:
        sys.exit("this container gives root no CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE; set MIYABI_HOME to a folder "
                 "that every user can enter")  # fmt: skip
    only = 1 << held[0]
    check(libc.capset(header, (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)), "capset")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, held[0])


def prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    check(ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(option), *padded), f"prctl({option})")


def check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv)
