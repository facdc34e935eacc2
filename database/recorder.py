"""What an execution has done, written down by groups.

Every call waits until its write is durable. All calls of one moment become one statement and one flush of the disk:
while a group is on its way the next one gathers. A group whose connection breaks is sent again, as often as it takes;
every statement may come twice without harm. A write that PostgreSQL refuses is told from its neighbours by sending
the group one by one. Only the owner of the lease can write; another one gets LeaseLost.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

import psycopg

from database.documents import clean, encode
from database.queries import load
from database.queue import LeaseLost
from database.reconnecting import Reconnecting, is_broken, is_passing
from database.steps import StepKey, Work, do_once

SQL = load("recorder.sql")
GROUP = 500
"""Writes in one statement at most, so that the first of a great many does not wait for the last."""
Kind = Literal["finished_steps", "start_steps", "finish_steps", "finish_executions"]
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "finished_steps": ("executions",),
    "start_steps": ("executions", "owners", "numbers", "names"),
    "finish_steps": ("executions", "owners", "numbers", "names", "outputs", "errors"),
    "finish_executions": (
        "executions", "owners", "statuses", "results", "summaries", "scores", "pull_requests", "errors",
    ),
}  # fmt: skip

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class Step:
    """A finished step and what came out of it."""

    number: int
    name: str
    output: Any


@dataclass(frozen=True)
class Write:
    """One call that waits: the values of its columns, and who is to be told."""

    kind: Kind
    values: tuple[Any, ...]
    done: asyncio.Future[Any]

    def tell(self, answer: Any) -> None:
        if self.done.done():  # whoever waited was cancelled
            return
        if isinstance(answer, Exception):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


class Recorder:
    """`async with Recorder(dsn) as recorder`. With two connections one group is sent while another is flushed. The
    block's end waits for nobody: what is not written then raises RuntimeError."""

    def __init__(
        self, dsn: str, *, connections: int = 2, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._link = functools.partial(Reconnecting, dsn, pause=pause)
        self._connections = connections
        self._waiting: list[Write] = []
        self._some = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []
        self._idle: list[Reconnecting] = []

    async def __aenter__(self) -> Self:
        self._writers = [asyncio.create_task(self._write_groups()) for _ in range(self._connections)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        _close(self._waiting)
        for link in self._idle:
            await link.close()

    async def finished_steps(self, execution_id: UUID) -> dict[int, Step]:
        """The steps that need not be done again, by number."""
        steps: list[Step] = await self._send("finished_steps", execution_id)
        return {step.number: step for step in steps}

    async def start_step(self, execution_id: UUID, owner: str, number: int, name: str) -> None:
        """A step begins; its number counts from 1. A finished one stays finished. Raises LeaseLost."""
        await self._send("start_steps", execution_id, owner, number, clean(name))

    async def finish_step(
        self, execution_id: UUID, owner: str, number: int, name: str, *, output: Any = None, error: str | None = None
    ) -> None:
        """A step is done, or has failed with `error`. It need not have been started here. Raises LeaseLost, and
        NotStorable if `output` is no JSON."""
        document = encode(output) if error is None else None
        await self._send("finish_steps", execution_id, owner, number, clean(name), document, _clean(error))

    async def once(self, execution_id: UUID, owner: str, number: int, name: str, work: Work) -> Any:
        """Do a step whose effects are in this database exactly once: `work(connection)` and the step's completion are
        one transaction. What it returned, as JSON gives it back; a finished step's without doing it. When the
        connection breaks it is done again, unless it had arrived. Raises LeaseLost, NotStorable, what `work` raises."""
        link = self._idle.pop() if self._idle else self._link()
        step = StepKey(execution_id, owner, number, name)
        try:
            return await link.repeat(lambda connection: do_once(connection, step, work), may_pass=is_broken)
        except asyncio.CancelledError:
            await link.close()
            raise
        finally:
            self._idle.append(link)

    async def finish(
        self,
        execution_id: UUID,
        owner: str,
        *,
        status: Literal["completed", "failed", "cancelled"],
        result: Any = None,
        summary: str | None = None,
        quality_score: int | None = None,
        pr_number: int | None = None,
        error: str | None = None,
    ) -> None:
        """The execution has ended; unless it is completed, its running steps have failed. Raises LeaseLost, and
        NotStorable."""
        document = None if result is None else encode(result)
        await self._send(
            "finish_executions", execution_id, owner, status, document, _clean(summary), quality_score, pr_number,
            _clean(error),
        )  # fmt: skip

    async def _send(self, kind: Kind, *values: Any) -> Any:
        write = Write(kind, values, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        self._some.set()
        return await write.done

    async def _write_groups(self) -> None:
        async with self._link() as link:
            while True:
                await self._some.wait()
                await asyncio.sleep(0)  # who is about to send something, may
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                if not self._waiting:
                    self._some.clear()
                try:
                    await link.repeat(functools.partial(record, group))
                finally:
                    _close(group)


async def record(group: Sequence[Write], connection: Connection) -> None:
    """Write a group and tell those who wait. Raises what may pass; then nobody was told."""
    if not group:
        return
    try:
        answers = await _in_one(connection, group)
    except Exception as error:
        if isinstance(error, psycopg.Error) and is_passing(connection, error):
            raise
        answers = [error]
    if len(group) > 1 and len(answers) == 1:
        for write in group:
            await record([write], connection)
        return
    for write, answer in zip(group, answers, strict=True):
        write.tell(answer)


async def _in_one(connection: Connection, group: Sequence[Write]) -> list[Any]:
    """The answers in the order of the group: steps, None, or LeaseLost."""
    cursors: dict[Kind, psycopg.AsyncCursor[Any]] = {}
    async with connection.pipeline(), connection.transaction():
        for kind, names in COLUMNS.items():
            if rows := [write.values for write in group if write.kind == kind]:
                columns = map(list, zip(*rows, strict=True))
                cursors[kind] = await connection.execute(SQL[kind], dict(zip(names, columns, strict=True)))
    found = {kind: await cursor.fetchall() for kind, cursor in cursors.items()}
    steps: dict[UUID, list[Step]] = {}
    for execution_id, *step in found.pop("finished_steps", []):
        steps.setdefault(execution_id, []).append(Step(*step))
    held = {kind: set(rows) for kind, rows in found.items()}
    return [
        steps.get(write.values[0], []) if write.kind == "finished_steps"
        else None if write.values[:2] in held[write.kind]
        else LeaseLost(f"execution {write.values[0]} is not run by {write.values[1]!r} any more")
        for write in group
    ]  # fmt: skip


def _close(writes: Sequence[Write]) -> None:
    for write in writes:
        write.tell(RuntimeError("the recorder was closed before this was written"))


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)
