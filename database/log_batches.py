"""A batch of log lines on its way into `execution_logs`: one COPY, sent until it is in, and in once.

The ids of a batch are made before it is first sent. If the connection breaks while PostgreSQL answers, the batch is
sent again: an id that is there already means that all of it is.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from database.documents import NotStorable, clean, encode
from database.queries import load

LOG = logging.getLogger(__name__)
SQL = load("execution_log.sql")
LONGEST = 16 * 1024
"""Characters of a message, and of its metadata."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
NULL = "\\N"
OVERHEAD = 64
"""Characters that a line counts for beside its text."""
TOGETHER = 250
"""Lines in one piece of a COPY."""

Connection = psycopg.Connection[Any]


class Line(NamedTuple):
    """A line as it will be stored. `written_at` is in seconds since 1970, `metadata` is JSON, `size` in characters."""

    execution_id: UUID
    level: str
    message: str
    metadata: str | None
    written_at: float
    size: int


def clean_line(
    execution_id: UUID, level: str, message: str, metadata: dict[str, Any] | None, written_at: float
) -> Line:
    """The line with nothing in it that PostgreSQL refuses, and cut to a size that people read."""
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}… (cut: the line has {len(message):,} characters)"
    document = _metadata(metadata) if metadata else None
    size = len(message) + len(document or "") + OVERHEAD
    return Line(execution_id, level, clean(message), document, written_at, size)


def _metadata(metadata: dict[str, Any]) -> str:
    try:
        document = encode(metadata)
    except NotStorable:
        document = encode({"text": clean(repr(metadata))[:LONGEST]})
    return document if len(document) <= LONGEST else json.dumps({"text": document[:LONGEST], "cut": len(document)})


class Sender:
    """The connection of a log writer's thread."""

    def __init__(
        self, dsn: str, *, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dsn, self._pause, self._clock = dsn, pause, clock
        self._connection: Connection | None = None
        self._until: float | None = None

    def give_up_after(self, seconds: float) -> None:
        """From then on a batch that cannot be sent is not tried again. Any thread may call this."""
        self._until = self._clock() + seconds

    def send(self, lines: Sequence[Line]) -> bool:
        """True once the lines are in; False if it was given up. Lines of an execution that somebody has deleted, with
        all it said, are in nobody's way."""
        rows, ids, pause, some_gone = list(lines), first_id(), FIRST_PAUSE_S, False
        while True:
            try:
                if some_gone:
                    rows = self._of_existing(rows)
                self._copy(rows, ids)
                return True
            except psycopg.errors.UniqueViolation:
                return True
            except psycopg.errors.ForeignKeyViolation:
                some_gone = True
            except psycopg.errors.DataError as error:
                return self._send_halves(rows, error)
            except psycopg.Error as error:
                LOG.warning("PostgreSQL did not take log lines, trying again in %.1f s: %s", pause, error)
                if self._until is not None and self._clock() > self._until:
                    return False
                self.close()
                self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, autocommit=True)
        return self._connection

    def _copy(self, lines: Sequence[Line], ids: int) -> None:
        with self._connected().cursor() as cursor, cursor.copy(SQL["copy"]) as copy:
            for start in range(0, len(lines), TOGETHER):  # PostgreSQL stores some while we write down the next
                copy.write(as_text(lines[start : start + TOGETHER], ids + start))

    def _of_existing(self, lines: Sequence[Line]) -> list[Line]:
        executions = list({line.execution_id for line in lines})
        found = self._connected().execute(SQL["existing"], {"executions": executions}).fetchall()
        existing = {row[0] for row in found}
        return [line for line in lines if line.execution_id in existing]

    def _send_halves(self, lines: Sequence[Line], error: psycopg.Error) -> bool:
        """PostgreSQL refuses a line that we thought harmless: find it, and keep the others."""
        if len(lines) == 1:
            LOG.error("a log line of execution %s was refused and is lost: %s", lines[0].execution_id, error)
            return True
        middle = len(lines) // 2
        return self.send(lines[:middle]) and self.send(lines[middle:])


def first_id(clock: Callable[[], float] = time.time) -> int:
    """The first of a batch's ids, a version 7 UUID as a number: ids of one time lie together in the index."""
    random = int.from_bytes(os.urandom(10), "big")
    return int(clock() * 1000) << 80 | 7 << 76 | (random >> 68) << 64 | 2 << 62 | random & (1 << 61) - 1


def as_text(lines: Sequence[Line], ids: int) -> bytes:
    """The lines in COPY's text format."""
    names = {execution_id: str(execution_id) for execution_id in {line.execution_id for line in lines}}
    seconds = {second: moment(second) for second in {int(line.written_at) for line in lines}}
    return "".join(
        f"{ids + place:032x}\t{names[line.execution_id]}\t{line.level}\t{escape(line.message)}"
        f"\t{seconds[int(line.written_at)]}.{int(line.written_at % 1 * 1_000_000):06}+00"
        f"\t{escape(line.metadata) if line.metadata else NULL}\n"
        for place, line in enumerate(lines)
    ).encode()


def moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
