"""One run at a time writes in an environment, whichever flow it is: release, migrate, teardown and the others.

Prefect's limits know one deployment, and leases that outlive a killed run for a minute; so a run says by a tag that it
wants to write, and then looks whether another one that is running says so, too. If there is one, it takes its tag off,
waits, and tries again: of two runs at least one sees the other, whoever was faster. A run that has died is not running
any more, as soon as its worker or the heartbeats say so. A run without a deployment, of a script or a test, has nobody
who would notice its death: it neither waits nor is waited for.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter

from blocks.environment import Environment
from tasks.errors import Permanent

logger = logging.getLogger(__name__)
RUNNING = ["RUNNING", "CANCELLING"]
PAUSE_S = (1.0, 3.0)
Sleep = Callable[[float], Awaitable[None]]


class Turns(Protocol):
    """What is asked of Prefect. `others` gives the names of runs that are running and say that they write."""

    async def say(self, *, writing: bool) -> None: ...
    async def others(self) -> list[str]: ...


class PrefectTurns:
    """By tags of flow runs."""

    def __init__(self, client: PrefectClient, environment: str, run: UUID, tags: list[str]) -> None:
        self._client, self._run, self._tag = client, run, f"writes:{environment}"
        self._tags = [tag for tag in tags if tag != self._tag]

    async def say(self, *, writing: bool) -> None:
        await self._client.update_flow_run(self._run, tags=[*self._tags, self._tag] if writing else self._tags)

    async def others(self) -> list[str]:
        wanted = {"state": {"type": {"any_": RUNNING}}, "tags": {"all_": [self._tag]}, "id": {"not_any_": [self._run]}}
        found = await self._client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted))
        return [run.name for run in found]


@asynccontextmanager
async def alone(environment: Environment) -> AsyncIterator[None]:
    """Nobody else writes in the environment as long as this lasts."""
    run = runtime.flow_run.id
    if run is None or runtime.deployment.id is None:
        yield
        return
    async with get_client() as client:
        turns = PrefectTurns(client, environment.name, UUID(run), list(runtime.flow_run.tags or ()))
        await take_turn(turns, refuse=environment.when_busy == "refuse")
        try:
            yield
        finally:
            await turns.say(writing=False)


async def take_turn(
    turns: Turns, *, refuse: bool, sleep: Sleep = asyncio.sleep, draw: Callable[[float, float], float] = random.uniform
) -> None:
    """Return when it is ours. Raises Permanent where the environment would rather refuse than wait."""
    told: list[str] = []
    while True:
        await turns.say(writing=True)
        if not (others := await turns.others()):
            return
        await turns.say(writing=False)
        if refuse:
            raise Permanent(f"{' and '.join(others)} is writing in this environment, and `when_busy` says to refuse")
        if others != told:
            logger.info("waiting for %s, which writes in this environment; cancel it to go on", " and ".join(others))
            told = others
        await sleep(draw(*PAUSE_S))
