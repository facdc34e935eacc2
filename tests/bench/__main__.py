"""`make bench`: us beside the peers, alternating in one run, as ratios. `make bench ARGS="migrations zipping"` picks.

Absolute figures move with the machine by a factor of two; the ratios hold within some 10-20 %. A missed goal is said
and is no error: this measures, the tests judge.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.postgres import Postgres
from tests.bench import (
    agents,
    api,
    commands,
    executions,
    investigating,
    lambda_runtime,
    loading,
    migrations,
    releases,
    sites,
    zipping,
)
from tests.bench.results import Result


@contextmanager
def server() -> Iterator[Postgres]:
    """A PostgreSQL for one suite."""
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder))
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


def bench_migrations() -> list[Result]:
    with server() as postgres:
        return migrations.bench(postgres.dsn() + "?sslmode=disable")


def bench_releases() -> list[Result]:
    with server() as postgres:
        return releases.bench(postgres)


def bench_executions() -> list[Result]:
    with server() as postgres:
        return executions.bench(postgres)


SUITES: dict[str, Callable[[], list[Result]]] = {
    "zipping": zipping.bench,
    "migrations": bench_migrations,
    "lambda": lambda_runtime.bench,
    "releases": bench_releases,
    "executions": bench_executions,
    "agents": agents.bench,
    "api": api.bench,
    "commands": commands.bench,
    "loading": loading.bench,
    "sites": sites.bench,
    "investigating": investigating.bench,
}


def main() -> None:
    chosen = sys.argv[1:] or list(SUITES)
    if unknown := set(chosen) - set(SUITES):
        sys.exit(f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    for name in chosen:
        print(f"\n{name}", flush=True)
        for result in SUITES[name]():
            print(result, flush=True)


if __name__ == "__main__":
    main()
