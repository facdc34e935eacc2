"""What agents say while they work, written to `execution_logs` in large batches by a thread of its own.

`write` may be called from any thread, never waits and keeps the order. The thread sends what has gathered (the oldest
waits 0.1 s) in one COPY, a transaction. Lines get their ids here: a batch whose answer was lost is sent again as it is,
and PostgreSQL refuses ids it has, so a line is neither lost nor doubled when the server dies; it is lost only with this
process. An execution that says too much keeps its WARN and ERROR lines; the others are dropped and counted.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

from database.log_batches import Line, Sender, clean_line

LOG = logging.getLogger(__name__)
Level = Literal["DEBUG", "INFO", "WARN", "ERROR"]
LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
KEPT = ("WARN", "ERROR")
BATCH = 5_000
"""Lines in one COPY: at 50,000 lines a second, ten transactions a second."""


class LogLost(Exception):
    """Lines could not be written before the writer had to end."""


@dataclass(frozen=True)
class Bounds:
    """What one execution may say below WARN in all, and how many characters of all executions may wait for PostgreSQL
    before such lines are dropped."""

    lines: int = 50_000
    characters: int = 20_000_000
    waiting: int = 64_000_000


@dataclass
class Said:
    """What an execution has said below WARN so far."""

    lines: int = 0
    characters: int = 0
    dropped: int = 0


class LogWriter:
    """`async with LogWriter(dsn) as log`. Leaving the block writes what is left, for at most `patience_s` seconds; what
    PostgreSQL did not take until then is lost, and LogLost says so."""

    def __init__(
        self,
        dsn: str,
        *,
        bounds: Bounds = Bounds(),
        linger_s: float = 0.1,
        patience_s: float = 15,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bounds, self._linger_s, self._patience_s, self._clock = bounds, linger_s, patience_s, clock
        self._sender = Sender(dsn)
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque()
        self._waiting = self._taken = self._written = 0
        self._flushes: deque[tuple[int, Future[None]]] = deque()
        self._said: dict[UUID, Said] = {}
        self._closing = self._ended = False
        self._thread = threading.Thread(target=self._write_batches, name="execution-log", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for execution_id in list(self._said):
            self._count_dropped(execution_id)
        self._sender.give_up_after(self._patience_s)
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)
        if self._lines and error is None:
            raise self._lost()
        if self._lines:
            LOG.error("%s", self._lost())

    def write(self, execution_id: UUID, level: Level, message: str, metadata: dict[str, Any] | None = None) -> None:
        """Take a line. Lines over 16 KiB are cut, and say so; metadata that is no JSON is written as text."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no log level; there are {', '.join(LEVELS)}")
        line = clean_line(execution_id, level, message, metadata, self._clock())
        with self._changed:
            if self._closing:
                raise RuntimeError("the log writer is closed")
            if level in KEPT or self._has_room(line):
                self._take(line)

    async def flush(self) -> None:
        """Wait until all lines taken so far are in Postgres. Raises LogLost."""
        done: Future[None] = Future()
        with self._changed:
            if self._ended:
                raise self._lost()
            self._flushes.append((self._taken, done))
            self._changed.notify()
        await asyncio.wrap_future(done)

    async def end(self, execution_id: UUID) -> None:
        """The execution has ended: say how many lines were dropped, write all, and forget its bounds."""
        self._count_dropped(execution_id)
        await self.flush()

    def _has_room(self, line: Line) -> bool:
        """False for a line to drop; the first one is replaced by a notice."""
        said = self._said.setdefault(line.execution_id, Said())
        if said.lines < self._bounds.lines and said.characters + line.size <= self._bounds.characters:
            if self._waiting < self._bounds.waiting:
                said.lines += 1
                said.characters += line.size
                return True
            reason = "PostgreSQL does not take lines as fast as they come"
        else:
            reason = f"more than {self._bounds.lines:,} lines or {self._bounds.characters:,} characters"
        if not said.dropped:
            notice = f"From here on DEBUG and INFO lines are missing: {reason}."
            self._take(clean_line(line.execution_id, "WARN", notice, None, line.written_at))
        said.dropped += 1
        return False

    def _count_dropped(self, execution_id: UUID) -> None:
        with self._changed:
            said = self._said.pop(execution_id, None)
            if said and said.dropped:
                self.write(execution_id, "WARN", f"{said.dropped:,} DEBUG and INFO lines are missing.")

    def _take(self, line: Line) -> None:
        self._lines.append(line)
        self._waiting += line.size
        self._taken += 1
        if len(self._lines) in (1, BATCH):
            self._changed.notify()

    def _write_batches(self) -> None:
        try:
            while (batch := self._next_batch()) and self._sender.send(batch):
                with self._changed:
                    for line in batch:
                        self._lines.popleft()
                        self._waiting -= line.size
                    self._written += len(batch)
                    self._tell_flushed()
        finally:
            self._sender.close()
            with self._changed:
                self._ended = True
                for _until, done in self._flushes:
                    if done.set_running_or_notify_cancel():
                        done.set_exception(self._lost())

    def _next_batch(self) -> list[Line]:
        """The oldest lines, once there are enough or they have waited; none when closing and all are written."""
        with self._changed:
            self._tell_flushed()
            while not self._lines and not self._closing:
                self._changed.wait()
                self._tell_flushed()
            self._changed.wait_for(
                lambda: len(self._lines) >= BATCH or self._flushes or self._closing, timeout=self._linger_s
            )
            return list(itertools.islice(self._lines, BATCH))

    def _tell_flushed(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._written:
            _until, done = self._flushes.popleft()
            if done.set_running_or_notify_cancel():
                done.set_result(None)

    def _lost(self) -> LogLost:
        return LogLost(f"{len(self._lines):,} log lines were not written: the writer ended before PostgreSQL took them")
