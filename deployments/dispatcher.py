"""The dispatcher: hands executions that need a process of their own to Prefect's work pool, and cleans up.

Woken by NOTIFY, and by itself every few seconds. A flow run is asked for with a key that stays the same until one has
claimed the row or has died, so a request whose answer was lost, or a second dispatcher, makes no second run. It reaps
what dead owners left, keeps Prefect in line with Postgres (tasks/agents/refreshing.py), and puts back the runs of other
flows that a dead worker had taken (stranded.py). Any number may run.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
from prefect.exceptions import PrefectHTTPStatusError

from database import queue
from database.agents import AGENTS
from database.alone import STRANDED, alone
from database.queue import Reservation
from deployments.agent_runs import RunClient, parameters_of
from deployments.stranded import put_back
from tasks.agents.alerting import tell_waiting
from tasks.agents.execution import Desk
from tasks.agents.refreshing import FLOW, Reconciler
from tasks.agents.showing import name_of_claim, tags_of
from tasks.agents.store import Away

logger = logging.getLogger(__name__)

POLL_S, PAUSE_S = 2.0, 0.1
RECONCILE_S, THOROUGHLY_S = 5.0, 60.0
HOLD_S = 15.0
AT_ONCE = 20
PREFECT_AWAY = (PrefectHTTPStatusError, httpx.HTTPError)


class Dispatcher:
    """`run` it; `look` makes it look into the queue at once; `stop` makes `run` end."""

    def __init__(
        self,
        desk: Desk,
        client: RunClient,
        environment: str,
        *,
        poll_s: float = POLL_S,
        reconcile_s: float = RECONCILE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk, self._client, self._environment = desk, client, environment
        self._poll_s, self._reconcile_s, self._clock = poll_s, reconcile_s, clock
        self._types = [id for id in desk.runners if AGENTS[id].isolated]
        settings = desk.settings
        self._reconciler = Reconciler(desk.store.call, client, lease_s=settings.lease_s, start_s=settings.start_s)
        self._look = asyncio.Event()
        self._stopping = False
        self._deployment: UUID | None = None
        self._due = {self._reap: 0.0, self._reconcile: 0.0, self._reconcile_thoroughly: 0.0, self._put_back: 0.0}

    def look(self) -> None:
        self._look.set()

    def stop(self) -> None:
        self._stopping = True
        self.look()

    async def run(self) -> None:
        """Until stopped."""
        every = {self._reap: self._desk.settings.lease_s / 6, self._reconcile: self._reconcile_s}
        while not self._stopping:
            await self._try(self._submit)
            for work, due in list(self._due.items()):
                if self._clock() >= due:
                    await self._try(work)
                    self._due[work] = self._clock() + every.get(work, THOROUGHLY_S)
            await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(PAUSE_S)  # so that many rows that come one by one are looked at together
        try:
            async with asyncio.timeout(self._poll_s):
                await self._look.wait()
        except TimeoutError:
            pass
        self._look.clear()

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; what is away now is asked again in the next round."""
        try:
            await work()
        except (Away, *PREFECT_AWAY) as error:
            logger.warning("%s", error)

    async def _submit(self) -> None:
        """Hand over what waits and may run."""
        if not self._types:
            return
        reserved = await self._desk.store.once(
            queue.awaiting_dispatch, agent_types=self._types, limit=AT_ONCE, limits=self._desk.limits, hold_s=HOLD_S
        )
        for reservation in reserved:
            try:
                await self._hand_over(reservation)
            except PrefectHTTPStatusError as error:
                if not error.response.is_client_error:
                    raise
                await self._refused(reservation, error)

    async def _hand_over(self, reservation: Reservation) -> None:
        parameters = parameters_of(reservation, self._environment)
        run = await self._client.create_flow_run_from_deployment(
            await self._deployment_id(),
            name=name_of_claim(reservation),
            parameters={**parameters, "execution": str(reservation.id)},
            tags=tags_of(reservation.agent_type, reservation.repository, reservation.issue_number),
            idempotency_key=reservation.key,
        )
        await self._desk.store.call(queue.submitted, reservation.id, dispatch=reservation.dispatch, flow_run_id=run.id)

    async def _deployment_id(self) -> UUID:
        if self._deployment is None:
            self._deployment = (await self._client.read_deployment_by_name(f"{FLOW}/{self._environment}")).id
        return self._deployment

    async def _refused(self, reservation: Reservation, error: PrefectHTTPStatusError) -> None:
        """Prefect does not take it: the deployment is not there (again later), or the parameters are not right."""
        missing = error.response.status_code == 404
        if missing:
            self._deployment = None
        reason = f"Prefect does not take a run of {FLOW}/{self._environment}: {error}"
        logger.warning("execution %s: %s", reservation.id, reason)
        await self._desk.store.call(
            queue.withdraw, reservation.id, dispatch=reservation.dispatch, attempt_used=not missing, delay_s=10.0,
            error=reason,
        )  # fmt: skip

    async def _reap(self) -> None:
        """What dead owners left waits again, or has failed."""
        reaped = await self._desk.store.once(queue.reap, grace_s=self._desk.settings.lease_s)
        for id in (*reaped.pending, *reaped.failed, *reaped.cancelled):
            logger.warning("execution %s: its owner is gone", id)
        for id in await self._desk.store.once(queue.refuse_unknown):
            logger.warning("execution %s: there is no such agent", id)

    async def _reconcile(self, window_s: float = 0.0) -> None:
        _checked, findings = await self._reconciler.look(window_s=window_s)
        for finding in findings:
            await self._reconciler.repair(finding)

    async def _put_back(self) -> None:
        """Runs of other flows whose worker died before they began."""
        async with self._desk.store.connection() as connection, alone(connection, STRANDED) as mine:
            if mine:
                await put_back(self._client, of_others={FLOW})

    async def _reconcile_thoroughly(self) -> None:
        """Also what ended of late: runs that were killed between the end of their row and their own. And what waits."""
        await self._reconcile(2.5 * THOROUGHLY_S)
        desk = self._desk
        await tell_waiting(self._environment, desk.store.call, after_s=desk.settings.waiting_alert_s)
