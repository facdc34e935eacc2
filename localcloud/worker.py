"""A local process worker: `python -m localcloud.worker [--name NAME] POOL...`, started by the supervisor.

What `prefect worker start` does, with four differences: it may be started together with the server, and does its
imports, 1 to 2 seconds, before it waits for it; it serves all the pools in one process; they run flows through
localcloud/engine.py; and runs that a killed worker left are settled (localcloud/orphans.py).
"""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from localcloud.imports import large_imports
from localcloud.prefect_settings import WORK_POOL
from localcloud.state import wait_for

with large_imports():
    import prefect_aws  # noqa: F401  the worker loads Prefect's plugins when it starts
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
    from prefect.utilities.processutils import setup_signal_handlers_worker
    from prefect.workers.process import ProcessWorker

    from localcloud.orphans import watch_over

HEARTBEAT_S = 15
AT_ONCE = 8
"""Flow runs of the work pool `local`: thirty that start at once take minutes. A person may set another limit."""
ENGINE = shlex.join([sys.executable, "-m", "localcloud.engine"])


async def work(name: str, pools: Sequence[str]) -> None:
    """Poll until cancelled."""
    async with asyncio.TaskGroup() as group:
        for pool in pools:
            await ensure_pool(pool)
            worker = ProcessWorker(work_pool_name=pool, name=name, heartbeat_interval_seconds=HEARTBEAT_S)
            group.create_task(worker.start())
        group.create_task(watch_over(WORK_POOL))


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
