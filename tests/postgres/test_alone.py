"""One process at a time, by an advisory lock."""

import asyncio

import psycopg

from database.alone import STRANDED, alone
from localcloud.postgres import Postgres


def test_only_one_is_alone_and_a_dead_one_is_not_waited_for(postgres: Postgres) -> None:
    async def scene() -> None:
        first, second = [await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) for _ in range(2)]
        async with second:
            async with alone(first, STRANDED) as mine, alone(second, STRANDED) as theirs:
                assert (mine, theirs) == (True, False)
            async with alone(second, STRANDED) as mine:
                assert mine
            await first.execute("SELECT pg_advisory_lock(%s)", [STRANDED])
            await first.close()
            async with asyncio.timeout(5):
                while True:
                    async with alone(second, STRANDED) as mine:
                        if mine:
                            return

    asyncio.run(scene())
