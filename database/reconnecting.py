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
LONGEST_PAUSE_S = 1.0
TOO_MUCH = "54"
"""SQLSTATE class of what exceeds a limit of PostgreSQL's: it will not pass."""

Connection = psycopg.AsyncConnection[Any]
T = TypeVar("T")


def is_passing(connection: Connection | psycopg.Connection[Any] | None, error: psycopg.Error) -> bool:
    """True if the same statement may succeed later: the connection broke, or the server is short of something."""
    if connection is not None and connection.closed:
        return True
    return isinstance(error, psycopg.OperationalError) and not (error.sqlstate or "").startswith(TOO_MUCH)


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
        await self._drop()

    async def repeat(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do the work, again and again while what prevents it may pass."""
        delay = 0.02
        while True:
            try:
                return await self._once(work)
            except psycopg.Error as error:
                if not is_passing(self._connection, error):
                    raise
                LOG.warning("PostgreSQL does not answer, trying again in %.2f s: %s", delay, error)
            await self._drop()
            await self._pause(delay)
            delay = min(delay * 2, LONGEST_PAUSE_S)

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        return await work(self._connection)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
