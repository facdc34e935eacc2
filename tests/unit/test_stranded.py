"""Flow runs that their worker has left: which are put back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import Flow, FlowRun, State, StateType

from deployments.stranded import STATE, patience, put_back
from localcloud.orphans import settle

NOW = datetime(2026, 11, 27, tzinfo=UTC)
RELEASE, AGENT = Flow(id=uuid4(), name="release"), Flow(id=uuid4(), name="run-agent")


def pending(minutes: float, flow: Flow = RELEASE, type: StateType = StateType.PENDING) -> FlowRun:
    state: State[Any] = State(type=type, timestamp=NOW - timedelta(minutes=minutes))
    return FlowRun(id=uuid4(), name=f"{minutes}", flow_id=flow.id, state=state)


@dataclass
class Prefect:
    """What a server would say. `since` holds runs that have moved on since they were listed."""

    runs: list[FlowRun]
    since: dict[UUID, FlowRun] = field(default_factory=dict)
    put: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return self.runs

    async def read_flows(self) -> list[Flow]:
        return [RELEASE, AGENT]

    async def read_flow_run(self, id: UUID) -> FlowRun:
        return self.since.get(id) or next(run for run in self.runs if run.id == id)

    async def set_flow_run_state(self, id: UUID, state: State[Any]) -> None:
        told = {(StateType.SCHEDULED, STATE): self.put, (StateType.CANCELLED, "Cancelled"): self.cancelled}
        told[(state.type, str(state.name))].append(next(run.name for run in self.runs if run.id == id))


def put(prefect: Prefect) -> Sequence[str]:
    found = asyncio.run(put_back(cast(PrefectClient, prefect), of_others={"run-agent"}, now=NOW))
    assert {run.name for run in found} == {*prefect.put, *prefect.cancelled}
    return prefect.put


def test_what_has_been_pending_for_long_is_put_back() -> None:
    assert put(Prefect([pending(11), pending(9), pending(60)])) == ["11", "60"]


def test_executions_of_agents_are_left_to_their_rows() -> None:
    assert put(Prefect([pending(11, AGENT)])) == []


def test_a_run_that_begins_meanwhile_is_left_alone() -> None:
    late = pending(11)
    began = late.model_copy(update={"state": State(type=StateType.RUNNING)})
    assert put(Prefect([late], {late.id: began})) == []


def test_the_patience_is_for_slow_machines_and_can_be_less(monkeypatch: pytest.MonkeyPatch) -> None:
    assert patience() == timedelta(minutes=10)
    monkeypatch.setenv("MIYABI_STRANDED_S", "90")
    assert patience() == timedelta(seconds=90)


def test_what_is_to_be_cancelled_and_has_nobody_at_it_is_cancelled() -> None:
    """Else it holds the slot of its deployment for ever."""
    prefect = Prefect([pending(11, type=StateType.CANCELLING), pending(9, type=StateType.CANCELLING)])
    assert put(prefect) == []
    assert prefect.cancelled == ["11"]


def test_on_a_laptop_what_has_no_process_is_settled_in_half_a_minute() -> None:
    working, left, young = pending(5), pending(1), pending(0.1)
    cancelled = pending(2, type=StateType.CANCELLING)
    prefect = Prefect([working, left, young, cancelled])
    client = cast(PrefectClient, prefect)
    settled = asyncio.run(settle(client, "local", lambda: {str(working.id)}, NOW))
    assert [run.name for run in settled] == ["1", "2"]
    assert (prefect.put, prefect.cancelled) == (["1"], ["2"])
