"""What builds leave in the work folder, kept small: whatever was used last stays, a killed build's scratch goes.

Called after each build. Everything here can be made again: packages from their commits, wheels and cargo's targets by
the next build that wants them.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SCRATCH = "building-"
"""How the names of scratch folders begin."""
LONGEST_BUILD_S = 24 * 3600.0
"""A scratch folder that is older is nobody's any more."""
PACKAGES, WHEELS, TARGETS, CHECKS = 5, 3, 3, 50
"""How many stay. A release that waits for its database must find its package again."""


def tidy(work: Path, *, clock: Callable[[], float] = time.time) -> None:
    """Delete what is old. What another run deletes at the same time is gone as well."""
    for folder in (work, work / "wheels"):
        for scratch in folder.glob(f"{SCRATCH}*"):
            if clock() - used_at(scratch) > LONGEST_BUILD_S:
                remove(scratch)
    keep_newest(work.glob("*.zip"), PACKAGES)
    keep_newest((work / "wheels").glob("*.zip"), WHEELS)
    keep_newest((work / "cargo").glob("*"), TARGETS)
    keep_newest((work / "checked").glob("*"), CHECKS)


def mark_used(path: Path) -> None:
    """Say that this was used now, so that it counts as new."""
    os.utime(path)


def keep_newest(paths: Iterable[Path], count: int) -> None:
    for path in sorted(paths, key=used_at, reverse=True)[count:]:
        remove(path)


def used_at(path: Path) -> float:
    """Seconds since the epoch; 0 for what has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # a file that another run deletes first is no error
    else:
        path.unlink(missing_ok=True)
