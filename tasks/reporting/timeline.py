"""What Prefect knows of a release's steps: when each began, how long it took, how often it was tried.

Task runs are recorded a moment after they end. A report at the end of a release has the durations of its own process
as well, which fill in what is not there yet.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import TaskRun
from prefect.client.schemas.sorting import TaskRunSort
from prefect.exceptions import PrefectException

logger = logging.getLogger(__name__)
OWN = "Look at everything"
"""The step of the report itself, which is none of the release."""


@dataclass(frozen=True)
class Moment:
    """A step of a release."""

    step: str
    seconds: float
    began: datetime | None = None
    tries: int = 1
    state: str = "Completed"


async def timeline_of(flow_run_id: UUID | None, known: Mapping[str, float] | None = None) -> list[Moment]:
    """The steps in the order of their beginning; empty where Prefect knows none. `known`: step → seconds."""
    runs = await task_runs(flow_run_id) if flow_run_id else []
    moments = [
        Moment(run.name, run.total_run_time.total_seconds(), run.start_time, run.run_count, run.state_name or "")
        for run in runs
        if run.start_time is not None
    ]
    seen = {moment.step for moment in moments}
    late = [Moment(name, taken) for name, taken in (known or {}).items() if name not in seen]
    return [moment for moment in [*moments, *late] if moment.step != OWN]


async def task_runs(flow_run_id: UUID) -> Sequence[TaskRun]:
    """None where Prefect does not tell: the report goes on without them."""
    wanted = FlowRunFilter.model_validate({"id": {"any_": [flow_run_id]}})
    try:
        async with get_client() as client:
            return await client.read_task_runs(
                flow_run_filter=wanted, sort=TaskRunSort.EXPECTED_START_TIME_ASC, limit=200
            )
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("Prefect does not tell the steps of run %s: %s", flow_run_id, error)
        return []
