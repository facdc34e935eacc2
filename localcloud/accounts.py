"""Which user runs PostgreSQL, which refuses to be root.

Not root: ourselves. Root: the owner of an existing data directory, else `postgres` or another unprivileged user of
this machine. Where that user could not enter the folders (a state folder below a home of mode 0700), the server is
given the one capability that lets it (localcloud/launch.py), rather than opening folders that are not ours.
"""

import os
import pwd
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from localcloud.launch import Account
from localcloud.postgres_binaries import PostgresError

UNPRIVILEGED = ("postgres", "_postgres", "nobody", "daemon")


def account_for(data: Path, needed: Iterable[Path]) -> Account | None:
    """Who runs the server on `data` and must reach the `needed` files; None is ourselves."""
    if os.geteuid() != 0:
        if data.exists() and data.stat().st_uid != os.geteuid():
            raise PostgresError(
                f"{data} belongs to {name_of(data.stat().st_uid)!r}: run as that user, or set MIYABI_HOME"
            )
        return None
    user = unprivileged_user(data)
    if all(can_reach(path, user) for path in needed):
        return Account(user.pw_uid, user.pw_gid)
    if sys.platform != "linux":
        raise PostgresError(
            f"PostgreSQL cannot be root, and user {user.pw_name!r} cannot enter {data.parent}: "
            "run as yourself, or set MIYABI_HOME to a folder that every user can enter"
        )
    return Account(user.pw_uid, user.pw_gid, reach=True)


def unprivileged_user(data: Path) -> pwd.struct_passwd:
    if data.exists() and (owner := data.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError(f"PostgreSQL cannot be root and this machine has none of the users {', '.join(UNPRIVILEGED)}")


def can_reach(path: Path, user: pwd.struct_passwd) -> bool:
    """True if each folder above the path lets this user pass."""
    return all(can_enter(folder.stat(), user) for folder in path.resolve().parents)


def can_enter(folder: os.stat_result, user: pwd.struct_passwd) -> bool:
    if folder.st_uid == user.pw_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == user.pw_gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def give_to(account: Account | None, *paths: Path) -> None:
    """Make the server's user the owner, all the way down; cheap when it is already."""
    if account is None:
        return
    for top in paths:
        inside = [Path(folder) / name for folder, folders, files in os.walk(top) for name in (*folders, *files)]
        for path in (top, *inside):
            if path.lstat().st_uid != account.uid:
                os.lchown(path, account.uid, account.gid)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
