"""How the last smoke tests of an environment went, as Prefect remembers them: how many failed in a row.

The first failures are told with their number, so that an outage of a night does not start a diagnosis every quarter of
an hour, and so is the first test that passes again. One that could not ask says nothing of the API: it is neither.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import takewhile
from typing import Any
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from tasks.changes import Rollout
from tasks.events import tell
from tasks.reports import in_run
from tasks.smoke_answers import SmokeFailed

logger = logging.getLogger(__name__)
FLOW = "smoke-test"
NOT_ASKED = "NotAsked"
"""The state of a smoke test that could not ask."""
LOOKED_AT = 200
"""Newest runs, of all environments together."""


@asynccontextmanager
async def remembered(rollout: Rollout) -> AsyncIterator[None]:
    """Around a smoke test: what its event says of the tests before, and of the checks that failed."""
    name = rollout.environment.name
    runs = await ended_before()
    before, unasked = counted(runs, name), not_asked(runs, name)
    try:
        yield
    except SmokeFailed as failure:
        again = await failures_in_a_row(name, since=await last_release(name)) if before else 0
        rollout.facts |= {"in_a_row": again + 1, "checks": [one.check for one in failure.results if one.failed]}
        raise
    except Exception:
        rollout.facts |= {"in_a_row": unasked + 1}
        raise
    if before or unasked:
        after = f"{before} that failed" if before else f"{unasked} that could not ask"
        tell(name, "smoke.recovered", f"smoke-test {name} is well again, after {after}", failures=before)


async def failures_in_a_row(environment: str, since: datetime | None = None) -> int:
    """How many of the newest smoke tests failed, one after the other, before this run; 0 if Prefect does not say."""
    return counted(await ended_before(since), environment)


async def ended_before(since: datetime | None = None) -> Sequence[FlowRun]:
    """The smoke tests that ended before this run, of all environments, the newest first."""
    wanted: dict[str, Any] = {"state": {"type": {"any_": ["COMPLETED", "FAILED"]}}}
    if run := runtime.flow_run.id:
        wanted["id"] = {"not_any_": [UUID(run)]}
    if since:
        wanted["start_time"] = {"after_": since}
    return await newest_runs(FLOW, wanted)


async def last_release(environment: str) -> datetime | None:
    """When the last release was carried out: what failed before it is another trouble, and what fails since is new."""
    runs = await newest_runs("release", {"state": {"type": {"any_": ["COMPLETED"]}}})
    return next((run.end_time for run in runs if is_release(run, environment)), None)


def is_release(run: FlowRun, environment: str) -> bool:
    return bool(run.parameters.get("environment", "local") == environment)


async def newest_runs(flow: str, wanted: dict[str, Any]) -> Sequence[FlowRun]:
    """Runs of a flow, the newest first; none if Prefect does not say."""
    if not in_run():
        return []
    try:
        async with get_client() as client:
            return await client.read_flow_runs(
                flow_filter=FlowFilter.model_validate({"name": {"any_": [flow]}}),
                flow_run_filter=FlowRunFilter.model_validate(wanted),
                sort=FlowRunSort.START_TIME_DESC,
                limit=LOOKED_AT,
            )
    except httpx.HTTPError as error:
        logger.warning("Prefect does not say how the last runs of %s went: %s", flow, error)
        return []


def counted(runs: Sequence[FlowRun], environment: str) -> int:
    """The failures before the first that passed; `runs` are the newest first."""
    asked = [run for run in of(environment, runs) if run.state_name != NOT_ASKED]
    return len(list(takewhile(lambda run: run.state_type == StateType.FAILED, asked)))


def not_asked(runs: Sequence[FlowRun], environment: str) -> int:
    """How many of the newest could not ask, one after the other."""
    return len(list(takewhile(lambda run: run.state_name == NOT_ASKED, of(environment, runs))))


def of(environment: str, runs: Sequence[FlowRun]) -> list[FlowRun]:
    return [run for run in runs if run.parameters.get("environment", "local") == environment]
