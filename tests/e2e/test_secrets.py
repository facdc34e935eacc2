"""No secret value is anywhere but in its store: looked for after releases of the real stack, good ones and failed ones.

The values are read from where they belong and then looked for, as they are and encoded, in every row of every table
(Prefect's database and the environment's own), in every file of the state folder, in the terminal's output, and in the
arguments of every process while it runs. The tests stand in their order.
"""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.e2e.machine import Machine, until
from tests.release.scene import FUNCTION, GOOD, another_backend

PRINTED_BY_THE_PROGRAM = "aws/logs.pickle"
"""CloudWatch's log groups: what a program writes into its own log is its own affair."""


@pytest.fixture(scope="module")
def watched(machine: Machine) -> Machine:
    machine.stands()
    return machine


def variables(machine: Machine) -> dict[str, str]:
    """The function's environment, as AWS shows it."""
    found = machine.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    return dict(found["Environment"]["Variables"])


def connect(machine: Machine, database: str) -> psycopg.Connection[Any]:
    """Any database of the stack, as the superuser."""
    port = json.loads((machine.home / "state.json").read_text())["ports"]["postgres"]
    password = (machine.home / "secrets" / "postgres-superuser").read_text().strip()
    return psycopg.connect(
        host="127.0.0.1", port=port, user="miyabi_root", password=password, dbname=database, autocommit=True
    )


def secrets_of(watched: Machine) -> dict[str, str]:
    """The real values, by what they are."""
    manager, folder = watched.client("secretsmanager"), watched.home / "secrets"
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


def tables(watched: Machine) -> Iterator[tuple[str, bytes]]:
    """Every table of every database as text, which is not compressed as in PostgreSQL's files."""
    for database in ("prefect", "miyabi"):
        with connect(watched, database) as connection:
            names = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
            for name in names.fetchall():
                query = sql.SQL("SELECT x::text FROM {} x").format(sql.Identifier(*name))
                rows = connection.execute(query).fetchall()
                yield f"{database}: {name[1]}", "\n".join(row for (row,) in rows).encode()


def files(watched: Machine) -> Iterator[tuple[str, bytes]]:
    """Every file of the state folder outside the secret store."""
    for path in watched.home.rglob("*"):
        name = path.relative_to(watched.home).as_posix()
        if not name.startswith("secrets/") and path.is_file():
            yield name, path.read_bytes()


def places(watched: Machine) -> Iterator[tuple[str, bytes]]:
    yield from tables(watched)
    yield from files(watched)
    yield "the terminal", watched.printed.encode()
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


def wait_saved(watched: Machine) -> None:
    """Wait until PostgreSQL, the cloud and the log writers have written what they hold."""
    time.sleep(1.0)
    with connect(watched, "postgres") as connection:
        connection.execute("CHECKPOINT")


def logs(watched: Machine) -> bytes:
    wait_saved(watched)
    return dict(tables(watched))["prefect: log"]


def test_the_search_finds_what_is_there(watched: Machine) -> None:
    """Where the values belong they are found, whatever their form."""
    values = secrets_of(watched)
    store = watched.home / "secrets"
    kept = ((path.name, path.read_bytes()) for path in store.rglob("*") if path.is_file())
    assert {name.partition(" in ")[0] for name in found_in(kept, values)} == set(values)
    password = values["master password"]
    for text in (password, quote(password, safe=""), base64.b64encode(f"user:{password}".encode()).decode()):
        assert found_in(iter([("here", f"x{text}y".encode())]), values) == {"master password in here"}


def test_after_a_release_they_are_nowhere_else(watched: Machine) -> None:
    assert b"Applied 20251024000000/migrate" in logs(watched)
    assert any("localcloud.cloud" in line for line in watched.arguments)
    assert found_in(places(watched), secrets_of(watched)) == set()
    told = variables(watched)
    assert told["DATABASE_SECRET_ARN"].startswith("arn:aws:secretsmanager:")
    assert found_in(iter([("the function", json.dumps(told).encode())]), secrets_of(watched)) == set()


def test_nor_after_one_that_the_database_refused(watched: Machine) -> None:
    with connect(watched, "postgres") as connection:
        connection.execute("ALTER ROLE miyabi_admin PASSWORD 'somebody-changed-it'")
    assert watched.release("--source", GOOD, "--site", "") == 1
    assert "refuses the password of its secret" in watched.printed
    assert b"refuses the password of its secret" in logs(watched)
    assert found_in(places(watched), secrets_of(watched)) == set()


def test_the_password_is_given_back_by_provision(watched: Machine) -> None:
    assert run_deployment(watched, "provision", reset_password=True) == "COMPLETED"
    assert watched.release("--source", GOOD, "--site", "") == 0


def run_deployment(watched: Machine, flow: str, **parameters: Any) -> str:
    """Press the button in Prefect; the state's type in the end."""
    api = watched.status()["prefect_api"]
    deployment = watched.http.get(f"{api}/deployments/name/{flow}/local").json()["id"]
    run = watched.http.post(f"{api}/deployments/{deployment}/create_flow_run", json={"parameters": parameters}).json()[
        "id"
    ]
    look = lambda: watched.http.get(f"{api}/flow_runs/{run}").json()["state_type"]  # noqa: E731
    return str(until(look, {"COMPLETED", "FAILED", "CRASHED"}.__contains__, patience=60))


def test_nor_after_one_whose_program_shows_its_whole_environment(watched: Machine, tmp_path: Path) -> None:
    """A backend that wants plain values is given them by the environment's word. Then they are in the function's
    configuration, as a finding, and still in no log, table or artifact of ours, however the program dies."""
    watched.change_environment(function={"plain_secrets": {"JWT_SECRET": "jwt-secret", "DATABASE_URL": "database-url"}})
    handler = (
        "import os, sys\nprint(dict(os.environ), file=sys.stderr, flush=True)\nraise RuntimeError(dict(os.environ))\n"
    )
    shows = another_backend(tmp_path, name="shows", handler=handler)
    assert watched.release("--source", shows, "--site", "") == 1
    values, told = secrets_of(watched), variables(watched)
    assert told["JWT_SECRET"] == values["JWT secret"]
    assert values["master password"] in told["DATABASE_URL"]
    wait_saved(watched)
    text = dict(tables(watched))
    assert b"'JWT_SECRET': '***'" in text["prefect: log"]
    assert b"'JWT_SECRET': '***'" in text["miyabi: releases"]
    for name in ("JWT_SECRET", "DATABASE_URL"):
        assert f"{name} holds the secret".encode() in text["prefect: artifact"]
    found = found_in(places(watched), values)
    assert {where for where in found if not where.endswith(PRINTED_BY_THE_PROGRAM)} == set()
