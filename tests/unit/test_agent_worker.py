"""The agent worker without Prefect: what it does while Prefect is away, refuses, or had the run cancelled."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from blocks.agents import AgentLimits
from database import queue
from database.queue import Claim
from deployments.agent_runs import RunClient, make_run
from deployments.agent_worker import STARTING, AgentWorker
from tasks.agents.context import AgentContext, AgentResult
from tasks.agents.execution import Desk
from tasks.agents.keeping import Keeper
from tasks.agents.settings import AgentSettings
from tasks.agents.store import Store
from tests.agents import Scene


async def never(_context: AgentContext) -> AgentResult:
    raise AssertionError("nothing may begin that Prefect does not show")


class Prefect:
    """A client whose answers are given: an exception for each request."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.well = False
        self.asked = 0

    async def make(self, _parameters: Any, *, name: str, tags: list[str], key: str) -> Any:
        self.asked += 1
        raise self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]

    async def api_healthcheck(self) -> Exception | None:
        return None if self.well else ConnectionError("away")


class Rows:
    """The queue, as the store's functions: executions that wait, and those that were given back."""

    def __init__(self, count: int) -> None:
        self.waiting = [claim() for _ in range(count)]
        self.back: list[dict[str, Any]] = []
        self.limits: list[int] = []

    async def once(self, function: Callable[..., Any], _owner: str, **given: Any) -> Any:
        assert function is queue.claim
        self.limits.append(given["limit"])
        taken, self.waiting = self.waiting[: given["limit"]], self.waiting[given["limit"] :]
        return taken

    def write(self, *_: Any) -> None: ...

    async def finish(self, *_: Any, **columns: Any) -> None:
        raise AssertionError(columns)

    async def call(self, function: Callable[..., Any], _owner: str, **given: Any) -> str:
        assert function is queue.give_back
        self.back.append(given)
        return "pending"


def claim(id: UUID | None = None) -> Claim:
    return Claim(**{**vars(Scene().context("waterspider").claim), "id": id or uuid4()})


def worker(rows: Rows, prefect: Prefect, **limits: int) -> AgentWorker:
    settings = AgentSettings(limits=AgentLimits(**limits))
    keeper = Keeper(cast(Store, rows), "me", lease_s=30)
    desk = Desk(
        "local", "me", cast(Store, rows), cast(Any, rows), cast(Any, rows), keeper, settings, {"waterspider": never}
    )

    async def no_time(_seconds: float) -> None:
        await asyncio.sleep(0.001)

    return AgentWorker(desk, cast(RunClient, prefect), "local", poll_s=0.01, sleep=no_time)


def run(made: AgentWorker, scene: Callable[[], Any]) -> None:
    async def both() -> None:
        task = asyncio.create_task(made.run())
        await scene()
        made.stop()
        async with asyncio.timeout(5):
            await task

    asyncio.run(both())


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def test_nothing_is_claimed_while_prefect_is_away() -> None:
    rows, prefect = Rows(40), Prefect(httpx.ConnectError("refused"))
    made = worker(rows, prefect)

    async def scene() -> None:
        await eventually(lambda: len(rows.back) == STARTING)
        await asyncio.sleep(0.1)
        assert len(rows.waiting) == 40 - STARTING
        assert all(not back["attempt_used"] for back in rows.back)
        prefect.well = True
        await eventually(lambda: len(rows.waiting) < 40 - STARTING)

    run(made, scene)


def test_what_prefect_refuses_uses_up_an_attempt_and_says_why() -> None:
    request = httpx.Request("POST", "http://prefect/api/flow_runs/")
    answer = httpx.Response(422, json={"detail": "too large"}, request=request)
    refused = PrefectHTTPStatusError.from_httpx_error(httpx.HTTPStatusError("422", request=request, response=answer))
    rows, prefect = Rows(1), Prefect(refused)
    made = worker(rows, prefect)

    async def scene() -> None:
        await eventually(lambda: rows.back)

    run(made, scene)
    (back,) = rows.back
    assert back["attempt_used"]
    assert "Prefect refuses the flow run" in back["error"]
    assert "too large" in back["error"]


@pytest.mark.parametrize(("at_once", "expected"), [(3, 3), (200, STARTING)])
def test_no_more_are_claimed_than_can_be_started(at_once: int, expected: int) -> None:
    rows, prefect = Rows(0), Prefect(httpx.ConnectError("refused"))
    made = worker(rows, prefect, at_once=at_once)

    async def scene() -> None:
        await eventually(lambda: rows.limits)

    run(made, scene)
    assert rows.limits[0] == expected


def test_a_run_is_found_by_what_others_are_found_by_and_named_after_its_task() -> None:
    made: dict[str, Any] = {}

    class Client:
        async def make(self, _parameters: Any, **how: Any) -> None:
            made.update(how)

    one = replace(claim(), issue_number=7, options={"title": "Add a form"})
    asyncio.run(make_run(cast(RunClient, Client()), one, "staging"))
    assert made["name"] == "waterspider #7 hana/shop: Add a form"
    assert made["tags"] == ["agent", "staging", "agent:waterspider", "repository:hana/shop", "issue:7"]
