"""Unpacks a function's zip: once for each content, never outside its folder, with the modes that the zip has.

`<home>/lambda/code/<sha256>/` is made under another name and then renamed, so it is whole or absent; it goes in the
same way, when no version has that content any more. Files are read-only, as under /var/task; folders stay writable, so
that a user can delete the state.
"""

import contextlib
import io
import os
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path

RESTED_S = 60.0
"""Seconds since a process was last started from a folder, after which it may be removed."""


class BadPackage(Exception):
    """The zip cannot be unpacked: the message says which entry, and why."""


def unpacked(home: Path, sha256: str, content: bytes) -> Path:
    """The folder with the content of the zip."""
    folder = home / "lambda" / "code" / sha256
    if folder.is_dir():
        os.utime(folder)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        _unpack(content, beside)
        beside.chmod(0o755)
        if not folder.is_dir():
            beside.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another thread was faster
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def forget_unfinished(home: Path) -> None:
    """Remove what a killed process was unpacking or removing."""
    for folder in (home / "lambda" / "code").glob(".*"):
        shutil.rmtree(folder)


def remove_unused(
    home: Path, used: Collection[str], *, rested_s: float = RESTED_S, clock: Callable[[], float] = time.time
) -> None:
    """Remove the folders of all contents but these; one that was used a moment ago stays until the next time."""
    for folder in (home / "lambda" / "code").glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # another thread is about it
            if folder.name not in used and clock() - folder.stat().st_mtime > rested_s:
                going = folder.with_name(f".removing-{folder.name}")
                folder.rename(going)
                shutil.rmtree(going)


def _unpack(content: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                _write(archive, entry, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:  # also: ways to compress, keys
        raise BadPackage(f"the uploaded code is not a zip that can be unpacked: {error}") from None


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    path = _inside(folder, folder / entry.filename, entry.filename)
    mode = entry.external_attr >> 16
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        target = archive.read(entry).decode()
        _inside(folder, path.parent / target, entry.filename)
        path.symlink_to(target)
        return
    with archive.open(entry) as source, path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    path.chmod((stat.S_IMODE(mode) or 0o644) & 0o555 | 0o400)


def _inside(folder: Path, path: Path, name: str) -> Path:
    """The path, if it stays in the folder after `..` and links."""
    if "\\" in name or not os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep):
        raise BadPackage(f"the entry {name!r} of the zip points outside of it")
    return path
