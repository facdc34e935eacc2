"""The local process worker: `python -m localcloud.worker POOL`, started by the supervisor.

What `prefect worker start` does, with one difference: it may be started together with the server, and does its imports,
1 to 2 seconds, before it waits for it.
"""

import asyncio
import os
import sys
from pathlib import Path

from localcloud.imports import large_imports
from localcloud.state import wait_for

HEARTBEAT_S = 15


def main() -> None:
    with large_imports():
        import prefect_aws  # noqa: F401  the worker loads Prefect's plugins when it starts
        from prefect.utilities.processutils import setup_signal_handlers_worker
        from prefect.workers.process import ProcessWorker

    pool = sys.argv[1]
    wait_for(Path(os.environ["MIYABI_HOME"]), "prefect")
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    worker = ProcessWorker(work_pool_name=pool, name=pool, heartbeat_interval_seconds=HEARTBEAT_S)
    try:
        asyncio.run(worker.start())
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped")


if __name__ == "__main__":
    main()
