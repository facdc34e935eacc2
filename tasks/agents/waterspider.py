"""The waterspider: finds what has come to a stop, sets it going again, and gives ready tasks to their agents.

What runs without a heartbeat has lost its worker: it waits again, or has failed when its attempts are used up. What
waits although it might be taken has nobody's attention: all workers are woken. The dispatcher does most of this all
the time; here a person, or a schedule, sees it done.
"""

from typing import Any
from uuid import UUID

from pydantic import ValidationError

from database import queue, stalls
from database.agent_models import WaterspiderInput, WaterspiderOutput
from database.agents import AGENTS
from database.stalls import ReadyTask
from tasks.agents.context import AgentContext, AgentResult

GRACE_S = 30.0
"""A PostgreSQL server that has just started gives the owners this long to come back."""


async def run_waterspider(context: AgentContext) -> AgentResult:
    """Look, then set going again what stands, unless only asked to look."""
    asked = context.input
    assert isinstance(asked, WaterspiderInput)
    found = [one for one in await context.database(stalls.stalled, after_s=asked.stalled_after_s)
             if one.id != context.claim.id]  # fmt: skip
    for one in found:
        context.log("WARN", f"{one.agent_type} {one.id} is {one.status} without a sign of life", execution=str(one.id))
    restarted = await context.step("Set going again", set_going, context) if asked.restart and found else []
    supplied = await context.step("Supply ready tasks", supply, context, asked) if asked.restart else []
    pending, running = await context.database(stalls.counts)
    done = WaterspiderOutput(
        pending=pending, running=running, stalled=[one.id for one in found], restarted=restarted, supplied=supplied
    )
    return AgentResult(done, f"{len(found)} stalled, {len(restarted)} set going again, {len(supplied)} tasks supplied")


async def set_going(context: AgentContext) -> list[UUID]:
    """What dead owners left waits again; those ids. And everybody looks into the queue."""
    reaped = await context.database(queue.reap, grace_s=GRACE_S)
    for id in reaped.failed:
        context.log("ERROR", f"execution {id} has failed: its attempts are used up", execution=str(id))
    await context.database(stalls.wake)
    return list(reaped.pending)


async def supply(context: AgentContext, asked: WaterspiderInput) -> list[UUID]:
    """Executions for tasks that people planned and that may begin."""
    made = []
    for task in await context.database(stalls.ready_tasks, after_s=asked.stalled_after_s):
        if (given := input_of(task)) is None:
            context.log("WARN", f"task {task.name!r} does not say enough for {task.agent_type!r}", task=str(task.id))
        elif id := await context.database(stalls.supply, task, given):
            context.log("INFO", f"task {task.name!r} is execution {id} of {task.agent_type!r}", task=str(task.id))
            made.append(id)
    return made


def input_of(task: ReadyTask) -> dict[str, Any] | None:
    """What the task's agent is asked: the task's words, where it takes words; None if that is not enough for it."""
    model, words = AGENTS[task.agent_type].input, f"{task.name}\n\n{task.description or ''}".strip()
    given = next(({field: words} for field in ("instructions", "brief") if field in model.model_fields), {})
    try:
        model.model_validate(given)
    except ValidationError:
        return None
    return given
