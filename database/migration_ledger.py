"""sqlx's own table and lock: what a database says it has, and the check of that against the files.

`_sqlx_migrations` is unqualified, so it is found and made through `search_path`, as sqlx does.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from database.migration_errors import Dirty, LedgerConflict, VersionMismatch, VersionMissing
from database.migration_files import Migration

Connection = psycopg.Connection[Any]

# The session settings are those that sqlx asks for when it connects: `now()::timestamp` in a file depends on them.
# One message is one transaction; it does not wait for the disk, as the end of a run flushes everything before it.
PREPARE = """
SET LOCAL synchronous_commit = off;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger."""

    version: int
    description: str
    success: bool
    checksum: bytes


def read_ledger(conn: Connection) -> list[Entry]:
    """What was applied, by version; nothing on a database without the table. One round trip, and no lock."""
    try:
        rows = conn.execute("SELECT version, description, success, checksum FROM _sqlx_migrations", binary=True)
    except psycopg.errors.UndefinedTable:
        return []
    return sorted((Entry(*row) for row in rows), key=lambda entry: entry.version)


def lock_key(database: str) -> int:
    """The advisory lock's key as sqlx makes it from the database's name (CRC-32/ISO-HDLC)."""
    return 0x3D32AD9E * zlib.crc32(database.encode())


@contextmanager
def locked(conn: Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of all runs on this database, sqlx's too. Waits without limit, and says that it does."""
    database = conn.execute("SELECT current_database()").fetchone()
    key = lock_key(database[0]) if database else 0
    if conn.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone() != (True,):
        say("Waiting for another run of migrations on this database")
        conn.execute("SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", [key])


def verify(ledger: Sequence[Entry], migrations: Sequence[Migration], *, ignore_missing: bool = False) -> None:
    """Refuse a dirty row, an applied migration without a file, a changed file: all of them, in sqlx's order."""
    present = {migration.version for migration in migrations}
    forward = {migration.version: migration for migration in migrations if not migration.is_down}
    found: list[tuple[type[LedgerConflict], str]] = []
    found += [(Dirty, dirty(entry)) for entry in ledger if not entry.success]
    if not ignore_missing:
        found += [(VersionMissing, missing(entry)) for entry in ledger if entry.version not in present]
    found += [
        (VersionMismatch, changed(entry, migration))
        for entry in ledger
        if (migration := forward.get(entry.version)) and migration.checksum != entry.checksum
    ]
    if found:
        raise found[0][0]([problem for _, problem in found])


def dirty(entry: Entry) -> str:
    return (
        f"migration {entry.version} is partially applied; fix and remove row from `_sqlx_migrations` table\n"
        f"  {entry.version} ({entry.description}): finish or undo by hand what it began, delete its row, run again"
    )


def missing(entry: Entry) -> str:
    file = f"{entry.version}_{entry.description.replace(' ', '_')}.sql"
    return (
        f"migration {entry.version} was previously applied but is missing in the resolved migrations\n"
        f"  {file}: put the file back, or run with the newer files that know it; "
        "`miyabi migrate --ignore-missing` passes over it"
    )


def changed(entry: Entry, migration: Migration) -> str:
    if entry.checksum in other_line_ends(migration.sql):
        why = "only its line ends differ from what was applied (CRLF against LF); pin `*.sql text eol=lf` in git"
    else:
        why = "put it back as it was and make the change in a new file"
    return (
        f"migration {entry.version} was previously applied but has been modified\n"
        f"  {migration.file}: {why}\n"
        f"  applied migration had checksum {entry.checksum.hex()}\n"
        f"  local migration has checksum {migration.checksum.hex()}"
    )


def other_line_ends(sql: bytes) -> list[bytes]:
    """The checksums the text would have with LF and with CRLF line ends."""
    unix = sql.replace(b"\r\n", b"\n")
    return [hashlib.sha384(text).digest() for text in (unix, unix.replace(b"\n", b"\r\n"))]
