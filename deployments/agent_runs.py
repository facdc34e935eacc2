"""Flow runs in the agent worker's own process: made, linked to their row, run, and not a request more than needed.

A stock in-process flow run costs the client 50 ms of CPU and eight requests, and the server's part bounds it all to
about 35 runs a second (reference: performance.md §2). Here many runs share one client, which keeps no more requests in
flight than the server likes and answers by itself what this process knows. It applies inside `quick_client()` alone.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowCreate, FlowRunCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus, StateAcceptDetails
from prefect.context import AsyncClientContext, ContextModel, SyncClientContext
from prefect.flow_engine import run_flow_async
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    temporary_settings,
)
from prefect.states import Running, to_state_create

from database.queue import Claim
from flows.run_agent import run_agent
from tasks.agents.showing import name_of_claim, tags_of

AT_ONCE = 8
"""Requests in flight. More of them make the server slower, not faster (measured: 28 runs/s with 8, 20 with 20)."""


class RunClient(PrefectClient):
    """Prefect's client for runs that this process makes and runs itself."""

    def __init__(self, api: str, *, at_once: int = AT_ONCE, **options: Any) -> None:
        super().__init__(api, **options)
        self._slots = asyncio.Semaphore(at_once)
        self._flow_ids: dict[str, UUID] = {}
        self._mine: dict[UUID, FlowRun] = {}

    async def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        async with self._slots:
            return await super().request(*args, **kwargs)

    async def make(self, parameters: Mapping[str, Any], *, name: str, tags: list[str], key: str) -> FlowRun:
        """A run of `run-agent` that runs already, which spares a change of state; with the same key, the same run."""
        wanted = FlowRunCreate(
            flow_id=await self.flow_id(run_agent.name), flow_version=run_agent.version, name=name,
            parameters=dict(parameters), tags=tags, state=to_state_create(Running()), idempotency_key=key,
        )  # fmt: skip
        answer = await self.request("POST", "/flow_runs/", json=wanted.model_dump(mode="json", exclude_unset=True))
        run = FlowRun.model_validate(answer.json())
        self._mine[run.id] = run
        return run

    async def flow_id(self, name: str) -> UUID:
        if name not in self._flow_ids:
            answer = await self.request("POST", "/flows/", json=FlowCreate(name=name).model_dump(mode="json"))
            self._flow_ids[name] = UUID(answer.json()["id"])
        return self._flow_ids[name]

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """What the engine asks for when it has just set the run's state; it keeps the object up to date itself."""
        return self._mine.get(flow_run_id) or await super().read_flow_run(flow_run_id)

    async def update_flow_run(self, flow_run_id: UUID, *args: Any, **kwargs: Any) -> httpx.Response:
        """What the engine would write of a run that it did not make itself, its name too, is there already."""
        if flow_run_id in self._mine:
            return httpx.Response(204)
        return await super().update_flow_run(flow_run_id, *args, **kwargs)

    async def set_flow_run_name(self, flow_run_id: UUID, name: str) -> httpx.Response:
        return await self.update_flow_run(flow_run_id, name=name)

    async def set_flow_run_state(
        self, flow_run_id: UUID | str, state: State[Any], force: bool = False
    ) -> OrchestrationResult[Any]:
        """What the engine proposes first is so already: the run was made running."""
        run = self._mine.get(UUID(str(flow_run_id)))
        if run is None or run.state is None or not (state.is_running() and run.state.is_running()):
            return await super().set_flow_run_state(flow_run_id, state, force)
        return OrchestrationResult(state=run.state, status=SetStateStatus.ACCEPT, details=StateAcceptDetails())

    def forget(self, run: FlowRun) -> None:
        self._mine.pop(run.id, None)


class SharedClient(AsyncClientContext):
    """A context whose client is a RunClient; Prefect's own makes a plain one."""

    def __init__(self, client: RunClient) -> None:
        ContextModel.__init__(self, client=client)


@asynccontextmanager
async def quick_client(at_once: int = AT_ONCE) -> AsyncIterator[RunClient]:
    """One client for all that happens in this block. Executions have a heartbeat of their own, so runs need none."""
    quick = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}
    with temporary_settings(quick):
        client = RunClient(
            str(PREFECT_API_URL.value()), at_once=at_once, auth_string=PREFECT_API_AUTH_STRING.value(),
            api_key=PREFECT_API_KEY.value(),
        )  # fmt: skip
        for chatter in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(chatter).setLevel(logging.WARNING)
        async with SharedClient(client):
            with SyncClientContext.get_or_create():  # which the engine would make for every run
                yield client


def quick_flow() -> Any:
    """`run-agent` for runs whose parameters are checked already, and which need not ask where results are kept."""
    storage = Path(PREFECT_HOME.value()) / "storage"
    return run_agent.with_options(validate_parameters=False, result_storage=storage)


def parameters_of(claim: Claim, environment: str) -> dict[str, Any]:
    """The parameters of a run whose row exists: its input stays there, it may be large."""
    return {
        "environment": environment,
        "agent": claim.agent_type,
        "repository": claim.repository,
        "issue": claim.issue_number,
        "priority": claim.priority,
        "execution": claim.id,
    }


async def make_run(client: RunClient, claim: Claim, environment: str) -> FlowRun:
    """The flow run that shows this attempt: one, also if Prefect's client repeats a request whose answer was lost. Its
    tags are those of the runs of prefect.yaml's `run-agent`, which Prefect adds itself there."""
    parameters = parameters_of(claim, environment)
    tags = ["agent", environment, *tags_of(claim.agent_type, claim.repository, claim.issue_number)]
    return await client.make(
        {**parameters, "execution": str(claim.id)}, name=name_of_claim(claim), tags=tags,
        key=f"{claim.id}:{secrets.token_hex(8)}",
    )  # fmt: skip


async def run_in_process(client: RunClient, flow: Any, run: FlowRun, parameters: Mapping[str, Any]) -> State[Any]:
    """Run it to its end, here; its last state."""
    try:
        return await run_flow_async(flow, flow_run=run, parameters=dict(parameters), return_type="state")  # type: ignore[return-value]
    finally:
        client.forget(run)
