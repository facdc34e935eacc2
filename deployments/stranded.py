"""Flow runs that died with the worker that took them: they are put back, and another worker takes them.

A worker marks a run Pending, then starts its process. Killed between the two, it leaves a run that nobody ever starts:
Prefect's late-run service looks at Scheduled ones, its heartbeats at Running ones. The dispatchers look once a minute.
Executions of agents are none of these: their row decides (tasks/agents/refreshing.py).
"""

import logging
import os
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Scheduled

logger = logging.getLogger(__name__)

PATIENCE_S = 600.0
"""A Fargate task that has to fetch its image takes minutes until its run is Running."""
STATE = "PutBack"
PENDING = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PENDING"]}}, "deployment_id": {"is_null_": False}})


def patience() -> timedelta:
    """How long a run may be Pending. `MIYABI_STRANDED_S` says otherwise, where processes start at once."""
    return timedelta(seconds=float(os.environ.get("MIYABI_STRANDED_S") or PATIENCE_S))


async def put_back(client: PrefectClient, *, of_others: set[str], now: datetime | None = None) -> list[FlowRun]:
    """Put back what has been Pending for too long; what was put back. `of_others` are flows, by name, that somebody
    else sees to. One caller at a time: a second one might put back what a worker has just taken again."""
    before = (now or datetime.now(UTC)) - patience()
    pending = await client.read_flow_runs(flow_run_filter=PENDING, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=200)
    stranded = [run for run in pending if run.state and run.state.timestamp < before]
    names = {flow.id: flow.name for flow in await client.read_flows()} if stranded else {}
    return [run for run in stranded if names.get(run.flow_id) not in of_others and await schedule_again(client, run)]


async def schedule_again(client: PrefectClient, run: FlowRun) -> bool:
    """Unless it has just begun after all."""
    now = (await client.read_flow_run(run.id)).state
    if now is None or run.state is None or now.id != run.state.id:
        return False
    logger.warning("flow run %s was taken by a worker that is gone: put back", run.name)
    await client.set_flow_run_state(
        run.id, Scheduled(name=STATE, message="the worker that took it died before it began; another one takes it")
    )
    return True
