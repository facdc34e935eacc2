"""Migrations against the bare SQL and against alembic, from connect to done, each in a fresh process and database.

The sides take turns within a round, so that what else the machine does falls on all of them; a round's own ratio is
what counts. Where the disk is slow to flush, PostgreSQL's making of tables and indexes hides the tools: it syncs every
new index.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from localcloud.postgres import Postgres
from tests.bench.results import Result

ROOT = Path(__file__).parents[2]
OURS = ROOT / "migrations"
ROUNDS = 9

ALEMBIC_ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
ALEMBIC_REVISION = """
from pathlib import Path
from alembic import op

revision, down_revision = {revision!r}, {down!r}

def upgrade():
    op.execute(Path({file!r}).read_text())
"""

Sides = Mapping[str, Path]
"""Which tools run, by name in `migrate_once`, on which directory."""


def bench(postgres_dsn: str, *, rounds: int = ROUNDS) -> list[Result]:
    """The table's lines. `postgres_dsn` is a URL of a superuser, of any database: databases are made and dropped."""
    with tempfile.TemporaryDirectory() as folder, databases(postgres_dsn) as make:
        tiny, alembic = make_tiny(Path(folder, "tiny")), make_alembic(Path(folder, "alembic"), OURS)
        real = rounds_of(rounds, {"ours": OURS, "bare": OURS, "alembic": alembic}, make)
        many = rounds_of(rounds, {"ours": tiny, "bare": tiny}, make)
        migrated = make()
        once("ours", OURS, migrated)
        again = rounds_of(rounds * 2, {"ours": OURS, "hello": OURS}, lambda: migrated)
    return [
        compared("migrations, the project's own", real, "bare", "the same SQL, a message a file", 1.15),
        compared("migrations, the project's own", real, "alembic", "alembic, raw SQL", 0.45),
        compared("migrations, 500 tiny ones", many, "bare", "the same SQL, a message a file", 0.90),
        compared("migrations, nothing to do", again, "hello", "connect + SELECT 1", 1.25),
    ]


def compared(name: str, times: Mapping[str, list[float]], peer: str, said: str, goal: float) -> Result:
    """Medians in milliseconds, and the median of the rounds' own ratios."""
    ratio = statistics.median(a / b for a, b in zip(times["ours"], times[peer], strict=True))
    return Result(name, statistics.median(times["ours"]), statistics.median(times[peer]), said, ratio, goal, "<=")


def rounds_of(rounds: int, sides: Sides, database: Callable[[], str]) -> dict[str, list[float]]:
    """Milliseconds by side, one a round, after a round that does not count. The order turns from round to round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        urls = {name: database() for name in names}
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            taken = once(name, sides[name], urls[name])
            times[name] += [taken] if number else []
    return times


def once(tool: str, directory: Path, url: str) -> float:
    """A tool's run in a process of its own, in milliseconds as it clocks itself."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.migrate_once", tool, str(directory)],
        cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


@contextmanager
def databases(dsn: str) -> Iterator[Callable[[], str]]:
    """A function that gives the URL of a new, empty database at each call.

    They are dropped together at the end: on ext4 files are slow to make for seconds after others were deleted.
    """
    made: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as conn:

        def make() -> str:
            made.append(f"bench_migrations_{len(made)}")
            conn.execute(f"CREATE DATABASE {made[-1]}".encode())
            return dsn.replace(f"/{conn.info.dbname}", f"/{made[-1]}")

        try:
            yield make
        finally:
            for name in made:
                conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def make_tiny(directory: Path) -> Path:
    """500 files that each write a row, every twentieth into a table of its own."""
    directory.mkdir()
    for number in range(500):
        table = f"tiny_{number - number % 20}"
        create = f"CREATE TABLE {table} (number int);\n" if number % 20 == 0 else ""
        (directory / f"{number + 1:04}_tiny.sql").write_text(f"{create}INSERT INTO {table} VALUES ({number});\n")
    return directory


def make_alembic(directory: Path, files: Path) -> Path:
    """An alembic project with a revision for each file."""
    versions = directory / "versions"
    versions.mkdir(parents=True)
    (directory / "env.py").write_text(ALEMBIC_ENVIRONMENT)
    down: str | None = None
    for file in sorted(files.glob("*.sql")):
        revision = file.name.partition("_")[0]
        text = ALEMBIC_REVISION.format(revision=revision, down=down, file=str(file))
        (versions / f"{file.stem}.py").write_text(text)
        down = revision
    return directory


def main(home: str | None = None) -> int:
    """The table, on a server of our own; its data are in a folder below `home` (default: the temporary one)."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            results = bench(server.dsn() + "?sslmode=disable")
        finally:
            server.stop()
    print(*results, sep="\n")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
