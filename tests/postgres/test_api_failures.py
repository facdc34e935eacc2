"""What a caller sees when the database fails: no more than that, and soon."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.backend import Backend
from api.secret_store import SecretStore
from api.settings import Settings
from tests.backend import JWT_SECRET, Client, make_backend, problem


@pytest.fixture
def backend(migrated: str) -> Iterator[Backend]:
    backend = make_backend(migrated)
    yield backend
    backend.pool.close()


@pytest.fixture
def hana(backend: Backend) -> Client:
    return Client(backend).sign_in()


@pytest.fixture
def without_repositories(migrated: str) -> Iterator[None]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("ALTER TABLE repositories RENAME TO hidden_repositories")
        yield
        connection.execute("ALTER TABLE hidden_repositories RENAME TO repositories")


@pytest.mark.usefixtures("without_repositories")
def test_the_text_of_a_database_error_stays_inside(migrated: str, caplog: pytest.LogCaptureFixture) -> None:
    backend = make_backend(migrated)
    answer = Client(backend).sign_in().get("/repositories")
    backend.pool.close()
    assert answer.status_code == 500
    assert answer.json() == problem(
        500, "database_error", "The database refused the request", answer.headers["x-request-id"],
        details={"request_id": answer.headers["x-request-id"]},
    )  # fmt: skip
    logged = " ".join(record.getMessage() for record in caplog.records)  # whatever an earlier test made of the format
    assert 'UndefinedTable: 42P01 relation "repositories" does not exist' in logged


def test_values_of_rows_stay_out_of_the_log(hana: Client, migrated: str, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("CREATE UNIQUE INDEX only_one ON repositories (owner)")
        hana.post("/repositories", json={"full_name": "hana/garden"})
        answer = hana.post("/repositories", json={"full_name": "hana/kitchen"})
        connection.execute("DROP INDEX only_one")
    assert (answer.status_code, answer.json()["error"]) == (500, "database_error")
    assert "UniqueViolation: 23505" in caplog.text
    assert "hana" not in caplog.text + answer.text


def test_a_connection_lost_meanwhile_is_not_noticed_by_the_caller(hana: Client, migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'miyabi-api'"
        )
    assert hana.get("/repositories").status_code == 200


def test_health_of_a_server_that_stopped_in_the_middle(backend: Backend, hana: Client) -> None:
    with backend.pool.connection() as connection:
        pid = connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        answer = hana.get("/health")
        assert time.monotonic() - start < 3
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (answer.status_code, answer.json()["database"]["status"]) == (503, "error: not reachable")
    assert hana.get("/health").status_code == 200


def test_a_server_that_never_answers_costs_less_than_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = Client(make_backend(f"postgresql://u:p@127.0.0.1:{deaf.getsockname()[1]}/d"))
        start = time.monotonic()
        answer = client.get("/health")
        assert time.monotonic() - start < 5
    assert (answer.status_code, answer.json()["status"]) == (503, "error")


def test_all_connections_in_use_is_503(migrated: str) -> None:
    backend = make_backend(migrated, connections=1)
    with backend.pool.connection():
        answer = Client(backend).get("/health")
    backend.pool.close()
    assert answer.status_code == 503
    assert answer.json()["database"]["max_connections"] == 1


def test_a_rotated_password_needs_no_restart(migrated: str) -> None:
    parts = conninfo_to_dict(migrated)
    secret = {key: str(parts[key]) for key in ("host", "port", "dbname", "sslmode")} | {"username": "rotated"}
    passwords = iter(["first", "second"])
    backend = Backend(
        Settings(database_secret_arn="database", jwt_secret=JWT_SECRET),
        secrets=SecretStore(lambda _arn: json.dumps(secret | {"password": next(passwords)}), rest_s=0),
    )
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'first'")
        assert Client(backend).get("/health").status_code == 200
        connection.execute("ALTER ROLE rotated PASSWORD 'second'")
        backend.pool.close()
        assert Client(backend).get("/health").status_code == 200
        backend.pool.close()
        connection.execute("DROP ROLE rotated")


def test_a_role_that_may_not_is_500_and_not_explained(migrated: str, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody LOGIN PASSWORD 'x'")
        backend = make_backend(make_conninfo(migrated, user="nobody", password="x"))
        answer = Client(backend).post("/auth/mock", json={"github_id": 1, "email": "a@b.c"})
        backend.pool.close()
        connection.execute("DROP ROLE nobody")
    assert (answer.status_code, answer.json()["error"]) == (500, "database_error")
    assert "users" not in answer.text
    assert "InsufficientPrivilege" in caplog.text
