"""Bringing Prefect in line with Postgres: the refresher agent, and what the dispatcher does of it all the time.

The row is the truth. A flow run that stands otherwise is set to it; what a person cancelled in the Prefect UI is the
one thing that goes the other way. `judge` decides, and is pure; `Reconciler` asks both sides, and acts.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Failed

from database import asking, queue
from database.agent_models import Disagreement, RefresherInput, RefresherOutput
from database.queue import Linked
from tasks.agents.alerting import tell_waiting
from tasks.agents.context import AgentContext, AgentResult
from tasks.agents.states import STACK_STOPPED
from tasks.agents.store import Call
from tasks.reports import table

logger = logging.getLogger(__name__)

FLOW = "run-agent"
TRUTH: Mapping[str, frozenset[str]] = {
    "completed": frozenset({"COMPLETED"}),
    "failed": frozenset({"FAILED", "CRASHED"}),
    "cancelled": frozenset({"CANCELLED"}),
}
TERMINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
OPEN = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
BY_A_PERSON = frozenset({"Cancelled", "Cancelling"})
"""These states as the UI names them; those of a run whose execution goes on have other names (showing.py)."""
SETTLING = timedelta(seconds=2)
"""A process that has just ended its row is about to say so to Prefect."""
ORPHAN_LEASES = 2
"""A run has so many leases to be linked to a row, or to end when its row was given back."""
PAGE = 200

Action = Literal["none", "show", "cancel", "withdraw", "drop"]


@dataclass(frozen=True)
class Seen:
    """A flow run as Prefect has it. `since` is when it took this state; `execution` the id among its parameters."""

    id: UUID
    type: str
    name: str
    since: datetime
    message: str = ""
    execution: UUID | None = None

    @property
    def open(self) -> bool:
        return self.type not in TERMINAL


@dataclass(frozen=True)
class Finding:
    """Where the two differ, and what follows."""

    row: Linked | None
    run: Seen | None
    action: Action
    why: str


def judge(row: Linked | None, run: Seen | None, now: datetime, *, orphan: timedelta, start: timedelta) -> Finding:
    """What is to be done about a row and the flow run that shows it. Either may be missing, not both."""

    def found(action: Action, why: str = "") -> Finding:
        return Finding(row, run, action, why)

    if run is None:
        lost = row is not None and row.status == "pending"
        return found("withdraw", "Prefect does not know its flow run any more") if lost else found("none")
    old = now - run.since > orphan
    if row is None or row.flow_run_id != run.id:
        return found("drop", "another run shows its execution") if run.open and old else found("none")
    if row.status in TRUTH:
        done = run.type in TRUTH[row.status] or (run.open and row.completed_at and now - row.completed_at < SETTLING)
        return found("none") if done else found("show", f"the execution is {row.status}")
    if run.type in ("CANCELLED", "CANCELLING") and run.name in BY_A_PERSON:
        return found("none" if row.cancel_requested else "cancel", "cancelled in the Prefect UI")
    if row.status == "pending" and not run.open:
        return found("withdraw", f"its flow run ended without it: {run.name} {run.message}".strip())
    if row.status == "pending" and run.type == "RUNNING" and old:
        return found("drop", "the execution waits again")
    # Its worker was killed. Or its process is slow to begin on a busy machine: the next one may take longer.
    if row.status == "pending" and run.type == "PENDING" and now - run.since > row.dispatch * start:
        return found("drop", "the work pool took it and its process did not begin")
    return found("none")


def truth(row: Linked) -> State[Any]:
    """The row's end as a state."""
    match row.status:
        case "completed":
            return Completed(message="as its row says")
        case "cancelled":
            return Cancelled(message=row.error_message or "as its row says")
        case _:
            return Failed(message=row.error_message or "as its row says")


class Reconciler:
    """Compares the flow runs of `run-agent` with their rows, and repairs."""

    def __init__(
        self,
        database: Call,
        client: PrefectClient,
        *,
        lease_s: float,
        start_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._client, self._now = database, client, now
        self._orphan, self._start = timedelta(seconds=ORPHAN_LEASES * lease_s), timedelta(seconds=start_s)

    async def look(self, *, window_s: float = 0.0, limit: int = 1000) -> tuple[int, list[Finding]]:
        """How many were compared, and where they differ. Rows that ended in the last `window_s` seconds, too."""
        rows = {row.flow_run_id: row for row in await self._linked(window_s, limit)}
        runs = {run.id: run for run in await self._open_runs(limit)}
        runs |= {run.id: run for run in await self._runs(rows.keys() - runs.keys())}
        lacking = {run.execution for run in runs.values() if run.execution and run.id not in rows}
        others = {row.id: row for row in await self._database(asking.standing, list(lacking))} if lacking else {}
        pairs: list[tuple[Linked | None, Seen | None]] = [
            (rows.get(run.id) or others.get(run.execution) if run.execution else rows.get(run.id), run)
            for run in runs.values()
        ]
        pairs += [(row, None) for id, row in rows.items() if id not in runs]
        findings = [judge(row, run, self._now(), orphan=self._orphan, start=self._start) for row, run in pairs]
        return len(findings), [finding for finding in findings if finding.action != "none"]

    async def repair(self, finding: Finding) -> None:
        """Do what follows. Each of these may be done twice, and by two at once."""
        row, run = finding.row, finding.run
        logger.info("execution %s, flow run %s: %s", row and row.id, run and run.id, finding.why)
        match finding.action:
            case "show" if row and run:
                await self._set(run, truth(row))
            case "drop" if run:
                await self._set(run, Cancelled(name="GivenBack", message=finding.why))
            case "cancel" if row:
                await self._database(queue.request_cancel, row.id)
            case "withdraw" if row:
                used = run is not None and run.type in TRUTH["failed"] and run.name != STACK_STOPPED
                # one that never began, by no fault of its own, keeps what its last attempt said
                await self._database(
                    queue.withdraw,
                    row.id,
                    dispatch=row.dispatch,
                    attempt_used=used,
                    delay_s=2.0,
                    error=finding.why if used else None,
                )

    async def _linked(self, window_s: float, limit: int) -> list[Linked]:
        found: list[Linked] = await self._database(queue.linked, ended_within_s=window_s, limit=limit)
        return found

    async def _open_runs(self, limit: int) -> list[Seen]:
        wanted = FlowRunFilter.model_validate({"state": {"type": {"any_": OPEN}}})
        ours = FlowFilter.model_validate({"name": {"any_": [FLOW]}})
        found: list[Seen] = []
        while len(found) < limit:
            page = await self._client.read_flow_runs(
                flow_filter=ours, flow_run_filter=wanted, limit=PAGE, offset=len(found)
            )
            found += map(seen, page)
            if len(page) < PAGE:
                break
        return found

    async def _runs(self, ids: Iterable[UUID]) -> list[Seen]:
        wanted, found = list(ids), list[Seen]()
        for start in range(0, len(wanted), PAGE):
            these = FlowRunFilter.model_validate({"id": {"any_": wanted[start : start + PAGE]}})
            found += map(seen, await self._client.read_flow_runs(flow_run_filter=these, limit=PAGE))
        return found

    async def _set(self, run: Seen, state: State[Any]) -> None:
        try:
            await self._client.set_flow_run_state(run.id, state, force=True)
        except ObjectNotFound:
            logger.info("flow run %s was deleted", run.id)


def seen(run: FlowRun) -> Seen:
    """A flow run with what matters here. The execution is a parameter, or a tag if a person started the run."""
    state = run.state
    assert state is not None
    given = run.parameters.get("execution") or next(
        (tag.partition(":")[2] for tag in run.tags if tag.startswith("execution:")), None
    )
    return Seen(
        run.id, state.type.value, state.name or "", state.timestamp, state.message or "", UUID(given) if given else None
    )


async def run_refresher(context: AgentContext) -> AgentResult:
    """The agent: compare all that is under way or ended within the last day, and repair it unless told otherwise."""
    asked = context.input
    assert isinstance(asked, RefresherInput)
    async with get_client() as client:
        settings = context.settings
        reconciler = Reconciler(context.database, client, lease_s=settings.lease_s, start_s=settings.start_s)
        checked, findings = await reconciler.look(window_s=24 * 3600, limit=asked.limit)
        await tell_waiting(context.environment, context.database, after_s=settings.waiting_alert_s)
        for finding in findings:
            context.log("INFO", f"{finding.row and finding.row.id}: {finding.why}")
            if asked.repair:
                await reconciler.repair(finding)
    return reported(checked, findings, repaired=asked.repair)


def reported(checked: int, findings: Sequence[Finding], *, repaired: bool) -> AgentResult:
    """What was found, as data and as a table."""
    different = [
        Disagreement(
            execution_id=finding.row.id, flow_run_id=finding.run and finding.run.id, postgres=finding.row.status,
            prefect=finding.run and finding.run.name, action=finding.action if repaired else "none",
        )
        for finding in findings if finding.row
    ]  # fmt: skip
    done = len(findings) if repaired else 0
    rows = [(str(one.execution_id), one.postgres, one.prefect or "", one.action) for one in different]
    return AgentResult(
        RefresherOutput(checked=checked, repaired=done, disagreements=different),
        f"{checked} compared, {len(findings)} differed, {done} repaired",
        artifact=table(("execution", "Postgres", "Prefect", "done"), rows) if rows else None,
    )
