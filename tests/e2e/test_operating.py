"""A release engineer's day, through Prefect's API alone: a plan is refused, another approved, the release goes bad, and
what follows without hands: the diagnosis, the notification, the way back. The tests stand in their order.

The backend is well until a file appears on the machine, as a disk that is full would.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.machine import Machine, until
from tests.release.scene import another_backend

BREAKS = """
_good = handler

def handler(event, context):
    if os.path.exists({!r}):
        raise RuntimeError("the disk is full")
    return _good(event, context)
"""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Engineer:
    """A person with Prefect's API, at a stack whose environment asks for approval."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.prefect = httpx.Client(base_url=machine.status()["prefect_api"], timeout=30)
        self.functions = machine.client("lambda")
        self.broken = folder / "broken"
        self.source = another_backend(folder, name="moody", handler=BREAKS.format(str(self.broken)))

    def start(self, flow: str, **parameters: Any) -> str:
        deployment = self.prefect.get(f"/deployments/name/{flow}/local").json()["id"]
        made = self.prefect.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": parameters})
        return str(made.raise_for_status().json()["id"])

    def wait(self, run: str, *states: str) -> dict[str, Any]:
        return dict(until(lambda: self.prefect.get(f"/flow_runs/{run}").json(), lambda it: it["state_type"] in states))

    def run(self, flow: str, **parameters: Any) -> dict[str, Any]:
        return self.wait(self.start(flow, **parameters), *ENDED)

    def smoke(self, **parameters: Any) -> str:
        """How a quick smoke test ends. One that is refused, since another one is running, is asked for again."""
        look = lambda: self.run("smoke-test", quick=True, **parameters)["state_type"]  # noqa: E731
        return str(until(look, lambda state: state != "CANCELLED"))

    def answer(self, run: str, **given: Any) -> dict[str, Any]:
        return dict(self.prefect.post(f"/flow_runs/{run}/resume", json={"run_input": given}).json())

    def artifact(self, key: str) -> str:
        return str(self.prefect.get(f"/artifacts/{key}/latest").json()["data"])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Newest first."""
        body = {"filter": {"event": {"name": [name]}}, "limit": 50}
        return list(self.prefect.post("/events/filter", json=body).json()["events"])

    def inbox(self) -> list[dict[str, str]]:
        return list(self.machine.http.get(f"{self.machine.status()['aws_endpoint']}/_cloud/inbox").json())

    def versions(self) -> list[str]:
        """Of the function."""
        return [entry["Version"] for entry in self.functions.list_functions(FunctionVersion="ALL")["Functions"]]

    def live(self) -> str:
        alias = self.functions.get_alias(FunctionName="miyabi-api-local", Name="live")
        return str(alias["FunctionVersion"])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.machine.status()["database_url"]) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def ada(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engineer]:
    machine.stands()
    machine.change_environment(approval=True, canary={"steps": [100]}, load_test={"after_release": "none"})
    engineer = Engineer(machine, tmp_path_factory.mktemp("moody"))
    yield engineer
    engineer.broken.unlink(missing_ok=True)
    engineer.prefect.close()
    machine.change_environment(approval=False, canary={"steps": [10, 50, 100]}, load_test={"after_release": "quick"})


def test_nothing_is_written_before_a_person_approves(ada: Engineer) -> None:
    before = ada.versions()
    run = ada.start("release", source=ada.source, site="")
    waiting = ada.wait(run, "PAUSED", *ENDED)
    assert waiting["state_type"] == "PAUSED", waiting["state"]["message"]
    assert ada.versions() == before
    assert ada.answer(run, reason="no decision")["status"] == "REJECT"
    assert ada.answer(run, approve=False, reason="not on a Friday", approver="Ada")["status"] == "ACCEPT"
    ended = ada.wait(run, *ENDED)
    assert "Ada refused the plan: not on a Friday. Nothing was written" in ended["state"]["message"]
    assert ada.versions() == before


def test_an_approved_plan_is_carried_out(ada: Engineer) -> None:
    before = ada.versions()
    run = ada.start("release", source=ada.source, site="")
    ada.wait(run, "PAUSED", *ENDED)
    until(ada.inbox, lambda messages: any("waits for approval" in one["subject"] for one in messages), patience=20)
    ada.answer(run, approve=True, reason="it is Monday", approver="Ada")
    assert ada.wait(run, *ENDED)["state_type"] == "COMPLETED"
    assert len(ada.versions()) > len(before)
    assert "failed" not in ada.artifact("changes-local")  # waiting for a person is no failure
    assert "function miyabi-api-local" in ada.artifact("planned-changes-local")
    assert "it is Monday" in ada.artifact("release-local")
    query = (
        "SELECT a.decision, a.approver, a.reason, r.status, r.requested_by FROM release_approvals AS a "
        "LEFT JOIN releases AS r ON r.id = a.release_id ORDER BY a.asked_at DESC LIMIT 2"
    )
    approved, refused = ada.rows(query)
    assert approved == ("approved", "Ada", "it is Monday", "succeeded", "Ada")
    assert refused == ("refused", "Ada", "not on a Friday", None, None)
    until(lambda: ada.events("miyabi.release.completed"), lambda all: told_of(all) == ada.live())


def told_of(events: list[dict[str, Any]]) -> str:
    """The version that the newest of them tells of."""
    return str(events[0]["payload"]["version_after"]) if events else ""


def test_a_failing_smoke_test_leads_to_its_diagnosis_and_the_way_back(ada: Engineer) -> None:
    """The schedule begins with the first release; here nobody waits for the quarter of an hour."""
    deployment = ada.prefect.get("/deployments/name/smoke-test/local").json()
    assert (deployment["paused"], [one["active"] for one in deployment["schedules"]]) == (False, [True])
    moody, told = ada.live(), len(ada.inbox())
    ada.broken.touch()
    assert (ada.smoke(), ada.smoke()) == ("FAILED", "FAILED")
    until(ada.live, lambda version: version != moody)
    messages = until(
        lambda: ada.inbox()[told:], lambda found: any("rollback local completed" in one["subject"] for one in found)
    )
    conclusions = [one for one in messages if one["subject"].startswith("diagnose local")]
    assert "RuntimeError: the disk is full" in conclusions[0]["subject"]
    assert "Failed: GET /api/v1/health" in conclusions[0]["body"]
    assert ada.smoke(source="python:api") == "COMPLETED"
    assert ada.rows("SELECT status FROM releases ORDER BY started_at DESC LIMIT 1") == [("rolled_back",)]


def test_the_day_ends_with_a_report(ada: Engineer) -> None:
    assert ada.run("report")["state_type"] == "COMPLETED"
    assert ada.artifact("report-local")


def test_nothing_is_destroyed_before_a_person_approves(ada: Engineer) -> None:
    run = ada.start("teardown", confirm="local")
    waiting = ada.wait(run, "PAUSED", *ENDED)
    assert waiting["state_type"] == "PAUSED", waiting["state"]["message"]
    ada.answer(run, approve=False, reason="still in use", approver="Ada")
    assert ada.wait(run, *ENDED)["state_type"] == "FAILED"
    assert ada.versions()
