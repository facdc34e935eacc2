"""How a flow run comes to its execution: from the worker that runs it, by the id it was given, or from the form.

A worker says at which desk its flow runs work (`working_at`), and holds their executions already. A run in a process of
its own opens a desk, and claims its row; a run from the form writes the row first.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client

from blocks.environment import Environment
from database import asking, queue
from database.asking import FormRequest
from database.queue import Claim
from tasks.agents.desk import dsn_of, open_desk
from tasks.agents.execution import Desk
from tasks.agents.keeping import Held
from tasks.agents.showing import tags_of
from tasks.agents.store import Connection

_desk: ContextVar[Desk] = ContextVar("the desk of this process")


@contextmanager
def working_at(desk: Desk) -> Iterator[None]:
    """Flow runs that are started in this block work at this desk."""
    token = _desk.set(desk)
    try:
        yield
    finally:
        _desk.reset(token)


@asynccontextmanager
async def taken(
    environment: str, request: FormRequest, execution: UUID | None
) -> AsyncIterator[tuple[Desk, Held | None]]:
    """The desk to work at, and the execution; None if it is not to be had."""
    async with AsyncExitStack() as stack:
        if (desk := _desk.get(None)) is None:
            block = await Environment.aload(environment)
            desk = await stack.enter_async_context(open_desk(block, dsn_of(block)))
        held = desk.keeper.find(execution) if execution else None
        yield desk, held or await claimed(desk, request, execution)


async def claimed(desk: Desk, request: FormRequest, execution: UUID | None) -> Held | None:
    """Claim the row for this run, and link both; None if it is not to be had."""
    run_id = UUID(str(runtime.flow_run.id))
    retried = (runtime.flow_run.run_count or 1) > 1
    since = desk.keeper.now()
    claim = await desk.store.once(ask_and_claim, desk, request, execution, run_id, retried)
    if claim is None:
        return None
    held = desk.keeper.keep(replace(claim, flow_run_id=run_id), since=since)
    held.unwanted = partial(is_cancelled, run_id)
    await desk.store.call(queue.link, desk.owner, execution_id=claim.id, flow_run_id=run_id)
    await tag(run_id, claim)
    return held


async def ask_and_claim(
    connection: Connection, desk: Desk, request: FormRequest, execution: UUID | None, run_id: UUID, retried: bool
) -> Claim | None:
    """Write the row if there is none, and claim it in the same transaction, so that no worker is faster. One run, one
    row: a person who retries a run in the Prefect UI retries its execution."""
    async with connection.transaction():
        if execution is None:
            execution = await asking.ask(connection, request, key=f"flow-run:{run_id}")
        if retried:
            await queue.retry(connection, execution)
        return await queue.claim_one(
            connection, desk.owner, execution_id=execution, lease_s=desk.settings.lease_s, limits=desk.limits
        )


async def is_cancelled(run_id: UUID) -> bool:
    """Whether a person cancelled this run, as Prefect has it."""
    async with get_client() as client:
        state = (await client.read_flow_run(run_id)).state
    return state is not None and state.type.value in ("CANCELLING", "CANCELLED")


async def tag(run_id: UUID, claim: Claim) -> None:
    """Give a run that was started from the form what the dispatcher gives the others."""
    wanted = tags_of(claim.agent_type, claim.repository, claim.issue_number)
    have = set(runtime.flow_run.tags or ())
    if not have.issuperset(wanted):
        async with get_client() as client:
            await client.update_flow_run(run_id, tags=sorted({*have, *wanted, f"execution:{claim.id}"}))
