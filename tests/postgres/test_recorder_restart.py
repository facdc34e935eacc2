"""PostgreSQL killed with -9 under load: what was recorded is there, what was said is there once, and so are effects."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from database import migrations, queue
from database.execution_log import LogWriter
from database.recorder import Recorder
from localcloud.ports import free_port
from localcloud.postgres import Postgres
from tests.postgres.conftest import MIGRATIONS
from tests.postgres.queue_support import Async, Rows, rows_in

EXECUTIONS, STEPS, KILLS = 30, 12, 3


class Server(Postgres):
    """A server of this test's own, on a port that stays the same."""

    def kill_and_restart(self) -> None:
        process = self._process
        assert process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        self._process = None
        self.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, port=free_port())
    server.start()
    migrations.run(server.dsn() + "?sslmode=disable", migrations.load(MIGRATIONS))
    yield server
    server.stop()


async def work(mine: UUID, recorder: Recorder, log: LogWriter) -> None:
    """Every third step has its effect in the database."""

    async def affect(connection: Async) -> int:
        await connection.execute("INSERT INTO effects VALUES (%s, %s)", [mine, number])
        return number

    for number in range(1, STEPS + 1):
        log.write(mine, "INFO", str(number))
        if number % 3 == 0:
            assert await recorder.once(mine, "me", number, "affect", affect) == number
        else:
            await recorder.start_step(mine, "me", number, "think")
            await asyncio.sleep(0.1)
            await recorder.finish_step(mine, "me", number, "think", output=number)
    await recorder.finish(mine, "me", status="completed")


async def work_while_postgres_dies(server: Server, executions: list[UUID]) -> None:
    dsn = server.dsn() + "?sslmode=disable&connect_timeout=3"
    async with Recorder(dsn) as recorder, LogWriter(dsn, linger_s=0.02) as log:
        workers = asyncio.gather(*(work(one, recorder, log) for one in executions))
        for _ in range(KILLS):
            await asyncio.sleep(0.15)
            await asyncio.to_thread(server.kill_and_restart)
        await asyncio.wait_for(workers, 60)


def claimed(rows: Rows, dsn: str) -> list[UUID]:
    for _ in range(EXECUTIONS):
        rows.add()

    async def claim() -> list[UUID]:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            claims = await queue.claim(connection, "me", agent_types=["codegen"], limit=EXECUTIONS, lease_s=60)
            return [claim.id for claim in claims]

    return asyncio.run(claim())


def test_nothing_is_lost_and_nothing_happens_twice(server: Server) -> None:
    dsn = server.dsn() + "?sslmode=disable"
    with rows_in(dsn) as rows:
        rows.connection.execute("CREATE TABLE effects (execution_id UUID, number INTEGER)")
        executions = claimed(rows, dsn)
    asyncio.run(work_while_postgres_dies(server, executions))
    with psycopg.connect(dsn) as after:
        ended = after.execute("SELECT count(*) FROM agent_executions WHERE status = 'completed'").fetchone()
        steps = after.execute("SELECT count(*) FROM execution_steps WHERE output = to_jsonb(number)").fetchone()
        effects = after.execute("SELECT count(*), count(DISTINCT (execution_id, number)) FROM effects").fetchone()
        said = after.execute("SELECT execution_id, message::int FROM execution_logs ORDER BY sequence").fetchall()
    assert (ended, steps) == ((EXECUTIONS,), (EXECUTIONS * STEPS,))
    assert effects == (EXECUTIONS * STEPS // 3,) * 2
    for one in executions:
        assert [number for execution, number in said if execution == one] == list(range(1, STEPS + 1))
