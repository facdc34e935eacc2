"""A directory of migrations, read with sqlx's grammar byte for byte.

`<version>_<description>.sql`, or a pair `.up.sql` and `.down.sql`; a `.down.sql` may also stand beside a simple file.
What sqlx skips is skipped, what it refuses is refused, and so are duplicate versions, which sqlx would only notice
halfway through a run. Reading touches no database. Contents are bytes: nothing is normalised, since the checksum is
over the bytes of the file.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from database.migration_errors import BadDirectory

Kind = Literal["simple", "up", "down"]

SUFFIXES: dict[Kind, str] = {"simple": ".sql", "up": ".up.sql", "down": ".down.sql"}
NO_TRANSACTION = b"-- no-transaction"
I64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `file` is its path as messages show it; `checksum` is SHA-384 over `sql`, the whole file."""

    version: int
    description: str
    kind: Kind
    file: str
    sql: bytes = field(repr=False)
    checksum: bytes = field(repr=False)

    @property
    def is_down(self) -> bool:
        return self.kind == "down"

    @property
    def no_transaction(self) -> bool:
        """True for a file that starts with exactly `-- no-transaction`: it holds one statement, run by itself."""
        return self.sql.startswith(NO_TRANSACTION)


class Problem(ValueError):
    """What is wrong with one file, and what to do."""


def load(directory: str | Path) -> list[Migration]:
    """The migrations of a directory by version, a simple one before up before down. Raises BadDirectory, once."""
    found: list[Migration] = []
    problems: list[str] = []
    for entry in entries_of(directory):
        try:
            if migration := read_entry(entry):
                found.append(migration)
        except Problem as problem:
            problems.append(str(problem))
    problems.extend(duplicates(found))
    if problems:
        raise BadDirectory(str(directory), problems)
    order = list(SUFFIXES)
    return sorted(found, key=lambda migration: (migration.version, order.index(migration.kind)))


def entries_of(directory: str | Path) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(os.fsencode(directory)) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        advice = "name the directory that holds the migrations"
        raise BadDirectory(str(directory), [f"{error.strerror}: {advice}"]) from error


def read_entry(entry: os.DirEntry[bytes]) -> Migration | None:
    """The migration that a directory entry holds; None for what sqlx passes over."""
    if not entry.is_file():
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise Problem(f"{shown(entry.path)}: the symbolic link leads nowhere; mend or remove it")
        return None
    prefix, underscore, rest = entry.name.decode("utf-8", "replace").partition("_")
    if not underscore or not rest.endswith(".sql"):
        return None
    kind = kind_of(rest)
    return read_migration(entry.path, version_of(prefix, entry.path), describe(rest, kind), kind)


def version_of(prefix: str, path: bytes) -> int:
    """The version as Rust's i64 parses it: a sign and leading zeros allowed, no spaces, no underscores."""
    if re.fullmatch(r"[+-]?[0-9]+", prefix) and (version := int(prefix)) in I64:
        return version
    raise Problem(
        f'error parsing migration filename "{shown(os.path.basename(path))}"; expected integer version prefix '
        "(e.g. `01_foo.sql`): rename the file, or move it out of the directory"
    )


def kind_of(rest: str) -> Kind:
    return "up" if rest.endswith(SUFFIXES["up"]) else "down" if rest.endswith(SUFFIXES["down"]) else "simple"


def describe(rest: str, kind: Kind) -> str:
    """The words after the version; the suffix goes as often as it stands there, as in sqlx."""
    while rest.endswith(SUFFIXES[kind]):
        rest = rest.removesuffix(SUFFIXES[kind])
    return rest.replace("_", " ")


def read_migration(path: bytes, version: int, description: str, kind: Kind) -> Migration:
    file = shown(path)
    try:
        with open(path, "rb") as stream:
            sql = stream.read()
        sql.decode()
    except OSError as error:
        raise Problem(f"{file}: {error.strerror}; make the file readable") from error
    except UnicodeDecodeError as error:
        line = sql.count(b"\n", 0, error.start) + 1
        byte = sql[error.start]
        raise Problem(f"{file}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error
    if 0 in sql:
        line = sql.count(b"\n", 0, sql.index(0)) + 1
        raise Problem(f"{file}, line {line}: a NUL byte, which SQL cannot hold")
    return Migration(version, description, kind, file, sql, hashlib.sha384(sql).digest())


def duplicates(migrations: Iterable[Migration]) -> list[str]:
    """One problem for each version with several forward files, or several files back."""
    files: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for migration in migrations:
        files[migration.version, migration.is_down].append(migration.file)
    return [
        f"{' and '.join(same)} have the same version {version}: "
        "give the newer one another version; one that was applied anywhere must keep its own"
        for (version, _), same in files.items()
        if len(same) > 1
    ]


def shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
