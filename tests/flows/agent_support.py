"""An agent worker and a dispatcher in the test's own process, and how a test asks for executions and sees them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from blocks.environment import Environment
from deployments.agent_runs import RunClient, quick_client
from deployments.agent_worker import AgentWorker
from deployments.dispatcher import Dispatcher
from tasks.agents.context import AgentContext, AgentResult, Runner
from tasks.agents.desk import open_desk
from tasks.agents.execution import Desk
from tasks.agents.refreshing import FLOW
from tasks.agents.waking import running, wake_on
from tests.agent_ground import Ground

ROW = "SELECT status, attempt, flow_run_id, result, result_summary, error_message FROM agent_executions WHERE id = %s"


async def unused(_context: AgentContext) -> AgentResult:
    raise AssertionError("nobody serves the work pool")


@asynccontextmanager
async def worker(ground: Ground, runners: Mapping[str, Runner]) -> AsyncIterator[tuple[AgentWorker, RunClient, Desk]]:
    """An agent worker in this process."""
    async with quick_client() as client:
        environment: Environment = await Environment.aload("local")
        async with open_desk(environment, SecretStr(ground.dsn), runners=runners) as desk:
            made = AgentWorker(desk, client, "local")
            task = asyncio.create_task(made.run())
            async with running(wake_on(ground.dsn, {"agent_executions": made.look})):
                try:
                    yield made, client, desk
                finally:
                    made.stop()
                    await task


def play(ground: Ground, scene: Coroutine[Any, Any, None]) -> None:
    with ground.settings():
        asyncio.run(scene)


def ask(ground: Ground, agent: str = "review", **columns: Any) -> UUID:
    names, values = ", ".join(["agent_type", "status", *columns]), [agent, "pending", *columns.values()]
    marks = ", ".join(["%s"] * len(values))
    ((id,),) = ground.rows(f"INSERT INTO agent_executions ({names}) VALUES ({marks}) RETURNING id", *values)
    return UUID(str(id))


async def until(ground: Ground, execution: UUID, *statuses: str) -> Any:
    """The row, once it stands so."""
    async with asyncio.timeout(20):
        while (row := ground.rows(ROW, execution)[0])[0] not in statuses:
            await asyncio.sleep(0.02)
    return row


async def standing(ground: Ground, parent: UUID, *wanted: tuple[str, int, int]) -> None:
    """Once its children stand so: status, how many, and how many of these have a flow run."""
    query = "SELECT status, count(*), count(flow_run_id) FROM agent_executions WHERE parent_id = %s GROUP BY 1"
    async with asyncio.timeout(20):
        while sorted(ground.rows(query, parent)) != sorted(wanted):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def dispatcher(ground: Ground) -> AsyncIterator[Desk]:
    """A dispatcher in this process, for an agent that needs a process of its own; nobody serves its work pool."""
    flow = ground.ask("/flows/", name=FLOW)
    ground.ask("/deployments/", name="local", flow_id=flow["id"], entrypoint="flows.run_agent.run_agent")
    async with quick_client() as client:
        environment: Environment = await Environment.aload("local")
        async with open_desk(environment, SecretStr(ground.dsn), runners={"codegen": unused}) as desk:
            made = Dispatcher(desk, client, "local", poll_s=0.1, reconcile_s=0.5)
            task = asyncio.create_task(made.run())
            try:
                yield desk
            finally:
                made.stop()
                await task


async def dispatched(ground: Ground, execution: UUID) -> UUID:
    """The flow run that was asked for."""
    async with asyncio.timeout(10):
        while (run_id := ground.rows(ROW, execution)[0][2]) is None:
            await asyncio.sleep(0.02)
    return UUID(str(run_id))
