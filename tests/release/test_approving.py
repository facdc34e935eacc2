"""A plan that changes while a person decides: whatever they said is heard, by a real Prefect server.

The runs are made in this process, one call for each process that a worker would start.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async

from flows.approving import Approval, approved, plans_asked
from tasks.changes import Change
from tasks.errors import Permanent
from tests.support import make_rollout

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@flow(name="asks")
async def asks(change: str) -> str:
    plan = make_rollout(planning=True)
    plan.aws = Away()  # type: ignore[assignment]
    plan.changes.append(Change("create", change))
    with SyncClientContext.get_or_create():
        decision = await approved(plan)
    return f"{decision.approver} after {len(await plans_asked())}"


class Away:
    """AWS before a first release: there is no database yet, so what is said is in the run alone."""

    planning = True

    def __call__(self, service: str) -> Any:
        raise Permanent(f"there is no {service} yet")


class Asked:
    """A run that waits."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id

    async def plan(self, change: str) -> Any:
        """What the flow makes of it when this is the plan; None if it waits."""
        async with get_client() as client:
            run = await client.read_flow_run(self.run_id)
        try:
            return await run_flow_async(asks, flow_run=run, parameters={"change": change})
        except Pause:
            return None

    async def resume(self, **answer: Any) -> str:
        async with get_client() as client:
            return str((await client.resume_flow_run(self.run_id, run_input=answer)).status.value)

    async def form(self) -> str:
        """What stands above the form of a run that waits."""
        async with get_client() as client:
            state = (await client.read_flow_run(self.run_id)).state
            assert state
            key = f"suspended-{state.state_details.pause_key}-description"
            return await client.read_flow_run_input(self.run_id, key)


def asking(story: Callable[[Asked], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        async with get_client() as client:
            deployment = await client.create_deployment(await client.create_flow(asks), "local")
            made = await client.create_flow_run_from_deployment(deployment)
        await story(Asked(made.id))

    asyncio.run(told())
    gc.collect()  # Prefect's clients, which a process of its own would end with


def test_a_refusal_ends_the_run_though_the_plan_has_changed(prefect_api: str) -> None:
    async def story(run: Asked) -> None:
        assert await run.plan("a") is None
        assert await run.resume(approve=False, reason="not today", approver="Bob") == "ACCEPT"
        with pytest.raises(Permanent, match="Bob refused the plan: not today"):
            await run.plan("b")

    asking(story)


def test_an_approval_of_another_plan_is_asked_for_again_with_the_reason(
    prefect_api: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(run: Asked) -> None:
        for plan in ("a", "b"):
            assert await run.plan(plan) is None
            assert ("Asked again: the plan has changed since Ada approved it" in await run.form()) == (plan == "b")
            assert await run.resume(approve=True, reason="   ") == "REJECT"
            assert await run.resume(approve=True, reason="fine", approver="Ada") == "ACCEPT"
        assert await run.plan("a") is None  # which Ada approved before it was another one
        assert await run.resume(approve=True, reason="yes, still", approver="Eve") == "ACCEPT"
        assert await run.plan("a") == "Eve after 3"

    with caplog.at_level(logging.WARNING, "flows.approving"):
        asking(story)
    said = [message for message in caplog.messages if message.startswith("asking again")]
    assert len(said) == 2
    assert said[0].startswith("asking again: the plan has changed since Ada approved it. Approved was plan-")


def test_what_is_asked_of_a_person() -> None:
    assert "pattern" in Approval.model_json_schema()["properties"]["reason"]
