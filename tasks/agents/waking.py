"""Being woken by PostgreSQL: LISTEN on a connection of its own, made again when it is lost.

A notification is a hint, never the news itself: whoever is woken looks into the table. After each new connection
everybody is woken once, because notifications of the meantime are gone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql

logger = logging.getLogger(__name__)
PAUSE_S = 1.0


async def wake_on(dsn: str, wake: Mapping[str, Callable[[], None]], *, pause: float = PAUSE_S) -> None:
    """Call `wake[channel]()` on each notification, until cancelled."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                for channel in wake:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                for call in wake.values():
                    call()
                async for notice in connection.notifies():
                    wake[notice.channel]()
        except psycopg.OperationalError as error:
            logger.info("not listening to the database for now: %s", error)
        await asyncio.sleep(pause)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have it run beside the block, and ended with it. Work that fails ends the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
