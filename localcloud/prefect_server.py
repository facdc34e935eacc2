"""A local Prefect server: `python -m localcloud.prefect_server [--part api|services] [--after SERVICE...]`.

What `prefect server start`, or one of its parts (`prefect server start --no-services`, `prefect server services
start`), does, with one difference: it may be started together with what it needs, and does its imports, 2 to 3 seconds,
before it waits for it. Its address, database and all else come from the environment. Run by the supervisor.
"""

import argparse
import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

from localcloud.imports import large_imports
from localcloud.state import wait_for

with large_imports():
    import prefect_aws  # noqa: F401  the server loads Prefect's plugins when it starts
    import uvicorn
    from docket import Docket
    from prefect.logging.configuration import setup_logging
    from prefect.server.api.background_workers import background_worker
    from prefect.server.api.server import create_app
    from prefect.server.services.base import Service
    from prefect.settings import get_current_settings

DOCKET = "prefect"
"""The name under which `prefect server services start` finds its work in Redis."""


def serve(*, webserver_only: bool) -> None:
    """The API and the UI; the services too, unless they have a process of their own."""
    settings = get_current_settings().server
    uvicorn.run(
        create_app(final=True, webserver_only=webserver_only),
        host=settings.api.host,
        port=settings.api.port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
    )


async def run_services() -> None:
    """Scheduler, automations, events and all else that is not the API, until one of them fails.

    Prefect's own command goes on without one that failed, in silence; this process ends, and is started again.
    """
    services = [service() for service in Service.enabled_services()]
    docket = Docket(name=DOCKET, url=get_current_settings().server.docket.url, execution_ttl=timedelta(0))
    async with docket, background_worker(docket), asyncio.TaskGroup() as group:

        def stop() -> None:
            for service in services:
                group.create_task(service.stop())

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        for service in services:
            group.create_task(service.start())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["all", "api", "services"], default="all")
    parser.add_argument("--after", nargs="*", default=["postgres"])
    given = parser.parse_args()
    for service in given.after:
        wait_for(Path(os.environ["MIYABI_HOME"]), service)
    setup_logging()
    if given.part == "services":
        asyncio.run(run_services())
    else:
        serve(webserver_only=given.part == "api")


if __name__ == "__main__":
    main()
