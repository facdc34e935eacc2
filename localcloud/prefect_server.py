"""The local Prefect server: `python -m localcloud.prefect_server server start`, run by the supervisor.

Prefect's own command line, with one difference: it may be started together with PostgreSQL, and does its imports,
2 to 3 seconds, before it waits for it. Its address, database and all else come from the environment.
"""

import os
from pathlib import Path

from localcloud.imports import large_imports
from localcloud.state import wait_for


def main() -> None:
    with large_imports():
        import prefect.server.api.server  # noqa: F401  what the command below is going to import
        from prefect.cli import app
    wait_for(Path(os.environ["MIYABI_HOME"]), "postgres")
    app()


if __name__ == "__main__":
    main()
