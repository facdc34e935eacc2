"""Durable executions: recording against DBOS, lines of log, and claims from a long queue.

The sides take turns, each in a fresh process; a round's own ratio is what counts. DBOS has a database of its own on the
same server. The milliseconds shown are for 1,000 executions, 50,000 lines, one claim of 50.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from database import migrations, queue
from localcloud.postgres import Postgres
from tests.bench.results import Result

ROOT = Path(__file__).parents[2]
ROUNDS, CLAIMS = 5, 30
SHORT, LONG, ENDED = 1_000, 100_000, 300_000

FILL = """
INSERT INTO agent_executions (agent_type, status, priority, created_at, completed_at)
SELECT (%(types)s::text[])[1 + n %% cardinality(%(types)s::text[])], %(status)s::text, 'P' || n %% 4,
    now() + n * interval '1 ms', CASE %(status)s::text WHEN 'completed' THEN now() END
FROM generate_series(1, %(rows)s) AS n
"""


def bench(postgres: Postgres) -> list[Result]:
    """The table's lines, on a server of this suite's own."""
    dsn = database(postgres, "bench_executions")
    migrations.run(dsn, migrations.load(ROOT / "migrations"))
    sides = {"ours": dsn, "started": dsn, "dbos": database(postgres, "bench_dbos"), "logs": dsn}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, url in sides.items():
            rates[side].append(once(side, url))
    print(*(f"{side}: {statistics.median(found):,.0f} a second" for side, found in rates.items()), sep=", ")
    return [
        against_dbos("executions, 3 steps, 6 durable writes", rates["ours"], rates["dbos"], 25),
        against_dbos("the same, with the steps' beginnings", rates["started"], rates["dbos"], 25),
        of_lines(statistics.median(rates["logs"])),
        asyncio.run(of_claims(dsn)),
    ]


def database(postgres: Postgres, name: str) -> str:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.dsn(name) + "?sslmode=disable"


def once(side: str, url: str) -> float:
    """A side's run in a process of its own: what it does a second."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.recording", side],
        cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def against_dbos(name: str, ours: list[float], dbos: list[float], goal: float) -> Result:
    ratio = statistics.median(a / b for a, b in zip(ours, dbos, strict=True))
    return Result(name, 1e6 / statistics.median(ours), 1e6 / statistics.median(dbos), "DBOS", ratio, goal, ">=")


def of_lines(rate: float) -> Result:
    return Result("log lines into Postgres", 50_000_000 / rate, 1000.0, "50,000 a second", rate / 50_000, 1.0, ">=")


async def of_claims(dsn: str) -> Result:
    """Claims from a queue of 100,000 beside 300,000 ended rows, against a short queue in a small table."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        short = await claims_from(connection, waiting=SHORT, ended=0)
        long = await claims_from(connection, waiting=LONG, ended=ENDED)
    name = f"claim of 50 with {LONG:,} waiting"
    return Result(name, long, short, f"{SHORT:,} waiting", long / short, 3.0, "<=")


async def claims_from(connection: queue.Connection, *, waiting: int, ended: int) -> float:
    """Milliseconds a claim; what it claims has ended before the next one."""
    await connection.execute("TRUNCATE agent_executions CASCADE")
    types = list(queue.COLOURS)[:6]
    for status, rows in (("completed", ended), ("pending", waiting)):
        await connection.execute(FILL, {"types": types, "status": status, "rows": rows})
    await connection.execute("VACUUM ANALYZE agent_executions")
    times = []
    for _ in range(CLAIMS if waiting > CLAIMS * 50 else waiting // 50):
        begin = time.perf_counter()
        claims = await queue.claim(connection, "bench", agent_types=types, limit=50, lease_s=60)
        times.append((time.perf_counter() - begin) * 1000)
        await connection.execute(
            "UPDATE agent_executions SET status = 'completed' WHERE id = ANY (%s)", [[claim.id for claim in claims]]
        )
    return statistics.median(times)
