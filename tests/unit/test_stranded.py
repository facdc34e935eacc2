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

NOW = datetime(2026, 11, 27, tzinfo=UTC)
RELEASE, AGENT = Flow(id=uuid4(), name="release"), Flow(id=uuid4(), name="run-agent")


def pending(minutes: float, flow: Flow = RELEASE) -> FlowRun:
    state: State[Any] = State(type=StateType.PENDING, timestamp=NOW - timedelta(minutes=minutes))
    return FlowRun(id=uuid4(), name=f"{minutes}", flow_id=flow.id, state=state)


@dataclass
class Prefect:
    """What a server would say. `since` holds runs that have moved on since they were listed."""

    runs: list[FlowRun]
    since: dict[UUID, FlowRun] = field(default_factory=dict)
    put: list[str] = field(default_factory=list)

    async def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return self.runs

    async def read_flows(self) -> list[Flow]:
        return [RELEASE, AGENT]

    async def read_flow_run(self, id: UUID) -> FlowRun:
        return self.since.get(id) or next(run for run in self.runs if run.id == id)

    async def set_flow_run_state(self, id: UUID, state: State[Any]) -> None:
        assert (state.type, state.name) == (StateType.SCHEDULED, STATE)
        self.put.append(next(run.name for run in self.runs if run.id == id))


def put(prefect: Prefect) -> Sequence[str]:
    found = asyncio.run(put_back(cast(PrefectClient, prefect), of_others={"run-agent"}, now=NOW))
    assert [run.name for run in found] == prefect.put
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
