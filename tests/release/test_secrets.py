"""No secret value is anywhere but in its store: looked for after releases of the real stack, good ones and failed ones.

The values are read from where they belong and then looked for, as they are and encoded, in every row of every table
(Prefect's database and the environment's own), in every file of the state folder, in the terminal's output, and in the
arguments of every process while it runs. The tests stand in their order.
"""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import httpx
import psutil
import psycopg
import pytest
from psycopg import sql

from tests.e2e.test_make_release import BIN, ROOT, Machine
from tests.release.scene import FUNCTION, GOOD, another_backend

PRINTED_BY_THE_PROGRAM = "aws/logs.pickle"
"""CloudWatch's log groups: what a program writes into its own log is its own affair."""


@dataclass
class Watched:
    """A stack of its own, and what was seen while its releases ran."""

    machine: Machine
    arguments: set[str] = field(default_factory=set)
    output: str = ""

    @property
    def home(self) -> Path:
        return self.machine.home

    def release(self, *options: str) -> int:
        """Release from the command line; the exit code."""
        command = [str(BIN / "miyabi"), "release", *options]
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        ended = subprocess.run(command, cwd=ROOT, env=self.machine.environment, capture_output=True, text=True)
        done.set()
        watcher.join()
        self.output += ended.stdout + ended.stderr
        return ended.returncode

    def _watch(self, done: threading.Event) -> None:
        """What `ps` shows, again and again."""
        while not done.wait(0.2):
            for process in psutil.process_iter():
                try:
                    self.arguments.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue

    def aws(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.machine.status()["aws_endpoint"],
            region_name="us-east-1",
            aws_access_key_id="someone",
            aws_secret_access_key="else",
        )

    def variables(self) -> dict[str, str]:
        """The function's environment, as AWS shows it."""
        found = self.aws("lambda").get_function_configuration(FunctionName=FUNCTION)
        return dict(found["Environment"]["Variables"])

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """Any database of the stack, as the superuser."""
        port = json.loads((self.home / "state.json").read_text())["ports"]["postgres"]
        password = (self.home / "secrets" / "postgres-superuser").read_text().strip()
        return psycopg.connect(
            host="127.0.0.1", port=port, user="miyabi_root", password=password, dbname=database, autocommit=True
        )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    machine = Machine(tmp_path_factory.mktemp("secrets"))
    machine.run(BIN / "miyabi", "up")
    yield Watched(machine)
    machine.run(BIN / "miyabi", "down")


def secrets_of(watched: Watched) -> dict[str, str]:
    """The real values, by what they are."""
    manager, folder = watched.aws("secretsmanager"), watched.home / "secrets"
    database = json.loads(manager.get_secret_value(SecretId="miyabi/local/database")["SecretString"])
    return {
        "master password": database["password"],
        "JWT secret": manager.get_secret_value(SecretId="miyabi/local/jwt")["SecretString"],
        "superuser's password": (folder / "postgres-superuser").read_text().strip(),
        "Prefect's password": (folder / "prefect-database").read_text().strip(),
        "Prefect's encryption key": (folder / "prefect-encryption-key").read_text().strip(),
    }


def forms(value: str) -> set[bytes]:
    """A value as it may be written: as it is, in a URL, and within base64 wherever in it the value begins."""
    data = value.encode()
    found = {data, quote(value, safe="").encode()}
    for before, start in ((0, 0), (1, 2), (2, 3)):  # bytes in front, and the first letter that they do not change
        encoded = base64.b64encode(b"\0" * before + data)
        found.add(encoded[start : 8 * (before + len(data)) // 6])
    return found


def tables(watched: Watched) -> Iterator[tuple[str, bytes]]:
    """Every table of every database as text, which is not compressed as in PostgreSQL's files."""
    for database in ("prefect", "miyabi"):
        with watched.connect(database) as connection:
            names = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
            for name in names.fetchall():
                query = sql.SQL("SELECT x::text FROM {} x").format(sql.Identifier(*name))
                rows = connection.execute(query).fetchall()
                yield f"{database}: {name[1]}", "\n".join(row for (row,) in rows).encode()


def files(watched: Watched) -> Iterator[tuple[str, bytes]]:
    """Every file of the state folder outside the secret store."""
    for path in watched.home.rglob("*"):
        name = path.relative_to(watched.home).as_posix()
        if not name.startswith("secrets/") and path.is_file():
            yield name, path.read_bytes()


def places(watched: Watched) -> Iterator[tuple[str, bytes]]:
    yield from tables(watched)
    yield from files(watched)
    yield "the terminal", watched.output.encode()
    yield "the process list", "\n".join(watched.arguments).encode()


def found_in(places: Iterator[tuple[str, bytes]], values: dict[str, str]) -> set[str]:
    """`<which secret> in <place>`, for each that is there."""
    wanted = {name: forms(value) for name, value in values.items()}
    return {
        f"{name} in {place}"
        for place, content in places
        for name, written in wanted.items()
        if any(form in content for form in written)
    }


def wait_saved(watched: Watched) -> None:
    """Wait until PostgreSQL, the cloud and the log writers have written what they hold."""
    time.sleep(1.0)
    with watched.connect("postgres") as connection:
        connection.execute("CHECKPOINT")


def logs(watched: Watched) -> bytes:
    wait_saved(watched)
    return dict(tables(watched))["prefect: log"]


def test_the_search_finds_what_is_there(watched: Watched) -> None:
    """Where the values belong they are found, whatever their form."""
    assert watched.release("--source", "python:api") == 0
    values = secrets_of(watched)
    store = watched.home / "secrets"
    kept = ((path.name, path.read_bytes()) for path in store.rglob("*") if path.is_file())
    assert {name.partition(" in ")[0] for name in found_in(kept, values)} == set(values)
    password = values["master password"]
    for text in (password, quote(password, safe=""), base64.b64encode(f"user:{password}".encode()).decode()):
        assert found_in(iter([("here", f"x{text}y".encode())]), values) == {"master password in here"}


def test_after_a_release_they_are_nowhere_else(watched: Watched) -> None:
    assert b"Applied 20251024000000/migrate" in logs(watched)
    assert any("localcloud.cloud" in line for line in watched.arguments)
    assert found_in(places(watched), secrets_of(watched)) == set()
    variables = watched.variables()
    assert variables["DATABASE_SECRET_ARN"].startswith("arn:aws:secretsmanager:")
    assert found_in(iter([("the function", json.dumps(variables).encode())]), secrets_of(watched)) == set()


def test_nor_after_one_that_the_database_refused(watched: Watched) -> None:
    with watched.connect("postgres") as connection:
        connection.execute("ALTER ROLE miyabi_admin PASSWORD 'somebody-changed-it'")
    assert watched.release("--source", GOOD, "--site", "") == 1
    assert "refuses the password of its secret" in watched.output
    assert b"refuses the password of its secret" in logs(watched)
    assert found_in(places(watched), secrets_of(watched)) == set()


def test_the_password_is_given_back_by_provision(watched: Watched) -> None:
    assert run_deployment(watched, "provision", reset_password=True) == "COMPLETED"
    assert watched.release("--source", GOOD, "--site", "") == 0


def run_deployment(watched: Watched, flow: str, **parameters: Any) -> str:
    """Press the button in Prefect; the state's type in the end."""
    api = watched.machine.status()["prefect_api"]
    deployment = httpx.get(f"{api}/deployments/name/{flow}/local").json()["id"]
    run = httpx.post(f"{api}/deployments/{deployment}/create_flow_run", json={"parameters": parameters}).json()["id"]
    deadline = time.monotonic() + 60
    while (state := httpx.get(f"{api}/flow_runs/{run}").json()["state_type"]) not in {"COMPLETED", "FAILED", "CRASHED"}:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return str(state)


def test_nor_after_one_whose_program_shows_its_whole_environment(watched: Watched, tmp_path: Path) -> None:
    """A backend that wants plain values is given them by the environment's word. Then they are in the function's
    configuration, as a finding, and still in no log, table or artifact of ours, however the program dies."""
    ask_for_plain_secrets(watched, {"JWT_SECRET": "jwt-secret", "DATABASE_URL": "database-url"})
    handler = (
        "import os, sys\nprint(dict(os.environ), file=sys.stderr, flush=True)\nraise RuntimeError(dict(os.environ))\n"
    )
    shows = another_backend(tmp_path, name="shows", handler=handler)
    assert watched.release("--source", shows, "--site", "") == 1
    values, variables = secrets_of(watched), watched.variables()
    assert variables["JWT_SECRET"] == values["JWT secret"]
    assert values["master password"] in variables["DATABASE_URL"]
    wait_saved(watched)
    text = dict(tables(watched))
    assert b"'JWT_SECRET': '***'" in text["prefect: log"]
    assert b"'JWT_SECRET': '***'" in text["miyabi: releases"]
    for name in ("JWT_SECRET", "DATABASE_URL"):
        assert f"{name} holds the secret".encode() in text["prefect: artifact"]
    found = found_in(places(watched), values)
    assert {where for where in found if not where.endswith(PRINTED_BY_THE_PROGRAM)} == set()


def ask_for_plain_secrets(watched: Watched, wanted: dict[str, str]) -> None:
    """Change the saved environment, as a person does in the UI."""
    script = (
        "import sys, json; from blocks.environment import Environment as E; e = E.load('local'); "
        "e.function = e.function.model_copy(update={'plain_secrets': json.loads(sys.argv[1])}); "
        "e.save('local', overwrite=True)"
    )
    environment = {**watched.machine.environment, "PREFECT_API_URL": watched.machine.status()["prefect_api"]}
    command = [str(BIN / "python"), "-c", script, json.dumps(wanted)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
