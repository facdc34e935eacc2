"""The local Prefect server: `python -m localcloud.prefect_server`, run by the supervisor.

What `prefect server start` does, with one difference: it may be started together with PostgreSQL, and does its imports,
2 to 3 seconds, before it waits for it. Its address, database and all else come from the environment.
"""

import os
from pathlib import Path

from localcloud.imports import large_imports
from localcloud.state import wait_for

with large_imports():
    import prefect_aws  # noqa: F401  the server loads Prefect's plugins when it starts
    import uvicorn
    from prefect.logging.configuration import setup_logging
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings


def main() -> None:
    wait_for(Path(os.environ["MIYABI_HOME"]), "postgres")
    setup_logging()
    settings = get_current_settings().server
    uvicorn.run(
        create_app(final=True),
        host=settings.api.host,
        port=settings.api.port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
    )


if __name__ == "__main__":
    main()
