"""How the last smoke tests of an environment went, as Prefect remembers them: how many failed in a row.

The first failures are told with their number, so that an outage of a night does not start a diagnosis every quarter of
an hour, and so is the first test that passes again.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from tasks.changes import Rollout
from tasks.events import tell
from tasks.reports import in_run
from tasks.smoke_answers import SmokeFailed

logger = logging.getLogger(__name__)
FLOW = "smoke-test"
LOOKED_AT = 200
"""Newest runs, of all environments together."""


@asynccontextmanager
async def remembered(rollout: Rollout) -> AsyncIterator[None]:
    """Around a smoke test: what its event says of the tests before, and of the checks that failed."""
    before = await failures_in_a_row(rollout.environment.name)
    try:
        yield
    except Exception as failure:
        rollout.facts |= {"in_a_row": before + 1, "checks": failing(failure)}
        raise
    if before:
        name = rollout.environment.name
        tell(name, "smoke.recovered", f"smoke-test {name} is well again, after {before} that failed", failures=before)


def failing(failure: Exception) -> list[str]:
    """The checks that failed, by their names; none if nothing could be asked."""
    return [result.check for result in failure.results if result.failed] if isinstance(failure, SmokeFailed) else []


async def failures_in_a_row(environment: str, since: datetime | None = None) -> int:
    """How many of the newest smoke tests failed, one after the other, before this run; 0 if Prefect does not say."""
    if not in_run():
        return 0
    wanted: dict[str, Any] = {"state": {"type": {"any_": ["COMPLETED", "FAILED"]}}}
    if run := runtime.flow_run.id:
        wanted["id"] = {"not_any_": [UUID(run)]}
    if since:
        wanted["start_time"] = {"after_": since}
    try:
        async with get_client() as client:
            runs = await client.read_flow_runs(
                flow_filter=FlowFilter.model_validate({"name": {"any_": [FLOW]}}),
                flow_run_filter=FlowRunFilter.model_validate(wanted),
                sort=FlowRunSort.START_TIME_DESC,
                limit=LOOKED_AT,
            )
    except httpx.HTTPError as error:
        logger.warning("Prefect does not say how the last smoke tests went: %s", error)
        return 0
    return counted(runs, environment)


def counted(runs: Sequence[FlowRun], environment: str) -> int:
    """The failures before the first that passed; `runs` are the newest first."""
    outcomes = [run.state_type for run in runs if run.parameters.get("environment", "local") == environment]
    failed = [outcome is not None and outcome.value == "FAILED" for outcome in outcomes]
    return failed.index(False) if False in failed else len(failed)
