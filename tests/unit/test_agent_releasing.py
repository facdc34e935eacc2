"""The deployment agent: its phases are bounded, the API is asked, and what is not well is put back."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from blocks.agents import AgentSettings
from database.agent_models import DeploymentOutput
from tasks.agents.context import AgentResult, Unsuccessful
from tasks.agents.releasing import Phase, Progress, run_deployment
from tasks.errors import Permanent
from tests.agents import Scene

DONE = Progress("COMPLETED", "Completed", "", {})


@dataclass
class Fake:
    """Releases in memory: `shows` is what is seen of each run, one after the other, the last one again and again."""

    shows: list[Progress] = field(default_factory=lambda: [DONE])
    started: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    runs: dict[str, UUID] = field(default_factory=dict)

    async def start(self, deployment: str, parameters: dict[str, Any], key: str) -> UUID:
        if key not in self.runs:
            self.started.append((deployment, parameters, key))
        return self.runs.setdefault(key, uuid4())

    async def look(self, _run: UUID) -> Progress:
        return self.shows.pop(0) if len(self.shows) > 1 else self.shows[0]

    async def cancel(self, run: UUID) -> None:
        self.cancelled.append(run)

    async def address(self, environment: str) -> str:
        return f"https://{environment}.example/health"


def runs(seconds: dict[Phase, float] | None = None, *, type: str = "RUNNING") -> Progress:
    return Progress(type, type.capitalize(), "", seconds or {})


def deploy(
    fake: Fake, answers: list[int | None] | None = None, *, scene: Scene | None = None, **given: Any
) -> AgentResult:
    scene = scene or scene_of()
    left = list(answers or [200])

    async def ask(url: str) -> int | None:
        return left.pop(0) if len(left) > 1 else left[0]

    async def go() -> AgentResult:
        context = scene.context("deployment", **given)
        return await run_deployment(context, releases=fake, ask=ask, sleep=scene.sleep)

    return asyncio.run(go())


def scene_of() -> Scene:
    """The database does not know of this release."""

    async def database(*_: Any) -> None:
        return None

    return Scene(AgentSettings(releases=("staging", "production")), database=database)


def output(result: AgentResult) -> DeploymentOutput:
    assert isinstance(result.data, DeploymentOutput)
    return result.data


def test_a_release_that_is_well() -> None:
    fake = Fake([runs(), runs({"build": 100}), DONE])
    done = output(deploy(fake, environment="staging"))
    assert (done.status, done.healthy, done.health_tries) == ("succeeded", True, 1)
    assert done.api_url == "https://staging.example/health"
    ((deployment, parameters, _),) = fake.started
    assert (deployment, parameters) == ("release/staging", {"environment": "staging"})


def test_a_plan_asks_nobody() -> None:
    fake = Fake()
    assert output(deploy(fake, [None], plan_only=True)).status == "planned"
    assert [deployment for deployment, *_ in fake.started] == ["plan/local"]


@pytest.mark.parametrize(("environment", "tries"), [("staging", 5), ("production", 10)])
def test_an_api_that_is_not_well_is_put_back(environment: str, tries: int) -> None:
    fake, scene = Fake(), scene_of()
    with pytest.raises(Unsuccessful) as caught:
        deploy(fake, [None, 502], scene=scene, environment=environment)
    assert [deployment for deployment, *_ in fake.started] == [f"release/{environment}", f"rollback/{environment}"]
    assert (output(caught.value.result).status, output(caught.value.result).healthy) == ("rolled_back", False)
    assert caught.value.result.escalation is not None
    assert scene.slept.count(10.0) == tries - 1


def test_it_has_time_to_become_well() -> None:
    assert output(deploy(Fake(), [None, 503, 200])).health_tries == 3


@pytest.mark.parametrize(("phase", "allowed"), [("build", 120), ("test", 180), ("deploy", 600)])
def test_a_phase_that_takes_too_long_ends_the_release(phase: Phase, allowed: int) -> None:
    fake = Fake([runs(), runs({phase: allowed + 1})])
    with pytest.raises(Permanent, match=f"'{phase}' took more than {allowed} s"):
        deploy(fake)
    assert len(fake.cancelled) == 1


def test_waiting_for_approval_takes_no_time() -> None:
    scene = scene_of()
    deploy(Fake([*[runs(type="PAUSED")] * 50, DONE]), scene=scene)
    assert "press Resume" in scene.lines[1][1]


def test_a_release_that_failed_says_where_to_look() -> None:
    fake = Fake([runs(), replace(DONE, type="FAILED", name="Failed", message="the smoke test failed")])
    with pytest.raises(Permanent, match=r"the release Failed: the smoke test failed \(flow run "):
        deploy(fake)


def test_a_person_who_tries_again_gets_a_new_release() -> None:
    fake = Fake([replace(DONE, type="FAILED"), runs(), DONE])
    assert output(deploy(fake)).status == "succeeded"
    assert len(fake.started) == 2


def test_other_environments_are_released_where_the_file_says_so() -> None:
    fake, scene = Fake(), scene_of()
    scene.settings = AgentSettings()
    with pytest.raises(Permanent, match=r"does not release 'production': ask there, or add it to `agents\.releases`"):
        deploy(fake, scene=scene, environment="production")
    assert fake.started == []
