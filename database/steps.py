"""A step whose effects are in this database, done exactly once.

The step's own statements and the note that it is finished are one transaction. At its end the execution's row is
locked and its owner looked at: whoever has lost the lease changes nothing, and nobody can take the lease away until
the transaction is over. If it dies, both are gone; if its answer is lost, the note says that it was done.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from database.documents import clean, encode
from database.queries import load
from database.queue import LeaseLost

SQL = load("recorder.sql")

Connection = psycopg.AsyncConnection[Any]
Work = Callable[[Connection], Awaitable[Any]]


@dataclass(frozen=True)
class StepKey:
    """Which step, and who does it. Numbers count from 1."""

    execution_id: UUID
    owner: str
    number: int
    name: str


class FinishedMeanwhile(Exception):
    """Another call of the same owner has finished the same step: take what it noted."""


async def do_once(connection: Connection, step: StepKey, work: Work) -> Any:
    """What `work(connection)` returned, now or when the step was first done, as JSON gives it back. `work` commits
    nothing itself. Raises LeaseLost, NotStorable, and what `work` raises; then none of its statements has happened."""
    while True:
        try:
            async with connection.transaction():
                return await _done(connection, step, work)
        except FinishedMeanwhile:
            continue


async def _done(connection: Connection, step: StepKey, work: Work) -> Any:
    values: dict[str, Any] = {"execution_id": step.execution_id, "owner": step.owner, "number": step.number}
    if (finished := await _row(connection, "finished_step", values)) is not None:
        return finished[0]
    if await _row(connection, "is_held", values) != (True,):
        raise LeaseLost(f"execution {step.execution_id} is not run by {step.owner!r} any more")
    output = encode(await work(connection))
    values |= {"name": clean(step.name), "output": output}
    if await _row(connection, "complete_step", values) is None:
        raise FinishedMeanwhile
    return json.loads(output)


async def _row(connection: Connection, query: str, values: dict[str, Any]) -> Any:
    return await (await connection.execute(SQL[query], values)).fetchone()
