"""Flow runs of this machine that nobody is at: one whose worker was killed before it gave it a process is put back, one
that is to be cancelled and has no process is cancelled.

Elsewhere only time can tell (deployments/stranded.py). Here the processes can be looked at, so half a minute is enough.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import httpx
import psutil
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Scheduled

logger = logging.getLogger(__name__)

LOOK_S = 15.0
YOUNG = timedelta(seconds=30)
"""A worker that has taken a run starts its process well before."""
RUN_ID = "PREFECT__FLOW_RUN_ID"
BETWEEN = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PENDING", "CANCELLING"]}}})


async def watch_over(pool: str) -> None:
    """Until cancelled. A server that is away is asked again."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            async with get_client() as client:
                await settle(client, pool, having_process, datetime.now(UTC))
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: while its client begins
            logger.info("orphaned runs are looked for again: %s", error)


async def settle(
    client: PrefectClient, pool: str, with_process: Callable[[], Collection[str]], now: datetime
) -> list[FlowRun]:
    """Those that were settled."""
    only = WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    found = await client.read_flow_runs(flow_run_filter=BETWEEN, work_pool_filter=only, limit=200)
    old = [run for run in found if run.state and run.state.timestamp < now - YOUNG]
    alive = with_process() if old else ()
    return [run for run in old if str(run.id) not in alive and await settle_one(client, run)]


async def settle_one(client: PrefectClient, run: FlowRun) -> bool:
    """Unless it has moved on meanwhile."""
    state = (await client.read_flow_run(run.id)).state
    if state is None or run.state is None or state.id != run.state.id:
        return False
    if state.type is StateType.CANCELLING:
        await client.set_flow_run_state(run.id, Cancelled(message="it has no process any more"))
    else:
        message = "its worker died before it began; another one takes it"
        await client.set_flow_run_state(run.id, Scheduled(name="PutBack", message=message))
    logger.warning("flow run %s was %s and has no process: settled", run.name, state.name)
    return True


def having_process() -> set[str]:
    """The ids of flow runs that a process of this machine works on."""
    return {run for process in psutil.process_iter() if (run := worked_on(process))}


def worked_on(process: psutil.Process) -> str:
    try:
        return str(process.environ().get(RUN_ID, ""))
    except psutil.Error:
        return ""
