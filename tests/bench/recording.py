"""One side of the executions bench in a process of its own: `python -m tests.bench.recording <side>`, DATABASE_URL set.

It prints what it did a second. A side of ours does six durable writes for each execution: inserted by a producer,
claimed, three steps with an output of 100 bytes, completed; `started` also writes down the beginning of each step.
DBOS's workflow has the same three steps; its log is silent and its admin server off.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from uuid import UUID

import psycopg

from database import queue
from database.execution_log import Bounds, LogWriter
from database.recorder import Recorder

EXECUTIONS, AT_ONCE, INSERTED_AT_ONCE = 6000, 500, 100
WORKFLOWS = 300
LINES, SPEAKERS = 200_000, 10
OUTPUT = {"text": "x" * 90}
INSERT = (
    "INSERT INTO agent_executions (agent_type, status) SELECT 'codegen', 'pending' FROM generate_series(1, %s) "
    "RETURNING id"
)


def ours(dsn: str, *, starts: bool = False) -> float:
    return asyncio.run(recorded(dsn, starts))


def started(dsn: str) -> float:
    return ours(dsn, starts=True)


async def recorded(dsn: str, starts: bool) -> float:
    """Executions a second, from the first insert to the last end."""
    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as producer,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as claimer,
        Recorder(dsn) as recorder,
    ):
        await worked_off(producer, claimer, recorder, EXECUTIONS // 4, starts)
        begin = time.perf_counter()
        await worked_off(producer, claimer, recorder, EXECUTIONS, starts)
        return EXECUTIONS / (time.perf_counter() - begin)


async def worked_off(
    producer: queue.Connection, claimer: queue.Connection, recorder: Recorder, number: int, starts: bool
) -> None:
    """Insert so many executions and work until all have ended, at most AT_ONCE at a time."""
    running: set[asyncio.Task[None]] = set()
    freed = asyncio.Event()

    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        freed.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(insert(producer, number))
        while number:
            free = min(number, AT_ONCE - len(running))
            if free < min(number, AT_ONCE // 4):
                freed.clear()
                await freed.wait()
                continue
            claims = await queue.claim(claimer, "bench", agent_types=["codegen"], limit=free, lease_s=60)
            if not claims:
                await asyncio.sleep(0.002)  # the producer is slower
            number -= len(claims)
            for claim in claims:
                running.add(task := group.create_task(work(recorder, claim.id, starts)))
                task.add_done_callback(ended)


async def insert(producer: queue.Connection, number: int) -> None:
    for _ in range(number // INSERTED_AT_ONCE):
        await producer.execute(INSERT, [INSERTED_AT_ONCE])


async def work(recorder: Recorder, execution: UUID, starts: bool) -> None:
    for number in (1, 2, 3):
        if starts:
            await recorder.start_step(execution, "bench", number, "step")
        await recorder.finish_step(execution, "bench", number, "step", output=OUTPUT)
    await recorder.finish(execution, "bench", status="completed", result={"ok": True})


def dbos(dsn: str) -> float:
    """Workflows a second, started one after the other and then awaited: its fastest way here."""
    from dbos import DBOS

    DBOS(config={  # it is a singleton
        "name": "bench", "system_database_url": dsn, "log_level": "ERROR", "run_admin_server": False,
    })  # fmt: skip

    @DBOS.step()
    def step(number: int) -> dict[str, str]:
        return OUTPUT

    @DBOS.workflow()
    def workflow(number: int) -> dict[str, bool]:
        for place in (1, 2, 3):
            step(place)
        return {"ok": True}

    def all_of(number: int) -> None:
        for handle in [DBOS.start_workflow(workflow, place) for place in range(number)]:
            handle.get_result()

    DBOS.launch()
    all_of(WORKFLOWS // 4)
    begin = time.perf_counter()
    all_of(WORKFLOWS)
    rate = WORKFLOWS / (time.perf_counter() - begin)
    DBOS.destroy()
    return rate


def logs(dsn: str) -> float:
    return asyncio.run(spoken(dsn))


async def spoken(dsn: str) -> float:
    """Lines a second, from the first `write` until all are in Postgres."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        speakers = [row[0] for row in connection.execute(INSERT, [SPEAKERS])]
    async with LogWriter(dsn, bounds=Bounds(lines=LINES, characters=10**12, waiting=10**12)) as log:
        begin = time.perf_counter()
        for number in range(LINES):
            log.write(speakers[number % SPEAKERS], "INFO", f"line {number} is as long as lines are: {'x' * 60}")
        await log.flush()
        return LINES / (time.perf_counter() - begin)


SIDES: dict[str, Callable[[str], float]] = {"ours": ours, "started": started, "dbos": dbos, "logs": logs}

if __name__ == "__main__":
    print(SIDES[sys.argv[1]](os.environ["DATABASE_URL"]))
