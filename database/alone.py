"""Doing something that only one process may do at a time, whichever machines they are on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

STRANDED = 20261127000600
"""Keys of advisory locks."""


@asynccontextmanager
async def alone(connection: psycopg.AsyncConnection[Any], key: int) -> AsyncIterator[bool]:
    """Whether nobody else is in such a block now; then nobody enters one before this one is left, or its process
    dies."""
    async with connection.transaction():
        found = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])).fetchone()
        yield found == (True,)
