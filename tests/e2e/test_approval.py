"""An environment with `approval = true`: the run waits with its plan, a person decides, and only then it writes."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.test_make_release import BIN, Machine

pytestmark = pytest.mark.xdist_group("shared stack")

SOURCE = "python:tests/fixtures/python-lambda"


@pytest.fixture(scope="module")
def machine(stack: Machine) -> Iterator[Machine]:
    approval(stack, asked=True)
    yield stack
    approval(stack, asked=False)


def approval(machine: Machine, *, asked: bool) -> None:
    """Set `approval` in the saved environment, as a person does in the UI."""
    script = f"from blocks.environment import Environment as E; e = E.load('local'); e.approval = {asked}; "
    machine.environment["PREFECT_API_URL"] = machine.status()["prefect_api"]
    machine.run(BIN / "python", "-c", script + "e.save('local', overwrite=True)")
    del machine.environment["PREFECT_API_URL"]


def start(machine: Machine, flow: str, **parameters: str) -> str:
    api = machine.status()["prefect_api"]
    deployment = httpx.get(f"{api}/deployments/name/{flow}/local").json()["id"]
    body = {"parameters": {"environment": "local", **parameters}}
    return str(httpx.post(f"{api}/deployments/{deployment}/create_flow_run", json=body).json()["id"])


def wait(machine: Machine, run: str, *states: str) -> dict[str, Any]:
    api, deadline = machine.status()["prefect_api"], time.monotonic() + 120
    while (now := httpx.get(f"{api}/flow_runs/{run}").json())["state_type"] not in states:
        assert time.monotonic() < deadline, now["state"]
        time.sleep(0.3)
    return dict(now)


def answer(machine: Machine, run: str, decision: str) -> None:
    body = {"run_input": {"decision": decision, "approver": "Ada"}}
    response = httpx.post(f"{machine.status()['prefect_api']}/flow_runs/{run}/resume", json=body)
    assert response.json()["status"] == "ACCEPT", response.text


def artifact(machine: Machine, key: str) -> str:
    return str(httpx.get(f"{machine.status()['prefect_api']}/artifacts/{key}/latest").json()["data"])


def versions(machine: Machine) -> list[str]:
    """Of the function, if there is one."""
    listed = machine.aws("lambda", "list-functions", "--function-version", "ALL")["Functions"]
    return [entry["Version"] for entry in listed]


def test_nothing_is_written_before_a_person_approves(machine: Machine) -> None:
    before = versions(machine)
    run = start(machine, "release", source=SOURCE, site="")
    waiting = wait(machine, run, "PAUSED", "FAILED", "COMPLETED")
    assert waiting["state_type"] == "PAUSED", waiting["state"]["message"]
    assert versions(machine) == before
    answer(machine, run, "reject")
    ended = wait(machine, run, "FAILED", "COMPLETED")
    assert "Ada rejected the plan; nothing was written" in ended["state"]["message"]
    assert versions(machine) == before


def test_an_approved_plan_is_carried_out(machine: Machine) -> None:
    before = versions(machine)
    run = start(machine, "release", source=SOURCE, site="")
    wait(machine, run, "PAUSED", "FAILED", "COMPLETED")
    answer(machine, run, "approve")
    assert wait(machine, run, "FAILED", "COMPLETED")["state_type"] == "COMPLETED"
    assert len(versions(machine)) > len(before)
    assert "failed" not in artifact(machine, "changes-local")  # waiting for a person is no failure
    assert "function miyabi-api-local" in artifact(machine, "planned-changes-local")


def test_nothing_is_destroyed_before_a_person_approves(machine: Machine) -> None:
    run = start(machine, "teardown", confirm="local")
    waiting = wait(machine, run, "PAUSED", "FAILED", "COMPLETED")
    assert waiting["state_type"] == "PAUSED", waiting["state"]["message"]
    answer(machine, run, "reject")
    assert wait(machine, run, "FAILED", "COMPLETED")["state_type"] == "FAILED"
    assert versions(machine)
