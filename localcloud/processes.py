"""Finding and ending the processes of one state folder, and no others.

A process is ours if the state file names it (by number *and* time of birth), if it descends from such a one, or if it
carries our mark in its environment, which every child of a service inherits, also after its parent was killed.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from localcloud.state import Identity, State

MARK = "MIYABI_STACK"
SAME_BIRTH_S = 2.0  # the kernel rounds the time of boot, from which births are counted


def mark_of(home: Path) -> str:
    return str(home.resolve())


def identify(pid: int) -> Identity:
    return Identity(pid, psutil.Process(pid).create_time())


def living(identity: Identity | None) -> psutil.Process | None:
    """The process, if it is that very one and still runs."""
    if identity is None:
        return None
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.created) < SAME_BIRTH_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def recorded(state: State) -> list[psutil.Process]:
    """The living processes that the state file names; the supervisor first."""
    identities = [state.supervisor, *(service.process for service in state.services.values())]
    return [process for identity in identities if (process := living(identity))]


def family(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """These processes and all their descendants."""
    found: set[psutil.Process] = set()
    for process in processes:
        try:
            found |= {process, *process.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return found


def marked(home: Path) -> set[psutil.Process]:
    """Every living process with our mark. Others' environments that we may not read are not ours."""
    return {process for process in psutil.process_iter() if has_mark(process, mark_of(home))}


def has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def ourselves() -> set[psutil.Process]:
    """This process and those it was started by: a `miyabi down` typed in a flow run must not end itself."""
    me = psutil.Process(os.getpid())
    return {me, *me.parents()}


def is_gone(process: psutil.Process) -> bool:
    """True once it has ended. A zombie has: in a container nobody may ever collect it."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_gone(processes: Iterable[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait until they have ended, `patience` seconds at most; those that have not."""
    deadline, left = time.monotonic() + patience, list(processes)
    while (left := [process for process in left if not is_gone(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def kill_all(processes: Iterable[psutil.Process], *, patience: float = 10.0) -> list[psutil.Process]:
    """SIGKILL them and wait; those that are still there afterwards."""
    doomed = list(processes)
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return wait_gone(doomed, patience)


def remaining(home: Path, state: State) -> set[psutil.Process]:
    """Everything of this state folder that still runs, ourselves left out."""
    return (family(recorded(state)) | marked(home)) - ourselves()


def sweep(home: Path, state: State) -> list[psutil.Process]:
    """End it; what could not be ended."""
    return kill_all(remaining(home, state))
