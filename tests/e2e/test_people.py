"""Agents as a person meets them: through the released API, and in the forms of the Prefect UI.

`miyabi up` starts the agent worker with the stack, and the first release gives it its database.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from deployments.api_client import WHO
from tests.e2e.machine import Machine, until

SHORT = "SELECT status, flow_run_id::text, result, error_message FROM agent_executions WHERE id = %s"


class Api:
    """The released API, signed in."""

    def __init__(self, machine: Machine, github_id: int = 42, email: str = "hana@example.com", **who: Any) -> None:
        self.http = httpx.Client(base_url=f"{machine.status()['api_url']}/api/v1", timeout=30)
        token = self.post("/auth/mock", github_id=github_id, email=email, **who)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def ended(self, execution: str) -> dict[str, Any]:
        return dict(until(lambda: self.get(f"/agents/executions/{execution}"), lambda row: row["completed_at"]))


def row(machine: Machine, execution: str) -> tuple[Any, ...]:
    with psycopg.connect(machine.status()["database_url"]) as connection:
        found = connection.execute(SHORT, [execution]).fetchone()
    assert found
    return found


@pytest.fixture(scope="module")
def api(machine: Machine) -> Iterator[Api]:
    machine.stands()
    made = Api(machine)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def repository(api: Api) -> str:
    return str(api.post("/repositories", full_name="hana/shop")["id"])


def test_asked_through_the_api_and_shown_in_prefect(machine: Machine, api: Api, repository: str) -> None:
    given = {"title": "The page is down", "body": "500 since noon, all customers"}
    asked = api.post(
        "/agents/execute", repository_id=repository, agent_type="issue", issue_number=7, input={"issue": given}
    )
    done = api.ended(asked["id"])
    assert (done["status"], done["error_message"]) == ("completed", None)
    assert done["result"]["metrics"]["agent_type"] == "issue"
    assert api.get(f"/agents/executions/{asked['id']}/logs")
    prefect = machine.status()["prefect_api"]
    run = until(
        lambda: machine.http.get(f"{prefect}/flow_runs/{done['flow_run_id']}").json(), lambda run: run["end_time"]
    )
    assert (run["name"], run["state_type"]) == ("issue #7 hana/shop", "COMPLETED")
    assert run["parameters"]["execution"] == asked["id"]


def test_a_program_in_a_process_of_its_own_is_ended_when_it_is_cancelled(
    machine: Machine, api: Api, repository: str
) -> None:
    asked = api.post("/agents/execute", repository_id=repository, agent_type="codegen", issue_number=8)["id"]
    until(lambda: [line["message"] for line in api.get(f"/agents/executions/{asked}/logs")],
          lambda said: "working on 8" in said)  # fmt: skip
    api.post(f"/agents/executions/{asked}/cancel")
    assert api.ended(asked)["status"] == "cancelled"
    run_id = row(machine, asked)[1]
    prefect = machine.status()["prefect_api"]
    run = until(lambda: machine.http.get(f"{prefect}/flow_runs/{run_id}").json(), lambda run: run["end_time"])
    assert run["state_type"] == "CANCELLED"


def test_the_deployment_agent_releases_for_the_terminal_and_for_nobody_else(
    machine: Machine, api: Api, repository: str
) -> None:
    refused = api.http.post("/agents/execute", json={"repository_id": repository, "agent_type": "deployment"})
    assert refused.status_code == 403
    terminal = Api(machine, **WHO)
    repository = terminal.post("/repositories", full_name="hana/shop")["id"]
    done = terminal.ended(terminal.post("/agents/execute", repository_id=repository, agent_type="deployment")["id"])
    terminal.http.close()
    assert (done["status"], done["result_summary"]) == ("completed", "local: succeeded")
    assert done["result"]["data"]["healthy"] is True
    assert done["result"]["data"]["release_id"]


def test_a_person_fills_in_the_form(machine: Machine) -> None:
    prefect = machine.status()["prefect_api"]
    deployment = machine.http.get(f"{prefect}/deployments/name/run-agent/local").json()
    url = f"{prefect}/deployments/{deployment['id']}/create_flow_run"
    assert machine.http.post(url, json={"parameters": {"agent": "nobody"}}).status_code == 409
    asked = machine.http.post(url, json={"parameters": {"agent": "refresher"}}).json()["id"]
    run = until(lambda: machine.http.get(f"{prefect}/flow_runs/{asked}").json(), lambda run: run["end_time"])
    assert (run["name"], run["state_type"]) == ("refresher", "COMPLETED"), run["state"]
    with psycopg.connect(machine.status()["database_url"]) as connection:
        status = connection.execute("SELECT status FROM agent_executions WHERE flow_run_id = %s", [asked]).fetchone()
        open_ones = connection.execute("SELECT count(*) FROM agent_executions WHERE status = 'running'").fetchone()
    assert (status, open_ones) == (("completed",), (0,))
