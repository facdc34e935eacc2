"""The real stack once: up, a flow run through the worker, kill -9, up again with all data, down."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from deployments import stack
from localcloud.files import read_secret
from localcloud.ports import free_port
from localcloud.prefect_settings import client_environment
from localcloud.processes import marked, wait_gone
from localcloud.services import PREFERRED_PORTS
from localcloud.state import State, load_state

FLOW = """
import json, os
from pathlib import Path
from prefect import flow

@flow
async def witness(to: str):
    Path(to).write_text(json.dumps(dict(os.environ)))
"""


class Prefect:
    """The few REST calls of this test."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def run(self, folder: Path, **parameters: str) -> dict[str, Any]:
        """Deploy the flow in this folder and run it to its end."""
        flow = self.post("/flows/", name="witness")
        steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}]
        deployment = self.post(
            "/deployments/", name="local", flow_id=flow["id"], entrypoint="stack_witness.witness",
            work_pool_name="local", pull_steps=steps,
        )  # fmt: skip
        run = self.post(f"/deployments/{deployment['id']}/create_flow_run", parameters=parameters)
        deadline = time.monotonic() + 60
        while (now := self.flow_run(run["id"]))["state_type"] not in ("COMPLETED", "FAILED", "CRASHED"):
            assert time.monotonic() < deadline, now["state"]
            time.sleep(0.1)
        return now

    def flow_run(self, run_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/flow_runs/{run_id}").raise_for_status().json())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stack")
    State(ports={name: free_port() for name in PREFERRED_PORTS}).save(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "a-real-key")
        environment.setenv("AWS_PROFILE", "somebody")
        environment.setenv("PREFECT_API_URL", "https://api.prefect.cloud/somebody")
        environment.setenv("MIYABI_HOME", str(folder))
        yield folder
        stack.down(print)
    assert marked(folder) == set()


@pytest.fixture(scope="module")
def status(home: Path) -> stack.Status:
    return stack.up(print)


@pytest.fixture
def prefect(status: stack.Status) -> Iterator[Prefect]:
    made = Prefect(str(status.prefect_api))
    yield made
    made.http.close()


def test_every_service_is_healthy_and_status_names_it_all(status: stack.Status, home: Path) -> None:
    assert status.services == {"prefect": True, "cloud": True, "postgres": True, "worker": True, "agents": True}
    facts = stack.status_json()
    assert set(facts) == {
        "prefect_ui", "prefect_api", "aws_endpoint", "api_url", "site_url", "database_url", "state", "services",
        "prefect_auth",
    }  # fmt: skip
    assert facts["prefect_api"] == f"http://127.0.0.1:{status.ports['prefect']}/api"
    assert facts["aws_endpoint"] == f"http://127.0.0.1:{status.ports['aws']}"
    assert (facts["api_url"], facts["site_url"], facts["database_url"]) == (None, None, None)
    assert facts["state"] == str(home)


def test_the_ui_is_served_and_asks_the_right_api(status: stack.Status) -> None:
    page = httpx.get(str(status.prefect_ui), follow_redirects=True)
    assert page.status_code == 200
    assert "<html" in page.text
    assert httpx.get(f"{status.prefect_ui}/ui-settings").json()["api_url"] == status.prefect_api
    assert httpx.get(f"{status.prefect_api}/health").json() is True


def test_a_flow_runs_without_the_accounts_of_this_machine(prefect: Prefect, home: Path, tmp_path: Path) -> None:
    (tmp_path / "stack_witness.py").write_text(FLOW)
    run = prefect.run(tmp_path, to=str(tmp_path / "seen"))
    assert run["state_type"] == "COMPLETED", run["state"]
    pool = prefect.http.get("/work_pools/local").json()
    assert "localcloud.engine" in pool["base_job_template"]["variables"]["properties"]["command"]["default"]
    seen = json.loads((tmp_path / "seen").read_text())
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & set(seen)
    assert seen["MIYABI_HOME"] == str(home)
    assert seen["PREFECT_API_URL"] == prefect.http.base_url.copy_with(path="/api")
    secrets = {read_secret(path) for path in (home / "secrets").iterdir() if path.is_file()}
    assert not [key for key, value in seen.items() if any(secret in value for secret in secrets)]


def test_no_secret_is_on_a_command_line_or_in_a_log(status: stack.Status, home: Path) -> None:
    secrets = [read_secret(path) for path in (home / "secrets").iterdir() if path.is_file()]
    assert len(secrets) >= 3
    shown = [" ".join(process.cmdline()) for process in marked(home)]
    shown += [path.read_text() for path in [*(home / "logs").iterdir(), home / "state.json"]]
    assert not [text for text in shown if any(secret in text for secret in secrets)]


def test_nothing_listens_beyond_loopback(status: stack.Status, home: Path) -> None:
    listening = set()
    for process in marked(home):
        with suppress(psutil.NoSuchProcess):  # a flow run that has just ended
            listening |= {c.laddr.ip for c in process.net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_kill_9_of_everything_keeps_the_data(
    prefect: Prefect, status: stack.Status, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "stack_witness.py").write_text(FLOW)
    before = prefect.run(tmp_path, to=str(tmp_path / "seen"))
    killed = marked(home)
    for process in killed:
        process.kill()
    assert wait_gone(killed, 5) == []
    began = time.monotonic()
    again = stack.up(print)
    print(f"up on existing state, after kill -9: {time.monotonic() - began:.1f} s")
    assert again == status
    assert prefect.flow_run(before["id"])["state_type"] == "COMPLETED"


def test_the_prefect_database_is_lost_and_found(prefect: Prefect, home: Path) -> None:
    """Postgres alone is killed: it comes back, and the server with it."""
    process = load_state(home).services["postgres"].process
    assert process is not None
    os.kill(process.pid, 9)
    deadline = time.monotonic() + 20
    while not stack.status().healthy or load_state(home).services["postgres"].failures == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert isinstance(prefect.post("/flow_runs/count"), int)


def test_clients_are_told_the_measured_settings(status: stack.Status, home: Path) -> None:
    environment = client_environment(home, status.ports)
    bundle = Path(environment["PREFECT_API_SSL_CERT_FILE"]).read_text()
    assert bundle.count("BEGIN CERTIFICATE") == 1
    assert "SSL_CERT_FILE" not in set(environment) - set(os.environ)
    with psycopg.connect(stack_dsn(home, status)) as connection:
        assert connection.execute("SELECT count(*) FROM flow_run").fetchone()


def stack_dsn(home: Path, status: stack.Status) -> str:
    password = read_secret(home / "secrets" / "prefect-database")
    return f"postgresql://prefect:{password}@127.0.0.1:{status.ports['postgres']}/prefect"
