"""Apply one migration: its file and its row in the ledger as one message, so one round trip and one transaction.

    BEGIN;<the file as it is>
    ;SET LOCAL synchronous_commit = off;INSERT INTO _sqlx_migrations …;COMMIT

PostgreSQL divides the message itself: nothing here parses SQL to run it. What follows the file holds no quote and no
comment mark, and its dollar quotes carry the file's own checksum, so a string or comment that the file leaves open
swallows it and is a syntax error, never something else. The commit does not wait for the disk; the caller's last
write does, and makes all before it durable. Commits that a file makes itself wait, as they would under sqlx.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from database.migration_errors import ExecuteMigration
from database.migration_files import Migration
from database.sql_text import statement_starts

Connection = psycopg.Connection[Any]

BEGIN = b"BEGIN;"
PASSING = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.DeadlockDetected,
    errors.DiskFull,
    errors.LockNotAvailable,
    errors.OutOfMemory,
    errors.SerializationFailure,
    errors.TooManyConnections,
)
NO_INPUT = b"a migration has no input to copy from: write INSERT statements"


def apply(conn: Connection, migration: Migration, *, clock: Callable[[], int] = time.perf_counter_ns) -> int:
    """Run and record a migration; the time it took in nanoseconds. Raises ExecuteMigration, with nothing left behind.

    A file without transaction is recorded by a second message, as sqlx does: a crash between the two leaves it
    applied and not recorded.
    """
    start = clock()
    if migration.no_transaction:
        run(conn, migration, migration.sql, before=0)
        conn.execute(record(migration))
    else:
        run(conn, migration, packed(migration), before=1)
    return clock() - start


def packed(migration: Migration) -> bytes:
    return b"%b%b\n;SET LOCAL synchronous_commit = off;%b;COMMIT" % (BEGIN, migration.sql, record(migration))


def record(migration: Migration) -> bytes:
    """The row of the ledger, written without a single quote; execution_time is set at the end of the run."""
    quote = b"$l%b$" % migration.checksum.hex()[:24].encode()
    return (
        b"INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES"
        b" (%d, pg_catalog.convert_from(%b\\x%b%b, %bUTF8%b), TRUE, %b\\x%b%b, -1)"
    ) % (
        migration.version,
        *(quote, migration.description.encode().hex().encode(), quote, quote, quote),
        *(quote, migration.checksum.hex().encode(), quote),
    )


def run(conn: Connection, migration: Migration, message: bytes, *, before: int) -> None:
    """Send a message as it is and look at every statement's answer. `before` counts our statements ahead of the file's.

    Whatever interrupts it, the transaction is rolled back.
    """
    done: list[PGresult] = []
    try:
        conn.pgconn.send_query(message)
        for result in answers(conn):
            if result.status == ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result)
            done.append(result)
    except psycopg.Error as error:
        raise failure(migration, error, done, before) from error
    finally:
        if not conn.closed and conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            conn.execute("ROLLBACK")


def answers(conn: Connection) -> Iterator[PGresult]:
    """The result of every statement. COPY has no place in a file: its output is dropped, its input is refused."""
    results: list[PGresult] = conn.wait(generators.execute(conn.pgconn))
    while results[-1].status == ExecStatus.COPY_OUT:
        while conn.pgconn.get_copy_data(0)[0] > 0:
            pass
        results[-1:] = conn.wait(generators.fetch_many(conn.pgconn))
    if results[-1].status == ExecStatus.COPY_IN:
        yield from results[:-1]
        results = [conn.wait(generators.copy_end(conn.pgconn, NO_INPUT))]
    yield from results


def failure(migration: Migration, error: psycopg.Error, done: Sequence[PGresult], before: int) -> ExecuteMigration:
    """What PostgreSQL said, which line it is about, what is left behind, and what to do."""
    diagnosis = error.diag
    line = failing_line(migration.sql.decode(), diagnosis.statement_position, len(done), before)
    said = diagnosis.message_primary or str(error).strip()
    where = migration.file if line is None else f"{migration.file}, line {line}: {text_of_line(migration.sql, line)}"
    lines = [f"while executing migration {migration.version}: error returned from database: {said}", where]
    lines += [f"{name}: {text}" for name, text in (
        ("detail", diagnosis.message_detail), ("hint", diagnosis.message_hint), ("at", diagnosis.context),
    ) if text]  # fmt: skip
    lines.append(aftermath(migration, error, done))
    return ExecuteMigration(
        "\n  ".join(lines), version=migration.version, file=migration.file, line=line, sqlstate=error.sqlstate
    )


def failing_line(sql: str, position: str | None, done: int, before: int) -> int | None:
    """The line of the error, or else of the statement after the last that succeeded; None past the file's end."""
    if position is not None:
        offset = int(position) - 1 - (len(BEGIN) if before else 0)
        return sql.count("\n", 0, min(offset, len(sql.rstrip()))) + 1
    starts = statement_starts(sql)
    number = done - before
    return sql.count("\n", 0, starts[number]) + 1 if 0 <= number < len(starts) else None


def text_of_line(sql: bytes, line: int) -> str:
    return sql.decode().split("\n")[line - 1].strip()[:120]


def aftermath(migration: Migration, error: psycopg.Error, done: Sequence[PGresult]) -> str:
    if error.sqlstate is None:
        return "The connection was lost. Run again: what was committed is recorded and will not be repeated."
    if isinstance(error, PASSING):
        return "Nothing of it was applied. The file is not at fault: run again."
    if migration.no_transaction:
        return (
            "The file runs without a transaction: look for what it left behind (an invalid index), then mend it and "
            "run again."
        )
    if isinstance(error, errors.ActiveSqlTransaction):
        return "Put this statement alone in a file that starts with `-- no-transaction`, and run again."
    if any(result.command_status == b"COMMIT" for result in done):
        return "The file commits by itself: what stands before its last COMMIT is applied. Mend it and run again."
    return "Nothing of it was applied. Mend the file and run again."
