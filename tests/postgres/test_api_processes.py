"""Workers and coordinators: what the processes say of themselves, and who sees what they are at."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool

from blocks.agents import AgentSettings
from database import processes
from database.processes import Process
from deployments.beating import Beating
from tasks.agents.store import Store
from tests.backend import Client, sql
from tests.postgres.tenants import told

WORKER = {
    "worker_id", "name", "kind", "environment", "pool", "status", "current_task", "cpu_usage", "memory_usage",
    "tasks_completed", "tasks_failed", "capacity", "uptime_seconds", "last_heartbeat",
}  # fmt: skip
COORDINATOR = {
    "coordinator_id", "name", "environment", "host", "port", "status", "workers_managed", "active_tasks",
    "total_capacity", "cpu_usage", "memory_usage", "disk_usage", "network_latency_ms", "last_heartbeat",
}  # fmt: skip
OURS = Process("box:1:a", "worker", "agent worker box:1:a", "local", host="box", capacity=10, cpu_usage=12.5)


def beaten(dsn: str, *those: Process) -> None:
    async def beat() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            for process in those:
                await processes.beat(connection, process)

    asyncio.run(beat())


@pytest.fixture
def execution(hana: Client, migrated: str) -> str:
    """One of hana's that the worker runs."""
    repository = hana.post("/repositories", json={"full_name": "hana/garden"}).json()["id"]
    made = hana.post("/agents/execute", json={"repository_id": repository, "agent_type": "review"}).json()["id"]
    sql(migrated, "UPDATE agent_executions SET status = 'running', lease_owner = 'box:1:a', started_at = now()")
    sql(migrated, "INSERT INTO execution_steps VALUES (%s, 1, 'a', 'completed'), (%s, 2, 'b', 'running')", made, made)
    return str(made)


def test_a_worker_s_task_is_told_to_who_may_see_it(hana: Client, kenji: Client, execution: str, migrated: str) -> None:
    beaten(migrated, OURS)
    (worker,) = hana.get("/workers").json()["workers"]
    assert set(worker) == WORKER
    assert (worker["worker_id"], worker["status"], worker["cpu_usage"]) == ("box:1:a", "busy", 12.5)
    task = worker["current_task"]
    assert (task["task_id"], task["title"], task["progress"]) == (execution, "review hana/garden", 50)
    assert hana.get("/workers/box:1:a").json() == worker
    assert kenji.get("/workers/box:1:a").json()["current_task"] is None
    assert kenji.get("/workers/box:1:a").json()["status"] == "busy"


def test_what_ended_is_counted_from_beat_to_beat(hana: Client, execution: str, migrated: str) -> None:
    beaten(migrated, OURS)
    sql(migrated, "UPDATE agent_executions SET status = 'failed', completed_at = now() WHERE id = %s", execution)
    beaten(migrated, OURS)
    beaten(migrated, OURS)
    worker = hana.get("/workers/box:1:a").json()
    assert (worker["tasks_completed"], worker["tasks_failed"], worker["status"]) == (0, 1, "idle")


def test_who_is_silent_or_has_stopped_is_offline(hana: Client, migrated: str) -> None:
    silent = replace(OURS, id="b", heartbeat_at=datetime.now(UTC) - timedelta(seconds=31))
    beaten(migrated, OURS, silent, replace(OURS, id="c", stopped=True), replace(OURS, id="d", kind="dispatcher"))
    answer = hana.get("/workers").json()
    assert [(one["worker_id"], one["status"]) for one in answer["workers"]] == [
        ("b", "offline"), ("box:1:a", "idle"), ("c", "offline"),
    ]  # fmt: skip
    assert answer["total"] == 3
    (coordinator,) = hana.get("/coordinators").json()["coordinators"]
    assert set(coordinator) == COORDINATOR
    assert (coordinator["status"], coordinator["workers_managed"]) == ("online", ["box:1:a"])
    assert (coordinator["total_capacity"], coordinator["port"]) == (10, None)
    assert hana.get("/coordinators/d").json() == coordinator


def test_only_who_is_signed_in_and_only_by_the_whole_id(hana: Client, visitor: Client, migrated: str) -> None:
    """In the mission's backend `e` was every coordinator with an e in its name."""
    beaten(migrated, OURS)
    for path in ("/workers", "/workers/box:1:a", "/coordinators", "/coordinators/x"):
        assert told(visitor.get(path)) == (401, "authentication_error")
    for path in ("/workers/box", "/coordinators/box:1:a"):
        assert told(hana.get(path)) == (404, "not_found")


class Pools:
    """Prefect, with a work pool and a worker that lives."""

    async def read_work_pools(self, **_: Any) -> list[WorkPool]:
        return [WorkPool(name="local", type="process", concurrency_limit=4, default_queue_id=uuid4())]

    async def read_workers_for_work_pool(self, pool: str, **_: Any) -> list[Worker]:
        return [Worker(name="ProcessWorker 1", work_pool_id=uuid4(), last_heartbeat_time=datetime.now(UTC),
                       status=WorkerStatus.ONLINE)]  # fmt: skip


def told_by_a_process(dsn: str, until: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def live() -> None:
        async with Store(dsn) as store:
            desk: Any = SimpleNamespace(store=store, owner="box:7:f", environment="local", settings=AgentSettings())
            beating = asyncio.create_task(Beating(desk, Pools(), ["work", "dispatch"], beat_s=0.05).run())  # type: ignore[arg-type]
            await until()
            beating.cancel()
            await asyncio.wait([beating])

    asyncio.run(live())


def test_a_process_says_that_it_lives_and_that_it_has_stopped(hana: Client, migrated: str) -> None:
    seen: list[dict[str, Any]] = []

    async def look() -> None:
        for _ in range(100):
            await asyncio.sleep(0.05)
            found = sql(migrated, "SELECT id, kind, capacity, latency_ms FROM agent_processes WHERE stopped_at IS NULL")
            if len(found) == 3 and all(one[3] for one in found if one[1] != "prefect"):
                seen.extend({"id": id, "kind": kind, "capacity": capacity} for id, kind, capacity, _ in found)
                return

    told_by_a_process(migrated, look)
    assert sorted((one["id"], one["kind"]) for one in seen) == [
        ("box:7:f", "worker"), ("dispatcher:box:7:f", "dispatcher"), ("prefect:local:ProcessWorker 1", "prefect"),
    ]  # fmt: skip
    states = {one["worker_id"]: one["status"] for one in hana.get("/workers").json()["workers"]}
    assert states == {"box:7:f": "offline", "prefect:local:ProcessWorker 1": "idle"}
    pooled = hana.get("/workers/prefect:local:ProcessWorker 1").json()
    assert (pooled["pool"], pooled["capacity"]) == ("local", 4)


def test_a_database_without_the_table_does_no_harm(database: str) -> None:
    async def wait() -> None:
        await asyncio.sleep(0.1)

    told_by_a_process(database, wait)
