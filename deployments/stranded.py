"""Flow runs that died with the worker that took them: they are put back, and another worker takes them. One that was to
be cancelled meanwhile is cancelled: only a worker ends a run that is Cancelling, and nobody else looks at it.

A worker marks a run Pending, then starts its process. Killed between the two, it leaves a run that nobody ever starts:
Prefect's late-run service looks at Scheduled ones, its heartbeats at Running ones. The dispatchers look once a minute.
Executions of agents are none of these: their row decides (tasks/agents/refreshing.py).
"""

import logging
import os
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Scheduled

logger = logging.getLogger(__name__)

PATIENCE_S = 600.0
"""A Fargate task that has to fetch its image takes minutes until its run is Running."""
STATE = "PutBack"
BETWEEN = FlowRunFilter.model_validate(
    {"state": {"type": {"any_": ["PENDING", "CANCELLING"]}}, "deployment_id": {"is_null_": False}}
)


def patience() -> timedelta:
    """How long a run may be Pending or Cancelling. `MIYABI_STRANDED_S` says otherwise where processes start at once."""
    return timedelta(seconds=float(os.environ.get("MIYABI_STRANDED_S") or PATIENCE_S))


async def put_back(client: PrefectClient, *, of_others: set[str], now: datetime | None = None) -> list[FlowRun]:
    """Put back what has been Pending for too long, cancel what has been Cancelling; what was settled. `of_others` are
    flows, by name, that somebody else sees to. One caller at a time: a second one might put back what a worker has just
    taken again."""
    before = (now or datetime.now(UTC)) - patience()
    found = await client.read_flow_runs(flow_run_filter=BETWEEN, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=200)
    stranded = [run for run in found if run.state and run.state.timestamp < before]
    names = {flow.id: flow.name for flow in await client.read_flows()} if stranded else {}
    return [run for run in stranded if names.get(run.flow_id) not in of_others and await settle(client, run)]


async def settle(client: PrefectClient, run: FlowRun) -> bool:
    """Unless it has moved on after all."""
    now = (await client.read_flow_run(run.id)).state
    if now is None or run.state is None or now.id != run.state.id:
        return False
    if now.type is StateType.CANCELLING:
        logger.warning("flow run %s is to be cancelled, and its worker is gone: cancelled", run.name)
        await client.set_flow_run_state(run.id, Cancelled(message="the worker that was to end it is gone"))
        return True
    logger.warning("flow run %s was taken by a worker that is gone: put back", run.name)
    await client.set_flow_run_state(
        run.id, Scheduled(name=STATE, message="the worker that took it died before it began; another one takes it")
    )
    return True
