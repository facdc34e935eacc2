"""An agent process with agents for tests: `python -m tests.agent_process --roles work`.

They are registered under the ids of real agents: `issue` does nothing, `waterspider` takes one step, `review` three,
two with an effect in the database that can be counted, `persona` waits for five seconds as for a model. `codegen` is
the real one, and so are the flow processes that run it; its program is tests/agent_program.py.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
from pydantic import BaseModel

from deployments.agents import main
from tasks.agents.commands import run_codegen
from tasks.agents.context import AgentContext, AgentResult, Runner
from tasks.agents.refreshing import run_refresher

EFFECTS = "CREATE TABLE IF NOT EXISTS effects (key TEXT, made TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())"


class Said(BaseModel):
    text: str


async def nothing(_context: AgentContext) -> AgentResult:
    return AgentResult(Said(text="nothing"), "did nothing")


async def one_step(context: AgentContext) -> AgentResult:
    async def begin() -> None:
        """No work."""

    await context.step("Begin", begin)
    return AgentResult(Said(text="one step"), "took one step")


async def effects(context: AgentContext) -> AgentResult:
    """Two effects, each once: the key of a step is the same in every attempt."""

    async def effect() -> str:
        await context.database(add_effect, context.key)
        return context.key

    async def pause() -> None:
        await asyncio.sleep(0.3)

    context.log("INFO", "begun")
    first = await context.step("First effect", effect)
    await context.step("Pause", pause)
    second = await context.step("Second effect", effect)
    return AgentResult(Said(text=f"{first} {second}"), "two effects")


async def add_effect(connection: psycopg.AsyncConnection[Any], key: str) -> None:
    """In one statement, so that no two do it at once: a unique index would hide that somebody tried."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [key])
        await connection.execute(
            "INSERT INTO effects (key) SELECT %s WHERE NOT EXISTS (SELECT FROM effects WHERE key = %s)", [key, key]
        )


async def wait(_context: AgentContext) -> AgentResult:
    await asyncio.sleep(5)
    return AgentResult(Said(text="waited"), "waited for the model")


RUNNERS: Mapping[str, Runner] = {
    "issue": nothing, "review": effects, "persona": wait, "waterspider": one_step, "refresher": run_refresher,
    "codegen": run_codegen,
}  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(runners=RUNNERS))
