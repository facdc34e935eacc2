"""The ground that agents stand on, in tests: PostgreSQL, a Prefect server on it, agent processes; each may be killed.

Everything is a process of its own, started here and not by the supervisor, so that a test decides when it comes back.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
from prefect.context import SyncClientContext
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from database import migrations
from deployments.settings import LocalCloud, build_environment
from localcloud.files import secret_value
from localcloud.health import answers
from localcloud.ports import free_port
from localcloud.postgres import Postgres
from localcloud.prefect_settings import (
    AGENT_POOL,
    DATABASE,
    ROLE,
    certificate,
    client_environment,
    password_file,
    server_environment,
    temporary_folder,
    worker_environment,
)
from localcloud.processes import family, kill_all, marked
from localcloud.services import PREFERRED_PORTS, make_database
from localcloud.state import ServiceState, State
from tasks.agents.refreshing import FLOW

ROOT = Path(__file__).parents[1]
LEASE_S = 2.0


class Ground:
    """Start it, use it, stop it. `url` is Prefect's API, `dsn` the database with our tables."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {name: free_port() for name in PREFERRED_PORTS}
        self.url = f"http://127.0.0.1:{self.ports['prefect']}/api"
        self.postgres = Postgres(home, self.ports["postgres"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.dsn = ""

    def start(self) -> None:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        temporary_folder(self.home)
        self.postgres.start()
        make_database(self.postgres, ROLE, secret_value(password_file(self.home)), DATABASE)
        ready = ServiceState(phase="ready")
        State(services={"postgres": ready, "prefect": ready}).save(self.home)
        self.start_prefect()
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE miyabi")
        self.dsn = self.postgres.dsn("miyabi") + "?sslmode=disable"
        migrations.run(self.dsn, migrations.load(ROOT / "migrations"))
        self.wait_for_prefect()
        with self.settings():
            asyncio.run(self._save_environment())

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.kill_flows()
        self.postgres.stop()

    def start_prefect(self) -> None:
        self.run(
            "prefect", [sys.executable, "-m", "localcloud.prefect_server"], server_environment(self.home, self.ports)
        )

    def wait_for_prefect(self) -> None:
        wait_until(lambda: answers(self.ports["prefect"], "/api/health"), "Prefect does not answer", patience=400)

    def start_agents(self, name: str, *arguments: str) -> None:
        """An agent process with the runners of tests/agent_process.py."""
        self.run(name, [sys.executable, "-m", "tests.agent_process", *arguments], self.environment())

    def start_pool(self) -> None:
        """Prefect's process worker, for agents with a process of their own."""
        ours = worker_environment(self.home, self.ports) | self.environment() | {"TMPDIR": str(self.home / "tmp")}
        self.run("pool", [sys.executable, "-m", "localcloud.worker", AGENT_POOL], ours)

    def kill_flows(self) -> None:
        """The processes of flow runs, with the programs in them."""
        marks = {process for process in marked(self.home) if "localcloud.engine" in " ".join(process.cmdline())}
        kill_all(family(marks))

    def deploy(self) -> None:
        """`run-agent/local`, for the pool."""
        flow = self.ask("/flows/", name=FLOW)
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        self.ask("/deployments/", name="local", flow_id=flow["id"], entrypoint="flows.run_agent.run_agent",
                 work_pool_name=AGENT_POOL, pull_steps=[step])  # fmt: skip

    def wait_for_agents(self, name: str) -> None:
        """Until the process that was started last has found Prefect and the database."""
        here = f"{self.processes[name].pid}:".encode()
        log = self.home / f"{name}.log"
        wait_until(lambda: any(here in line and b" is here" in line for line in log.read_bytes().splitlines()),
                   f"{name} does not begin", patience=400)  # fmt: skip

    def environment(self) -> dict[str, str]:
        return client_environment(self.home, self.ports) | {
            "DATABASE_URL": self.dsn,
            "MIYABI_AGENT_LEASE_S": str(LEASE_S),
            "MIYABI_AGENT_START_S": "20",
            "PYTHONPATH": str(ROOT),
            "MIYABI_AGENT_COMMAND": json.dumps([sys.executable, str(ROOT / "tests" / "agent_program.py")]),
            "MIYABI_AGENT_COMMAND_VARIABLES": json.dumps(["DATABASE_URL"]),
        }

    def run(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def kill_postgres(self) -> None:
        """All of it, as when the machine goes; `postgres.start` brings it back."""
        process = self.postgres._process
        assert process
        process.kill()
        self.postgres.stop()

    @contextmanager
    def settings(self) -> Iterator[None]:
        """This process as a client of the Prefect server."""
        ours: dict[Any, Any] = {
            PREFECT_API_URL: self.url, PREFECT_API_SSL_CERT_FILE: str(certificate(self.home)),
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False, PREFECT_LOGGING_TO_API_ENABLED: False,
        }  # fmt: skip
        with temporary_settings(ours), SyncClientContext.get_or_create():  # Prefect does not close such a client itself
            yield
            EventsWorker.drain_all()  # or they would try to reach the server when this process ends

    async def _save_environment(self) -> None:
        cloud = LocalCloud("http://127.0.0.1:1", "http://127.0.0.1:1")
        block = build_environment("local", cloud.overlay({"account_id": "211234825975", "region": "us-east-1"}))
        await block.credentials.asave("miyabi-local", overwrite=True)
        await block.asave("local", overwrite=True)

    def ask(self, path: str, **body: Any) -> Any:
        return httpx.post(f"{self.url}{path}", json=body, timeout=30).raise_for_status().json()

    def exists(self, path: str) -> bool:
        """False also while the server does not answer."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=30).is_success
        except httpx.HTTPError:
            return False

    def run_of(self, id: Any) -> dict[str, Any]:
        """A flow run as Prefect shows it."""
        return dict(httpx.get(f"{self.url}/flow_runs/{id}", timeout=30).raise_for_status().json())

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []


def wait_until(true: Callable[[], object], otherwise: str, *, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
