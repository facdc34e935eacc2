"""The deployment agent: runs the deployment `release/<environment>`, watches it, and asks the API whether it is well.

The release does the work, with its own approval and its own way back; this agent bounds its phases (the mission's:
build 120 s, test 180 s, deploy 600 s), and when the API does not answer well afterwards it runs `rollback`. The release
is a flow run of its own, not a subflow: only such a one can be suspended for approval, and it outlives this agent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import TaskRun
from prefect.states import Cancelling

from blocks.environment import Environment
from database.agent_models import DeploymentInput, DeploymentOutput
from database.releases import release_of
from tasks.agents.context import AgentContext, AgentResult, Escalation, Unsuccessful
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.gateway import inspect_api

Sleep = Callable[[float], Awaitable[None]]
Phase = Literal["build", "test", "deploy"]
PHASES: Mapping[str, Phase] = {"Build": "build", "Smoke-test": "test"}
"""By the first word of a step's name; all other steps deploy."""
TERMINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
UNDONE = TERMINAL - {"COMPLETED"}
MOST_RELEASES = 20
POLL_S = 2.0
HEALTH_TIMEOUT_S, HEALTH_PAUSE_S = 30.0, 10.0
HEALTH_TRIES: Mapping[str, int] = {"production": 10}
FEWER_TRIES = 5
"""Of all other environments (reference: miyabi.md §5.6)."""


@dataclass(frozen=True)
class Progress:
    """A release as Prefect shows it. `seconds` are what its steps of each phase took so far."""

    type: str
    name: str
    message: str
    seconds: Mapping[Phase, float]


class Releases(Protocol):
    """Flow runs of deployments."""

    async def start(self, deployment: str, parameters: dict[str, Any], key: str) -> UUID: ...
    async def look(self, run: UUID) -> Progress: ...
    async def cancel(self, run: UUID) -> None: ...
    async def address(self, environment: str) -> str: ...


class PrefectReleases:
    """The real ones."""

    async def start(self, deployment: str, parameters: dict[str, Any], key: str) -> UUID:
        """Ask for a run of `flow/environment`; asked with the same key again, the same run."""
        async with get_client() as client:
            found = await client.read_deployment_by_name(deployment)
            run = await client.create_flow_run_from_deployment(found.id, parameters=parameters, idempotency_key=key)
        return run.id

    async def look(self, run: UUID) -> Progress:
        async with get_client() as client:
            found = await client.read_flow_run(run)
            steps = await client.read_task_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [run]}}))
        state = found.state
        assert state is not None
        return Progress(state.type.value, state.name or "", state.message or "", durations(steps))

    async def cancel(self, run: UUID) -> None:
        async with get_client() as client:
            await client.set_flow_run_state(run, Cancelling())

    async def address(self, environment: str) -> str:
        """Where the environment's API answers its health path."""
        block: Environment = await Environment.aload(environment)
        rollout = Rollout(block, block.aws(planning=True))
        api, _differences = await asyncio.to_thread(inspect_api.fn, rollout)
        return api.url.rstrip("/") + block.api.health_path


def durations(steps: list[TaskRun]) -> dict[Phase, float]:
    """Seconds by phase."""
    total: dict[Phase, float] = {"build": 0.0, "test": 0.0, "deploy": 0.0}
    for step in steps:
        total[PHASES.get(step.name.split(" ")[0], "deploy")] += step.estimated_run_time.total_seconds()
    return total


async def answer_of(url: str) -> int | None:
    """The status that the API answers; None if it does not."""
    async with httpx.AsyncClient(timeout=HEALTH_TIMEOUT_S, verify=url.startswith("https")) as client:
        try:
            return (await client.get(url)).status_code
        except httpx.HTTPError:
            return None


async def run_deployment(
    context: AgentContext,
    *,
    releases: Releases = PrefectReleases(),  # noqa: B008 - it has no state
    ask: Callable[[str], Awaitable[int | None]] = answer_of,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AgentResult:
    """Release, look whether it is well, put it back if it is not: one step, so that a person's retry does all of it."""
    asked, began = context.input, clock()
    assert isinstance(asked, DeploymentInput)
    environment = permitted(context, asked.environment or context.environment)
    done = await context.step(f"Release {environment}", deploy, context, releases, environment, asked, ask, sleep)
    return AgentResult(
        done.model_copy(update={"duration_ms": round(1000 * (clock() - began))}), f"{environment}: {done.status}"
    )


def permitted(context: AgentContext, environment: str) -> str:
    """The environment, if it may be released from here. Raises Permanent."""
    if environment not in (context.environment, *context.settings.releases):
        raise Permanent(
            f"this agent worker is for {context.environment!r} and does not release {environment!r}: ask there, or add "
            f"it to `agents.releases` of {context.environment!r}"
        )
    return environment


async def deploy(
    context: AgentContext,
    releases: Releases,
    environment: str,
    asked: DeploymentInput,
    ask: Callable[[str], Awaitable[int | None]],
    sleep: Sleep,
) -> DeploymentOutput:
    """Raises Permanent if the release failed, Unsuccessful if the API is not well after it."""
    run = await start(context, releases, environment, asked.plan_only)
    await watch(context, releases, run, asked, sleep)
    if asked.plan_only:
        return DeploymentOutput(environment=environment, status="planned", flow_run_id=run)
    record = await context.database(release_of, run) if environment == context.environment else None
    url = await releases.address(environment)
    tries = await healthy(context, ask, url, environment, sleep)
    status: Literal["succeeded", "rolled_back"] = "rolled_back" if tries is None else "succeeded"
    done = DeploymentOutput(
        environment=environment, status=status, flow_run_id=run, api_url=url, healthy=tries is not None,
        health_tries=tries or 0, release_id=record and record.id, version=record and record.lambda_version_after,
    )  # fmt: skip
    if tries is None:
        await put_back(context, releases, environment, sleep)
        raise not_well(done)
    return done


async def start(context: AgentContext, releases: Releases, environment: str, plan_only: bool) -> UUID:
    """The release to watch. A worker that died left one under way, or ended: it is taken up. What had failed when a
    person asked for another try is left behind."""
    deployment = f"{'plan' if plan_only else 'release'}/{environment}"
    for number in range(1, MOST_RELEASES + 1):
        run = await releases.start(deployment, {"environment": environment}, f"deployment:{context.key}:{number}")
        if context.claim.attempt > 1 or (await releases.look(run)).type not in UNDONE:
            context.log("INFO", f"release {environment} is flow run {run}", flow_run_id=str(run))
            return run
    raise Permanent(f"{MOST_RELEASES} releases failed for this execution; ask with a new one")


async def watch(
    context: AgentContext,
    releases: Releases,
    run: UUID,
    asked: DeploymentInput,
    sleep: Sleep,
) -> None:
    """Wait until the release has ended well. A phase that takes too long ends it, and so does a cancelled agent."""
    allowed: dict[Phase, float] = {
        "build": asked.build_timeout_s, "test": asked.test_timeout_s, "deploy": asked.deploy_timeout_s,
    }  # fmt: skip
    said = ""
    try:
        while (seen := await releases.look(run)).type not in TERMINAL:
            if seen.name != said:
                context.log("INFO", f"the release is {seen.name}" + waits_for(seen))
                said = seen.name
            for phase, seconds in seen.seconds.items():
                if seconds > allowed[phase]:
                    await releases.cancel(run)
                    raise Permanent(f"the release's phase {phase!r} took more than {allowed[phase]:.0f} s; cancelled")
            await sleep(POLL_S)
    except asyncio.CancelledError:
        if context.cancelled:
            await releases.cancel(run)
        raise
    if seen.type != "COMPLETED":
        raise Permanent(f"the release {seen.name}: {seen.message or 'look at its flow run'} (flow run {run})")


def waits_for(seen: Progress) -> str:
    return ": open its flow run, look at the plan, press Resume" if seen.type == "PAUSED" else ""


async def healthy(
    context: AgentContext,
    ask: Callable[[str], Awaitable[int | None]],
    url: str,
    environment: str,
    sleep: Sleep,
) -> int | None:
    """How often it had to be asked until it answered 200; None if it never did."""
    allowed = HEALTH_TRIES.get(environment, FEWER_TRIES)
    for number in range(1, allowed + 1):
        if (status := await ask(url)) == 200:
            return number
        context.log("WARN", f"{url} answers {status or 'nothing'} ({number} of {allowed})")
        if number < allowed:
            await sleep(HEALTH_PAUSE_S)
    return None


async def put_back(context: AgentContext, releases: Releases, environment: str, sleep: Sleep) -> None:
    """Run the rollback to its end."""
    run = await releases.start(f"rollback/{environment}", {"environment": environment}, f"rollback:{context.key}")
    while (seen := await releases.look(run)).type not in TERMINAL:
        await sleep(POLL_S)
    if seen.type != "COMPLETED":
        raise Permanent(f"the API is not well and the rollback {seen.name}: {seen.message} (flow run {run})")


def not_well(done: DeploymentOutput) -> Unsuccessful:
    """The API did not answer; somebody has to look."""
    raised = Escalation("DevOps", f"{done.api_url} does not answer 200 after the release", "Sev.2-High")
    return Unsuccessful(
        f"{raised.reason}; it was rolled back. Look at the function's log, then release again",
        AgentResult(done, f"{done.environment}: {done.status}", escalation=raised),
    )
