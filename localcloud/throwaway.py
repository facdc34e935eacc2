"""A PostgreSQL to throw away: `make test-db`. Prints its URL, runs until it is told to end, and leaves nothing.

DATABASE_URL=$(the URL) .venv/bin/miyabi migrate
"""

import signal
import tempfile
from pathlib import Path

import psycopg

from localcloud.postgres import Postgres

NAME = "miyabi_test"


def main() -> None:
    """SIGINT (Ctrl-C) and SIGTERM end it."""
    told = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    with tempfile.TemporaryDirectory(prefix="miyabi-test-db-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {NAME}")
            print(server.dsn(NAME), flush=True)
            signal.sigwait(told)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
