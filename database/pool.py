"""A few connections, opened when first needed and kept for the next request.

It has no threads, because Lambda freezes a process between two requests, and it connects in the caller's thread: who
asks learns at once why the database cannot be reached, and the next request tries again without a back-off. A
connection that the server closed meanwhile is noticed by its socket, without a round trip.
"""

import contextlib
import select
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from database.connection import deadline

Connection = psycopg.Connection[Any]


class Unavailable(Exception):
    """The database cannot be reached now, or all connections are in use. Try again in a moment."""


class Source(Protocol):
    """Where the DSN comes from. `fresh` asks to look again: a password may have been rotated, an address changed."""

    def __call__(self, *, fresh: bool) -> str: ...


@dataclass(frozen=True)
class Usage:
    active: int
    idle: int
    maximum: int


class Pool:
    """At most `size` connections in autocommit mode; who has to wait longer than `patience` seconds is refused."""

    def __init__(
        self,
        dsn: Source,
        *,
        size: int = 5,
        patience: float = 3.0,
        trust_s: float = 5.0,
        answer_s: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dsn, self._size, self._patience = dsn, size, patience
        self._trust_s, self._answer_s, self._clock = trust_s, answer_s, clock
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[tuple[Connection, float]] = []
        self._active, self._closed = 0, False

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the block. Raises `Unavailable`."""
        if not self._slots.acquire(timeout=self._patience):
            raise Unavailable(f"all {self._size} connections are in use")
        try:
            connection = self._take() or self._connect()
            self._count(1)
            try:
                yield connection
            finally:
                self._count(-1)
                self._give_back(connection)
        finally:
            self._slots.release()

    def usage(self) -> Usage:
        with self._lock:
            return Usage(self._active, len(self._idle), self._size)

    def close(self) -> None:
        """Close what is idle. What is in use is closed when its user gives it back."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection, _since in idle:
            connection.close()

    def _count(self, change: int) -> None:
        with self._lock:
            self._active += change

    def _take(self) -> Connection | None:
        """The connection used last that still lives."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if self._lives(connection, self._clock() - since):
                return connection
            connection.close()

    def _lives(self, connection: Connection, idle_s: float) -> bool:
        """False if the server hung up. After `trust_s` a router may have dropped it in silence: then ask."""
        if idle_s < self._trust_s and not has_news(connection):
            return True
        try:
            with deadline(connection, self._answer_s):
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _connect(self) -> Connection:
        dsn = self._dsn(fresh=False)
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError as error:
            renewed = self._dsn(fresh=True)
            if renewed == dsn:
                raise Unavailable(str(error)) from error
        try:
            return psycopg.connect(renewed, autocommit=True)
        except psycopg.OperationalError as error:
            raise Unavailable(str(error)) from error

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            keeps = not self._closed and connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
            if keeps:
                self._idle.append((connection, self._clock()))
        if not keeps:
            connection.close()


def has_news(connection: Connection) -> bool:
    """True if bytes wait on the socket of an idle connection: nearly always the server's good-bye."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
