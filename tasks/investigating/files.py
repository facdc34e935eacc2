"""Which files of a folder are read: what git knows or would add, else all; not what is made or from elsewhere."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import Permanent

ELSEWHERE = frozenset(
    {"node_modules", "target", ".git", ".venv", "venv", "vendor", "__pycache__", ".next", ".worktrees"}
)
LARGEST = 2_000_000
"""Bytes of a file that is read: code of this size was made by a program."""
MOST = 50_000
PATIENCE_S = 60.0


@dataclass
class Listing:
    """All paths, and why some are not read."""

    paths: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def listed(folder: Path) -> Listing:
    """The files of a folder by name. Raises Permanent if it is none."""
    if not folder.is_dir():
        raise Permanent(f"{folder} is not a folder: name a repository's folder, or the address to clone it from")
    found = sorted({*(known(folder) or walked(folder)), *own_settings(folder)})
    kept = [path for path in found if not ELSEWHERE & set(path.split("/")[:-1])]
    strange = [path for path in kept if not path.isprintable()]
    kept = [path for path in kept if path.isprintable()]
    listing = Listing(kept[:MOST], [f"{path!a}: its name cannot be written down" for path in strange])
    if len(kept) > MOST:
        listing.unread.append(f"{len(kept) - MOST} of {len(kept)} files: more than {MOST} are not read")
    return listing


def known(folder: Path) -> list[str]:
    """What git tracks, and new files that it does not ignore; nothing of a folder that is in no repository."""
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def walked(folder: Path) -> Iterator[str]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ELSEWHERE]
        for name in names:
            yield (Path(where) / name).relative_to(folder).as_posix()


def own_settings(folder: Path) -> Iterator[str]:
    """`.env` files, which git ignores in most repositories; only whether a variable has a value is read."""
    for pattern in (".env*", "*/.env*", "*/*/.env*"):
        yield from (path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())


def content(folder: Path, path: str, unread: list[str]) -> bytes | None:
    """A file's bytes; None, with the reason in `unread`, where it is no text that a person wrote."""
    file = folder / path
    try:
        if file.is_symlink() or not file.is_file():
            return None
        if (size := file.stat().st_size) > LARGEST:
            unread.append(f"{path}: {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f} MB")
            return None
        data = file.read_bytes()
    except OSError as error:
        unread.append(f"{path}: {error.strerror}")
        return None
    if b"\0" in data[:8192]:
        unread.append(f"{path}: it is binary")
        return None
    return data
