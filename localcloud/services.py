"""The services of `miyabi up`: PostgreSQL, the AWS simulator, a Prefect server on that PostgreSQL, a worker, agents.

All start at once, since most of a start is imports; the server then waits for PostgreSQL, and the worker for the
server. The agents come after all that and keep nobody waiting.
"""

import datetime
import shutil
import signal
import sys
from pathlib import Path
from typing import LiteralString

from localcloud.files import secret_value
from localcloud.health import answers, ask
from localcloud.launch import launched
from localcloud.postgres import Postgres
from localcloud.prefect_settings import (
    AGENT_POOL,
    DATABASE,
    ROLE,
    ROOT,
    SCRATCH,
    WORK_POOL,
    auth_string,
    clean_environment,
    is_scaled_out,
    password_file,
    scratch_environment,
    scratch_file,
    server_environment,
    temporary_folder,
    worker_environment,
)
from localcloud.state import Identity
from localcloud.supervisor import Service

PREFERRED_PORTS = {"prefect": 4200, "aws": 4566, "api": 4580, "site": 4590, "postgres": 15432}


def services(home: Path, ports: dict[str, int]) -> list[Service]:
    """All of them, in the order in which they are started. Called when nothing of an earlier run is left running."""
    fresh(home)
    return [
        server(home, ports), cloud(home, ports), postgres(home, ports), worker(home, ports), agents(home, ports),
    ]  # fmt: skip


def fresh(home: Path) -> None:
    """Remove what killed flow runs left."""
    shutil.rmtree(temporary_folder(home))


def cloud(home: Path, ports: dict[str, int]) -> Service:
    arguments = ["--home", str(home), "--aws-port", str(ports["aws"]), "--api-port", str(ports["api"])]
    arguments += ["--site-port", str(ports["site"]), "--postgres-port", str(ports["postgres"])]
    return Service(
        "cloud",
        lambda: python("localcloud.cloud", *arguments),
        lambda _: answers(ports["aws"], "/_cloud/health"),
        clean_environment(home),
        needs=("postgres",),
        waits_itself=True,
        directory=ROOT,
    )


def postgres(home: Path, ports: dict[str, int]) -> Service:
    database = Postgres(home, ports["postgres"])
    return Service(
        "postgres",
        database.command,
        lambda process: database.is_ready(process.pid),
        clean_environment(home) | {"LC_ALL": "C"},
        prepare=database.prepare,
        settle=lambda: make_databases(database, home),
        stop_signal=signal.SIGINT,
    )


def make_databases(server: Postgres, home: Path) -> None:
    """Prefect's, and the role that makes and drops databases for migrations of repositories that are investigated."""
    make_database(server, ROLE, secret_value(password_file(home)), DATABASE)
    make_database(server, SCRATCH, secret_value(scratch_file(home)), SCRATCH, rights="CREATEDB")


def make_database(server: Postgres, role: str, password: str, database: str, *, rights: LiteralString = "") -> None:
    """A role with this password and a database of its own, unless they are there."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        verb = "ALTER" if known else "CREATE"
        statement = sql.SQL(verb + " ROLE {} LOGIN " + rights + " PASSWORD {}")
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role))
            )


def server(home: Path, ports: dict[str, int]) -> Service:
    return Service(
        "prefect",
        lambda: python("localcloud.prefect_server", dies_with=signal.SIGKILL),
        lambda _: answers(ports["prefect"], "/api/health"),
        server_environment(home, ports),
        needs=("postgres",),
        waits_itself=True,
        directory=ROOT,
    )


def worker(home: Path, ports: dict[str, int], name: str = "worker") -> Service:
    auth = auth_string(home) if is_scaled_out(ports) else ""
    return Service(
        name,
        lambda: python("localcloud.worker", "--name", name, WORK_POOL, AGENT_POOL),
        lambda process: is_polling(ports["prefect"], name, process, auth),
        scratch_environment(home, ports) | worker_environment(home, ports),
        needs=("prefect",),
        waits_itself=True,
        directory=ROOT,
    )


def agents(home: Path, ports: dict[str, int], name: str = "agents", roles: str = "work,dispatch") -> Service:
    """The agent worker and dispatcher. It counts as ready once it is there: what it works with comes with a release."""
    return Service(
        name,
        lambda: python("localcloud.agents", "--roles", roles),
        lambda _: True,
        worker_environment(home, ports),
        needs=("prefect", "postgres"),
        waits_itself=True,
        directory=ROOT,
    )


def is_polling(port: int, name: str, process: Identity, auth: str) -> bool:
    """True if the server has heard from this worker since it was started, and lately."""
    known = ask(port, "POST", f"/api/work_pools/{WORK_POOL}/workers/filter", {}, auth=auth) or []
    online = [worker for worker in known if worker["name"] == name and worker["status"] == "ONLINE"]
    heard = [datetime.datetime.fromisoformat(worker["last_heartbeat_time"]) for worker in online]
    return any(time.timestamp() >= process.created for time in heard)


def python(module: str, *arguments: str, dies_with: signal.Signals = signal.SIGTERM) -> list[str]:
    return launched([sys.executable, "-m", module, *arguments], dies_with=dies_with)
