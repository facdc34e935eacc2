"""A connection that is made when first needed and made again when it breaks.

Whoever uses it hands over a piece of work that may be done twice: if PostgreSQL dies between the commit and its
answer, nobody knows, and the work is repeated. It is tried for as long as the caller waits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg

LOG = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
TOO_MUCH = "54"
"""SQLSTATE class of what exceeds a limit of PostgreSQL's: it will not pass."""
CONFLICT = "40"
"""SQLSTATE class of deadlocks and the like: the transaction was rolled back in favour of another."""

Connection = psycopg.AsyncConnection[Any]
T = TypeVar("T")


def is_broken(connection: Connection | psycopg.Connection[Any] | None, error: psycopg.Error) -> bool:
    """True if the connection broke, or was never made, or the transaction had to give way to another."""
    return connection is None or connection.closed or (error.sqlstate or "").startswith(CONFLICT)


def is_passing(connection: Connection | psycopg.Connection[Any] | None, error: psycopg.Error) -> bool:
    """True if the same statement may succeed later: that, or the server is short of something."""
    short = isinstance(error, psycopg.OperationalError) and not (error.sqlstate or "").startswith(TOO_MUCH)
    return short or is_broken(connection, error)


class Reconnecting:
    """One connection in autocommit mode, for one user at a time."""

    def __init__(self, dsn: str, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._dsn, self._pause = dsn, pause
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def repeat(
        self,
        work: Callable[[Connection], Awaitable[T]],
        *,
        may_pass: Callable[[Connection | None, psycopg.Error], bool] = is_passing,
    ) -> T:
        """Do the work, again and again while what prevents it may pass."""
        delay = FIRST_PAUSE_S
        while True:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
                return await work(self._connection)
            except psycopg.Error as error:
                if not may_pass(self._connection, error):
                    raise
                LOG.warning("PostgreSQL did not do it, trying again in %.2f s: %s", delay, error)
            await self.close()
            await self._pause(delay)
            delay = min(delay * 2, LONGEST_PAUSE_S)
