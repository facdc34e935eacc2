"""Short calls to the database from many tasks of one process, over a few connections that are made again when lost.

The functions of database/queue.py and database/asking.py take a connection; `Store.call` lends them one. A database
that is away is waited for, `patience` seconds, where a call may be made twice; `Away` says that it did not come back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from database import asking
from database.agents import Agent
from database.asking import Child, ChildRequest, NotRunning
from tasks.errors import Permanent, Temporary

P = ParamSpec("P")
T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]
Call = Callable[..., Awaitable[Any]]
"""`Store.call`, for those who need nothing else of it."""
logger = logging.getLogger(__name__)

LOST = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""How psycopg says that the database is away, or went away during a statement."""


class Away(Temporary):
    """The database does not answer."""


class Store:
    """Use it with `async with`. `size` connections at most."""

    def __init__(self, dsn: str, *, size: int = 4, patience: float = 10.0) -> None:
        self.dsn, self._patience = dsn, patience
        self._pool = AsyncConnectionPool[Connection](
            dsn, min_size=1, max_size=size, open=False, kwargs={"autocommit": True}, timeout=3.0, reconnect_timeout=2.0
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for the block. Raises `Away`, also when the block finds that it is lost."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except LOST as error:
            raise Away(f"the database does not answer: {error}") from error

    async def once(
        self, function: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call it with a connection. If the answer is lost, it may have happened."""
        async with self.connection() as connection:
            return await function(connection, *args, **kwargs)

    async def call(
        self, function: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call it, again while the database is away: for what may be done twice."""
        deadline, pause = asyncio.get_running_loop().time() + self._patience, 0.05
        while True:
            try:
                return await self.once(function, *args, **kwargs)
            except Away:
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)

    async def add(self, parent: UUID, key: str, requests: Sequence[ChildRequest]) -> list[UUID]:
        """Children of an execution; those of this key are made once."""
        try:
            return await self.call(asking.add_children, parent, key, requests)
        except NotRunning as error:
            raise Temporary(str(error)) from error

    async def look(self, ids: Sequence[UUID]) -> list[Child]:
        """How these executions stand, in the same order."""
        return await self.call(asking.look, ids)


async def require_granted(store: Store, agent: Agent, user_id: UUID | None) -> None:
    """Raises Permanent. The API has asked before, but rows come past it: of a coordinator, of a waterspider."""
    if agent.grant and not await store.call(asking.is_granted, user_id, agent.grant):
        raise Permanent(f"the account that asked has not been granted {agent.grant}, system-wide (docs/agents.md)")
