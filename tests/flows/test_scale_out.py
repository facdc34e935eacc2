"""Two of everything: whichever process is killed with -9, all runs end, and what they do is done once.

The quick test has Prefect's processes alone; `--exhaustive` has the whole of `miyabi up --ha`, a released backend, and
fifty runs in flight: releases, smoke tests, agents, and flows whose effects are counted.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from deployments import stack
from deployments.prefect_api import PrefectApi, PrefectRefused
from deployments.register import make_ready
from deployments.runs import run_deployment
from localcloud import scale_out
from localcloud.ports import free_port
from localcloud.processes import marked
from localcloud.state import State, load_state
from tests.agent_process import EFFECTS

pytestmark = pytest.mark.skipif(scale_out.missing() is not None, reason=str(scale_out.missing()))
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
FLOW = """
import asyncio, os
from prefect import flow

def write(to, line):
    with open(to, "ab", buffering=0) as file:
        file.write(f"{line}\\n".encode())

@flow
async def witness(key: str, to: str):
    write(to, f"{key} began")
    await asyncio.sleep(1)
    write(to, f"{key} ended")
"""


@dataclass
class Scene:
    """A stack, the runs that were asked for, and what they have done."""

    home: Path
    which: str
    runs: list[str] = field(default_factory=list)

    def up(self, **how: Any) -> None:
        command = (sys.executable, "-m", "tests.flows.scaled_stack", self.which)
        stack.up(print, home=self.home, supervisor=command, patience=300, **how)

    @cached_property
    def prefect(self) -> PrefectApi:
        now = stack.status(self.home)
        return PrefectApi(str(now.prefect_api), stack.prefect_auth(now))

    def deploy_witness(self) -> str:
        (self.home / "scale_witness.py").write_text(FLOW)
        flow = self.prefect.request("POST", "/flows/", {"name": "witness"})
        steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(self.home)}}]
        wanted = {"name": "local", "flow_id": flow["id"], "entrypoint": "scale_witness.witness"}
        self.prefect.request("POST", "/deployments/", {**wanted, "work_pool_name": "local", "pull_steps": steps})
        return "witness/local"

    def ask_for_witnesses(self, count: int) -> None:
        for number in range(count):
            self.ask_for("witness/local", key=f"run-{number}", to=str(self.home / "effects"))

    def ask_for(self, deployment: str, **parameters: Any) -> None:
        self.runs.append(self.prefect.run(deployment, parameters)["id"])

    def states(self) -> Counter[str]:
        """How many of the runs are in which state. Prefect itself may be away for a moment."""
        try:
            wanted = {"flow_runs": {"id": {"any_": self.runs}}, "limit": 200}
            return Counter(run["state_type"] for run in self.prefect.request("POST", "/flow_runs/filter", wanted))
        except PrefectRefused:
            return Counter()

    def ended(self) -> bool:
        return sum(count for state, count in self.states().items() if state in ENDED) == len(self.runs)

    def effects(self) -> Counter[str]:
        return Counter((self.home / "effects").read_text().splitlines())

    def kill(self, service: str) -> None:
        process = load_state(self.home).services[service].process
        assert process is not None, f"{service} does not run"
        os.kill(process.pid, 9)
        until(lambda: load_state(self.home).services[service].process != process, f"{service} is not seen to be gone")

    def is_back(self, service: str) -> bool:
        return stack.is_well(load_state(self.home).services[service])


def until(true: Callable[[], object], otherwise: str, patience: float = 300) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    State(ports={name: free_port() for name in scale_out.PREFERRED_PORTS}).save(tmp_path)
    monkeypatch.setenv("MIYABI_HOME", str(tmp_path))
    made = Scene(tmp_path, request.param)
    yield made
    made.prefect.close()
    stack.down(print, home=tmp_path)
    assert marked(tmp_path) == set()


def once(keys: Sequence[str]) -> dict[str, int]:
    return {f"{key} {what}": 1 for key in keys for what in ("began", "ended")}


@pytest.mark.parametrize("scene", ["prefect"], indirect=True)
def test_an_api_server_and_a_worker_are_killed(scene: Scene) -> None:
    scene.up()
    scene.deploy_witness()
    now = stack.status(scene.home)
    with httpx.Client() as stranger:
        assert {stranger.get(f"{now.prefect_api}/flows/paginate").status_code for _ in range(4)} == {401}
    scene.ask_for_witnesses(4)
    scene.kill("prefect-1")
    until(lambda: scene.states()["RUNNING"] or scene.ended(), "no run begins")
    scene.kill("worker-1")
    scene.kill("redis")
    until(scene.ended, "not all runs end")
    assert scene.states() == {"COMPLETED": 4}
    assert scene.effects() == once([f"run-{number}" for number in range(4)])
    until(lambda: stack.status(scene.home).healthy, "not everything is back")


VICTIMS = ("prefect-1", "worker-1", "dispatcher-1", "agents-1", "redis", "postgres", "prefect-2", "worker-2",
           "dispatcher-2", "agents-2", "prefect-services", "prefect")  # fmt: skip
SMALL_BACKEND = {"source": "python:tests/fixtures/python-lambda", "site": ""}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", ["all"], indirect=True)
def test_any_process_is_killed_with_fifty_runs_in_flight(scene: Scene, pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("exhaustive"):
        pytest.skip("takes minutes: --exhaustive")
    scene.up(after_ready=make_ready)
    first = run_deployment(
        scene.prefect, "release", "local", dict(SMALL_BACKEND), artifact=None, show=print, gone=lambda: False
    )
    assert first.done, first.message
    scene.deploy_witness()
    with psycopg.connect(str(stack.database_url(scene.home)), autocommit=True) as connection:
        connection.execute(EFFECTS)
    scene.ask_for_witnesses(20)
    for _ in range(2):
        scene.ask_for("release/local", **SMALL_BACKEND)
        scene.ask_for("plan/local", **SMALL_BACKEND)
        scene.ask_for("diagnose/local")
    for victim in VICTIMS:
        ask_for_agents(scene, 2)
        until(lambda: scene.states()["RUNNING"] or scene.ended(), "nothing goes on")
        print(f"{time.strftime('%T')} killed {victim}; {dict(scene.states())}, agents {agents(scene)}", flush=True)
        scene.kill(victim)
        until(lambda victim=victim: scene.is_back(victim), f"{victim} does not come back")  # type: ignore[misc]
        time.sleep(2)
    until(lambda: scene.ended() and set(agents(scene)) == {"completed"}, "not all end", patience=1200)
    print(f"{time.strftime('%T')} all ended: {dict(scene.states())}, agents {agents(scene)}")
    assert scene.states() == {"COMPLETED": len(scene.runs)}
    assert scene.effects() == once([f"run-{number}" for number in range(20)])
    assert rows(scene, "SELECT count(*), count(DISTINCT key) FROM effects") == [(48, 48)]
    assert rows(scene, "SELECT count(*) - count(DISTINCT flow_run_id) FROM releases") == [(0,)]


def ask_for_agents(scene: Scene, count: int) -> None:
    rows(
        scene,
        "INSERT INTO agent_executions (agent_type, status, max_attempts, issue_number) "
        "SELECT 'review', 'pending', 50, (SELECT count(*) FROM agent_executions) + n FROM generate_series(1, %s) AS n",
        count,
    )


def agents(scene: Scene) -> dict[str, int]:
    """How many executions are in which state. Their database, too, may be away for a moment."""
    try:
        return dict(rows(scene, "SELECT status, count(*) FROM agent_executions GROUP BY 1"))  # type: ignore[arg-type]
    except psycopg.OperationalError:
        return {"away": 1}


def rows(scene: Scene, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(str(stack.database_url(scene.home)), autocommit=True) as connection:
        cursor = connection.execute(query, values)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []
