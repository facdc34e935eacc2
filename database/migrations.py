"""Run migrations with sqlx's contract: a database migrated by `sqlx migrate run` continues here, and the other way.

`run` compares files and ledger, and stops there when nothing is to be done: one SELECT, no lock. Otherwise it takes
sqlx's advisory lock, compares again and applies what is new in the order of versions, each file in one transaction.
Refusals come before the first write. No Prefect and no AWS in here: the API, the flows and the command use it alike.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from database.health import schema_version
from database.migration_apply import apply
from database.migration_connect import connect
from database.migration_errors import Execute, VersionNotPresent, VersionTooOld
from database.migration_files import Migration, load
from database.migration_ledger import PREPARE, locked, read_ledger, verify

__all__ = ["Applied", "Migration", "Status", "info", "load", "pending", "run", "schema_version"]

Connection = psycopg.Connection[Any]
Outcome = Literal["Applied", "Can apply", "Skipped"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one migration that was not in the ledger. `elapsed` is in nanoseconds."""

    version: int
    description: str
    outcome: Outcome
    elapsed: int = 0

    def __str__(self) -> str:
        return f"{self.outcome} {self.version}/migrate {self.description} ({rust_duration(self.elapsed)})"


@dataclass(frozen=True, slots=True)
class Status:
    """One forward migration beside its row in the ledger."""

    migration: Migration
    applied_checksum: bytes | None

    @property
    def state(self) -> Literal["pending", "installed", "installed (different checksum)"]:
        if self.applied_checksum is None:
            return "pending"
        return "installed" if self.applied_checksum == self.migration.checksum else "installed (different checksum)"

    def __str__(self) -> str:
        lines = [f"{self.migration.version}/{self.state} {self.migration.description}"]
        if self.applied_checksum is not None and self.applied_checksum != self.migration.checksum:
            lines.append(f"applied migration had checksum {self.applied_checksum.hex()}")
            lines.append(f"local migration has checksum {self.migration.checksum.hex()}")
        return "\n".join(lines)


def run(
    database: str | Connection,
    migrations: Sequence[Migration],
    *,
    target: int | None = None,
    dry_run: bool = False,
    ignore_missing: bool = False,
    log: Callable[[str], None] = logger.info,
) -> list[Applied]:
    """Apply what is not applied yet, up to the version `target`; one entry for each, those above it `Skipped`.

    `database` is a connection string, or an idle autocommit connection, whose session keeps the settings that the
    files make. A dry run writes nothing, not even the ledger's table. Raises MigrationError; what was applied before
    the one that failed stays, is recorded, and is durable.
    """
    if target is not None and all(migration.version != target for migration in migrations):
        raise VersionNotPresent(target)

    def compare() -> list[Migration]:
        return outstanding(conn, migrations, target=target, ignore_missing=ignore_missing)

    with opened(database) as conn:
        work = compare()
        if dry_run or not any(within(migration, target) for migration in work):
            return [noted(foreseen(migration, target), log) for migration in work]
        with locked(conn, log):
            conn.execute(PREPARE)
            return apply_all(conn, compare(), target, log)


def info(database: str | Connection, migrations: Sequence[Migration]) -> list[Status]:
    """Every forward migration and whether it is installed. Writes nothing, and judges nothing."""
    with opened(database) as conn:
        checksums = {entry.version: entry.checksum for entry in read_ledger(conn)}
    return [Status(m, checksums.get(m.version)) for m in migrations if not m.is_down]


def pending(database: str | Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """What `run` would apply. Raises LedgerConflict where `run` would refuse."""
    with opened(database) as conn:
        return outstanding(conn, migrations)


def outstanding(
    conn: Connection, migrations: Sequence[Migration], *, target: int | None = None, ignore_missing: bool = False
) -> list[Migration]:
    """The forward migrations that the ledger lacks, after the checks. Older ones than the newest count too."""
    ledger = read_ledger(conn)
    verify(ledger, migrations, ignore_missing=ignore_missing)
    latest = max((entry.version for entry in ledger), default=0)
    if target is not None and target < latest:
        raise VersionTooOld([
            f"migration {target} is older than the latest applied migration {latest}\n"
            "  migrations only go forward: name the latest or a newer version"
        ])  # fmt: skip
    applied = {entry.version for entry in ledger}
    return [m for m in migrations if not m.is_down and m.version not in applied]


def apply_all(
    conn: Connection, work: Sequence[Migration], target: int | None, log: Callable[[str], None]
) -> list[Applied]:
    """Apply in order. The last write, of the times, waits for the disk and so makes every commit before it durable."""
    done: list[Applied] = []
    try:
        for migration in work:
            entry = foreseen(migration, target)
            if entry.outcome != "Skipped":
                entry = replace(entry, outcome="Applied", elapsed=apply(conn, migration))
            done.append(noted(entry, log))
    finally:
        applied = [entry for entry in done if entry.outcome == "Applied"]
        if applied and not conn.closed:
            record_times(conn, applied)
    return done


def record_times(conn: Connection, done: Sequence[Applied]) -> None:
    conn.execute(
        "UPDATE _sqlx_migrations AS m SET execution_time = t.elapsed "
        "FROM unnest(%s::bigint[], %s::bigint[]) AS t (version, elapsed) WHERE m.version = t.version",
        [[entry.version for entry in done], [entry.elapsed for entry in done]],
    )


def foreseen(migration: Migration, target: int | None) -> Applied:
    outcome: Outcome = "Can apply" if within(migration, target) else "Skipped"
    return Applied(migration.version, migration.description, outcome)


def within(migration: Migration, target: int | None) -> bool:
    return target is None or migration.version <= target


def noted(entry: Applied, log: Callable[[str], None]) -> Applied:
    log(str(entry))
    return entry


@contextmanager
def opened(database: str | Connection) -> Iterator[Connection]:
    """A connection of our own, closed at the end whatever happens (and the lock with it), or the caller's."""
    try:
        if isinstance(database, str):
            with connect(database) as conn:
                yield conn
        elif database.autocommit and database.info.transaction_status == TransactionStatus.IDLE:
            yield database
        else:
            raise ValueError("migrations need a connection in autocommit mode and outside any transaction")
    except psycopg.Error as error:
        raise Execute(
            f"while executing migrations: error returned from database: {str(error).strip()}\n"
            "  Check that we may create and write `_sqlx_migrations` in this database, then run again."
        ) from error


def rust_duration(nanoseconds: int) -> str:
    """A duration as Rust prints it, which is how sqlx shows it: `1.5s`, `12.345678ms`, `0ns`."""
    for size, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if nanoseconds >= size:
            fraction = f"{nanoseconds % size:0{len(str(size)) - 1}d}".rstrip("0")
            return f"{nanoseconds // size}{'.' if fraction else ''}{fraction}{unit}"
    return f"{nanoseconds}ns"
