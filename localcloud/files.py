"""Small things about files of the state folder: private ones, logs, whole-or-nothing writes."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO


def private_folder(folder: Path) -> Path:
    """The folder, made if absent, that its owner alone can enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def secret_value(path: Path) -> str:
    """The value in a secret's file; the first call makes it, 256 random bits."""
    if not path.exists():
        private_folder(path.parent)
        write_whole(path, secrets.token_urlsafe(32))
    return read_secret(path)


def read_secret(path: Path) -> str:
    return path.read_text().strip()


def write_whole(path: Path, text: str) -> None:
    """Replace a file (mode 0600) at once: a reader or a crash sees the old text or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def fresh_log(path: Path) -> BinaryIO:
    """An empty log to write to; what an earlier start wrote is kept as `<name>.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, for a message; '' if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
