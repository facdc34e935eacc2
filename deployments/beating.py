"""What a process of agents says of itself every few seconds, for `/workers` and `/coordinators` of the API: that it
lives, how busy its machine is, and what Prefect knows of the workers of its work pools, which the API cannot ask.

It is a courtesy: a database that is away, or has not got the table yet, is no reason to stop working.
"""

import asyncio
import logging
import os
import shutil
import socket
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool
from prefect.exceptions import PrefectHTTPStatusError

from database import processes
from database.processes import Process
from tasks.agents.execution import Desk
from tasks.agents.store import Away

logger = logging.getLogger(__name__)

BEAT_S, POOLS_S = 5.0, 30.0
PATIENCE_S = 30
PREFECT_PATIENCE_S = 90
"""Prefect's workers say that they live every 30 s."""
POOLS = 100


class Gauge:
    """How much of the machine this process uses."""

    def __init__(self) -> None:
        self._seen = (time.monotonic(), time.process_time())

    def cpu(self) -> float:
        """Percent of one core, since the last time it was asked."""
        (then, used), self._seen = self._seen, (time.monotonic(), time.process_time())
        return round(100 * (self._seen[1] - used) / max(1e-3, self._seen[0] - then), 1)

    def memory(self) -> float | None:
        """Percent of the machine's memory; None where there is no /proc."""
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return round(100 * pages / os.sysconf("SC_PHYS_PAGES"), 2)

    def disk(self) -> float:
        """Percent that is full, where this process works."""
        usage = shutil.disk_usage(".")
        return round(100 * usage.used / usage.total, 1)


class Beating:
    """`run` it beside the roles; when it is cancelled it says that the process has stopped."""

    def __init__(self, desk: Desk, client: PrefectClient, roles: Sequence[str], *, beat_s: float = BEAT_S) -> None:
        self._desk, self._client, self._roles, self._beat_s = desk, client, roles, beat_s
        self._gauge, self._pools_due = Gauge(), 0.0
        self._latency_ms: float | None = None

    async def run(self) -> None:
        try:
            while True:
                await self._beat()
                if "dispatch" in self._roles and time.monotonic() >= self._pools_due:
                    self._pools_due = time.monotonic() + POOLS_S
                    await self._tell_pools()
                await asyncio.sleep(self._beat_s)
        finally:
            await self._beat(stopped=True)

    async def _beat(self, *, stopped: bool = False) -> None:
        cpu, began = self._gauge.cpu(), time.monotonic()
        await self._write([self._mine(role, cpu, stopped) for role in self._roles])
        self._latency_ms = round(1000 * (time.monotonic() - began) / len(self._roles), 1)

    def _mine(self, role: str, cpu: float, stopped: bool) -> Process:
        worker, owner = role == "work", self._desk.owner
        return Process(
            owner if worker else f"dispatcher:{owner}",
            "worker" if worker else "dispatcher",
            f"{'agent worker' if worker else 'dispatcher'} {owner}",
            self._desk.environment,
            host=socket.gethostname(),
            capacity=self._desk.settings.limits.at_once if worker else None,
            cpu_usage=cpu,
            memory_usage=self._gauge.memory(),
            disk_usage=self._gauge.disk(),
            latency_ms=self._latency_ms,
            patience_s=PATIENCE_S,
            stopped=stopped,
        )

    async def _tell_pools(self) -> None:
        """Write down what Prefect knows of its workers."""
        try:
            pools = await self._client.read_work_pools(limit=POOLS)
            found = [(pool, worker) for pool in pools
                     for worker in await self._client.read_workers_for_work_pool(pool.name, limit=POOLS)]  # fmt: skip
        except (PrefectHTTPStatusError, httpx.HTTPError) as error:
            logger.info("Prefect does not say which workers there are: %s", error)
            return
        await self._write([prefect_worker(self._desk.environment, pool, worker) for pool, worker in found])

    async def _write(self, these: Sequence[Process]) -> None:
        try:
            async with self._desk.store.connection() as connection:
                for process in these:
                    await processes.beat(connection, process)
                await processes.forget(connection)
        except (Away, psycopg.Error) as error:
            logger.info("how this process does cannot be written down: %s", error)


def prefect_worker(environment: str, pool: WorkPool, worker: Worker) -> Process:
    seen: datetime | None = worker.last_heartbeat_time
    return Process(
        f"prefect:{pool.name}:{worker.name}", "prefect", worker.name, environment, pool=pool.name,
        capacity=pool.concurrency_limit, patience_s=PREFECT_PATIENCE_S, started_at=worker.created, heartbeat_at=seen,
        stopped=worker.status != WorkerStatus.ONLINE,
    )  # fmt: skip
