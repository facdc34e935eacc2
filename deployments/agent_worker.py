"""The agent worker: claims executions that need no process of their own and runs many of them in this one.

It is woken by NOTIFY and looks by itself every few seconds. Each claim becomes a flow run in this process. It holds no
more than it can work on: a claim that Prefect does not take goes back into the queue with its attempt unused, and
nothing more is claimed until Prefect answers again. While the database is away what runs goes on until its lease is
over. `stop` gives everything back, so that another worker goes on at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
from prefect.client.schemas.filters import FlowRunFilter
from prefect.exceptions import Abort, PrefectHTTPStatusError

from database import queue
from database.agents import AGENTS
from database.queue import LeaseLost
from deployments.agent_runs import RunClient, make_run, parameters_of, quick_flow, run_in_process
from tasks.agents.execution import Desk, settle
from tasks.agents.keeping import Held, Stopped
from tasks.agents.store import Away
from tasks.agents.taking import working_at
from tasks.errors import Temporary

logger = logging.getLogger(__name__)

STARTING = 16
"""Executions that may be claimed and not yet running: as many as Prefect starts in half a second."""
POLL_S, GLANCE_S = 2.0, 1.0
STOP_S = 8.0
CANCELS = ["CANCELLING", "CANCELLED"]


class AgentWorker:
    """`run` it; `look` makes it look into the queue at once; `stop` makes `run` end."""

    def __init__(
        self,
        desk: Desk,
        client: RunClient,
        environment: str,
        *,
        poll_s: float = POLL_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._desk, self._client, self._environment = desk, client, environment
        self._poll_s, self._sleep = poll_s, sleep
        self._flow = quick_flow()
        self._types = [id for id in desk.runners if not AGENTS[id].isolated]
        self._look, self._prefect_answers = asyncio.Event(), asyncio.Event()
        self._prefect_answers.set()
        self._runs: dict[UUID, Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def look(self) -> None:
        self._look.set()

    def stop(self) -> None:
        self._stopping = True
        self._desk.keeper.stop_all("returned")
        self.look()

    async def run(self) -> None:
        """Claim and run until stopped, then wait until all is given back."""
        watching = asyncio.create_task(self._watch_cancellations())
        try:
            with working_at(self._desk):
                while not self._stopping:
                    if not self._prefect_answers.is_set() or not await self._claim():
                        await self._rest()
        finally:
            watching.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=STOP_S)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._look.wait()
        except TimeoutError:
            pass
        self._look.clear()

    def _free(self) -> int:
        """How many more may be claimed now. What waits for its children does not count."""
        held = self._desk.keeper.held
        working = sum(1 for one in held if not one.waits)
        starting = sum(1 for one in held if not one.working)
        return min(self._desk.settings.limits.at_once - working, STARTING - starting)

    async def _claim(self) -> bool:
        """Claim what there is room for, and start it; true if there may be more to claim at once."""
        if (free := self._free()) <= 0:
            return False
        desk, since = self._desk, self._desk.keeper.now()
        try:
            claims = await desk.store.once(
                queue.claim, desk.owner, agent_types=self._types, limit=free, lease_s=desk.settings.lease_s,
                limits=desk.limits, running=[held.claim.id for held in desk.keeper.held],
            )  # fmt: skip
        except Away as away:
            logger.warning("nothing can be claimed: %s", away)
            return False
        for claim in claims:
            self._start(desk.keeper.keep(claim, since=since))
        return len(claims) == free

    def _start(self, held: Held) -> None:
        held.changed = self.look
        if self._stopping:
            held.stop("returned")
        task = asyncio.create_task(self._work(held))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.look()
        if not task.cancelled() and (error := task.exception()):
            logger.error("an execution ended in a way that it should not", exc_info=error)

    async def _work(self, held: Held) -> None:
        """One execution: its flow run made, linked and run."""
        try:
            await self._run(held)
        except Abort as error:
            logger.warning("Prefect has flow run of execution %s in another state: %s", held.claim.id, error)
            if not held.working:
                held.stop("cancelled")  # in the Prefect UI, before it began
                await self._unbegun(held)
        except (PrefectHTTPStatusError, httpx.HTTPError) as error:
            await self._prefect_failed(held, error)
        except (LeaseLost, Away) as lost:
            logger.warning("execution %s: %s", held.claim.id, lost)
        finally:
            self._desk.keeper.drop(held)

    async def _run(self, held: Held) -> None:
        claim, desk = held.claim, self._desk
        run = await make_run(self._client, claim, self._environment)
        await desk.store.call(queue.link, desk.owner, execution_id=claim.id, flow_run_id=run.id)
        self._runs[run.id] = held
        try:
            await run_in_process(self._client, self._flow, run, parameters_of(claim, self._environment))
        finally:
            del self._runs[run.id]

    async def _unbegun(self, held: Held, reason: str = "", *, attempt_used: bool = False) -> None:
        """End or give back an execution whose code has not begun."""
        came = Temporary(reason) if attempt_used else Stopped(held.why or "returned")
        try:
            await settle(self._desk, held.claim, came, 0.0)
        except (LeaseLost, Away) as lost:
            logger.warning("execution %s: %s", held.claim.id, lost)

    async def _prefect_failed(self, held: Held, error: Exception) -> None:
        """Prefect refused something, or is away. The row knows how it stands; Prefect is told later, by reconciling."""
        refused = isinstance(error, PrefectHTTPStatusError) and error.response.is_client_error
        logger.warning("Prefect %s: %s", "refuses" if refused else "does not answer", error)
        if not held.working:
            await self._unbegun(held, f"Prefect refuses the flow run: {error}", attempt_used=refused)
        if not refused and self._prefect_answers.is_set():
            self._prefect_answers.clear()
            self._tasks.add(task := asyncio.create_task(self._wait_for_prefect()))
            task.add_done_callback(self._ended)

    async def _wait_for_prefect(self) -> None:
        while not self._stopping and await self._client.api_healthcheck() is not None:
            await self._sleep(GLANCE_S)
        self._prefect_answers.set()

    async def _watch_cancellations(self) -> None:
        """Stop what was cancelled in the Prefect UI: asked once a second, for all that runs."""
        while True:
            await self._sleep(GLANCE_S)
            if not self._runs:
                continue
            mine = FlowRunFilter.model_validate(
                {"id": {"any_": list(self._runs)}, "state": {"type": {"any_": CANCELS}}}
            )
            try:
                cancelled = await self._client.read_flow_runs(flow_run_filter=mine)
            except (PrefectHTTPStatusError, httpx.HTTPError) as error:
                logger.info("Prefect does not say what was cancelled: %s", error)
                continue
            for run in cancelled:
                if held := self._runs.get(run.id):
                    held.stop("cancelled")
