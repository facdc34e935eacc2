"""A local process worker: `python -m localcloud.worker [--name NAME] POOL...`, started by the supervisor.

What `prefect worker start` does, with five differences: it may be started together with the server, and does its
imports, 1 to 2 seconds, before it waits for it; it serves all the pools in one process; it is told by an event when
there is something to begin; they run flows through localcloud/engine.py; and runs that a killed worker left are settled
(localcloud/orphans.py).
"""

import argparse
import asyncio
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from localcloud.imports import large_imports
from localcloud.prefect_settings import WORK_POOL
from localcloud.state import wait_for

with large_imports():
    import prefect_aws  # noqa: F401  the worker loads Prefect's plugins when it starts
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.events.clients import get_events_subscriber
    from prefect.events.filters import EventFilter
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
    from prefect.utilities.processutils import setup_signal_handlers_worker
    from prefect.workers.process import ProcessWorker

    from localcloud.orphans import watch_over

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15
AT_ONCE = 8
"""Flow runs of the work pool `local`: thirty that start at once take minutes. A person may set another limit."""
ENGINE = shlex.join([sys.executable, "-m", "localcloud.engine"])
CHANGES = EventFilter.model_validate(
    {"event": {"prefix": ["prefect.flow-run."]}, "related": {"role": ["work-pool"]}, "order": "ASC"}
)
"""A run of a work pool is to begin, or one has ended and left its place."""
SETTLED_S, AGAIN_S = 0.1, 5.0
"""An event is sent before its transaction has ended."""


async def work(name: str, pools: Sequence[str]) -> None:
    """Look for runs to begin until cancelled."""
    for pool in pools:
        await ensure_pool(pool)
    workers = [ProcessWorker(work_pool_name=pool, name=name, heartbeat_interval_seconds=HEARTBEAT_S) for pool in pools]
    told = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.start())
        group.create_task(listen(told))
        group.create_task(look_when(told, workers))
        group.create_task(watch_over(WORK_POOL))


async def listen(told: asyncio.Event) -> None:
    """Set `told` at each change, until cancelled. While the server is away there is the worker's own asking."""
    while True:
        try:
            async with get_events_subscriber(CHANGES, reconnect_on_clean_close=True) as changes:
                async for _ in changes:
                    told.set()
        except Exception as error:  # whatever a server that ends says
            logger.warning("events of flow runs are listened to again: %s", error)
        await asyncio.sleep(AGAIN_S)


async def look_when(told: asyncio.Event, workers: Sequence[ProcessWorker]) -> None:
    """Have the workers look for runs now, not at their next turn; once for all that was told meanwhile."""
    while True:
        await told.wait()
        await asyncio.sleep(SETTLED_S)
        told.clear()
        for worker in workers:
            try:
                await worker.get_and_submit_flow_runs()
            except httpx.HTTPError as error:
                logger.warning("runs of %s are looked for again: %s", worker.work_pool.name, error)


async def ensure_pool(pool: str) -> None:
    """The pool with our engine as its command; whatever else a person set in it stays."""
    async with get_client() as client:
        try:
            template = (await client.read_work_pool(pool)).base_job_template
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            made = WorkPoolCreate(
                name=pool, type="process", base_job_template=template,
                concurrency_limit=AT_ONCE if pool == WORK_POOL else None,
            )  # fmt: skip
            with suppress(ObjectAlreadyExists):  # another worker was quicker
                await client.create_work_pool(made)
        command = template["variables"]["properties"]["command"]
        if command.get("default") != ENGINE:
            command["default"] = ENGINE
            await client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="worker")
    parser.add_argument("pools", nargs="+")
    given = parser.parse_args()
    wait_for(Path(os.environ["MIYABI_HOME"]), "prefect")
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    try:
        asyncio.run(work(given.name, given.pools))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped")


if __name__ == "__main__":
    main()
