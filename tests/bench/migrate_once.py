"""One tool's migration run in a process of its own: `DATABASE_URL=… python -m tests.bench.migrate_once TOOL DIRECTORY`.

Prints the milliseconds from before the connection is made until all is done, the tool being imported by then. A fresh
process, since that is how migrations are run: nothing is warm from the run before.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Work = Callable[[], object]


def ours(directory: Path, url: str) -> Work:
    from database import migrations

    return lambda: migrations.run(url, migrations.load(directory), log=lambda line: None)


def bare(directory: Path, url: str) -> Work:
    """The same files, each as one message, and nothing else: no ledger, no lock, no checksum."""
    import psycopg

    def send() -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            for file in sorted(directory.glob("*.sql")):
                conn.execute(file.read_bytes())

    return send


def hello(directory: Path, url: str) -> Work:
    import psycopg

    def connect() -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("SELECT 1")

    return connect


def alembic(directory: Path, url: str) -> Work:
    """`upgrade head` of an alembic project, whose revisions hand the same files to `op.execute`."""
    import sqlalchemy  # noqa: F401  (alembic's env.py needs it: imported before the clock starts)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(directory))
    config.set_main_option("path_separator", "os")
    return lambda: command.upgrade(config, "head")


TOOLS: dict[str, Callable[[Path, str], Work]] = {"ours": ours, "bare": bare, "hello": hello, "alembic": alembic}


def main(tool: str, directory: str) -> None:
    work = TOOLS[tool](Path(directory), os.environ["DATABASE_URL"])
    start = time.perf_counter()
    work()
    print((time.perf_counter() - start) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
