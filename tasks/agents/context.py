"""What an agent's code is given and gives back: its claim, its input, its log, its steps, and the result.

A runner is `async def run_x(context: AgentContext) -> AgentResult`. It does what has effects in steps: each is recorded
in Postgres when it is done, so a second attempt gets the recorded output instead of doing it again, and each is shown
as a Prefect task. The collaborators are handed in, so that a runner is tested without Prefect and without a database.
"""

import asyncio
import inspect
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload
from uuid import UUID

from psycopg import AsyncConnection
from pydantic import BaseModel, TypeAdapter

from blocks.agents import AgentSettings
from database.agents import Agent
from database.asking import Child, ChildRequest
from tasks.agents.keys import Keys
from tasks.agents.store import Call, Connection
from tasks.errors import Permanent

if TYPE_CHECKING:
    from database.queue import Claim

__all__ = ["AgentContext", "AgentResult", "Child", "ChildRequest", "Escalation", "Help", "Runner", "Unsuccessful"]

P = ParamSpec("P")
T = TypeVar("T")
Level = Literal["DEBUG", "INFO", "WARN", "ERROR"]
Work = Callable[[], Awaitable[Any]]

_number: ContextVar[int] = ContextVar("number of the step that runs")


@dataclass(frozen=True)
class Escalation:
    """Who has to look at it, and why (reference: miyabi.md §5.3)."""

    target: Literal["TechLead", "PO", "CISO", "CTO", "DevOps"]
    reason: str
    severity: Literal["Sev.1-Critical", "Sev.2-High", "Sev.3-Medium", "Sev.4-Low", "Sev.5-Trivial"] = "Sev.3-Medium"


@dataclass(frozen=True)
class AgentResult:
    """What came out. `data` is the agent's output model; `summary` one line; `artifact` markdown for the Prefect UI."""

    data: BaseModel
    summary: str
    quality_score: int | None = None
    pr_number: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    escalation: Escalation | None = None
    artifact: str | None = None


class Unsuccessful(Permanent):
    """The agent did its work and the work did not succeed: the execution has failed, and has a result all the same."""

    def __init__(self, reason: str, result: AgentResult) -> None:
        self.result = result
        super().__init__(reason)


Runner = Callable[["AgentContext"], Awaitable[AgentResult]]


class Recorded(Protocol):
    """A step that is done, as it was written down."""

    @property
    def name(self) -> str: ...
    @property
    def output(self) -> Any: ...


class Steps(Protocol):
    """Where steps are written down (database/recorder.py)."""

    async def start_step(self, execution_id: UUID, owner: str, number: int, name: str) -> None: ...
    async def finish_step(
        self, execution_id: UUID, owner: str, number: int, name: str, *, output: Any = None, error: str | None = None
    ) -> None: ...


class Family(Protocol):
    """Children of executions (database/asking.py)."""

    async def add(self, parent: UUID, key: str, requests: Sequence[ChildRequest]) -> list[UUID]: ...
    async def look(self, ids: Sequence[UUID]) -> list[Child]: ...
    async def call(
        self, function: Callable[Concatenate[AsyncConnection[Any], P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...


Write = Callable[[Level, str, Mapping[str, Any]], None]
"""Takes a line of the log; never blocks."""
Show = Callable[[str, Work], Awaitable[Any]]
"""Runs a step where people see it: as a Prefect task of that name."""


async def unseen(_name: str, work: Work) -> Any:
    """Run a step without showing it anywhere."""
    return await work()


@dataclass(frozen=True)
class Help:
    """The collaborators of a context."""

    owner: str
    steps: Steps
    write: Write
    family: Family
    finished: Mapping[int, Recorded] = field(default_factory=dict)
    """Steps that an earlier attempt finished, by number."""
    show: Show = unseen
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around a wait for children: the execution does not count against the worker's limit meanwhile."""
    cancelled: Callable[[], bool] = lambda: False
    """Whether it is being stopped for good, and not only to go on elsewhere."""
    environment: str = "local"
    keys: Keys = field(default_factory=Keys)
    """The values of the keys that the settings name."""
    database: Call | None = None
    """The database, for agents whose work is there (`Store.call`)."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class AgentContext:
    """One execution while it runs. `deadline` is on the monotonic clock, in seconds."""

    def __init__(
        self, claim: "Claim", agent: Agent, input: BaseModel, *, settings: AgentSettings, deadline: float, help: Help
    ) -> None:
        self.claim, self.agent, self.input, self.settings, self.deadline = claim, agent, input, settings, deadline
        self._help = help
        self._numbers = itertools.count(1)

    @property
    def left(self) -> float:
        """Seconds until the execution times out."""
        return max(0.0, self.deadline - self._help.clock())

    @property
    def environment(self) -> str:
        """The environment that the agent worker works for."""
        return self._help.environment

    @property
    def keys(self) -> Keys:
        """The values of the keys that the settings name: never in an output, a log line or a message."""
        return self._help.keys

    @property
    def cancelled(self) -> bool:
        """While its code is being ended: true if a person wants that, false if another attempt goes on."""
        return self._help.cancelled()

    @property
    def key(self) -> str:
        """Inside a step: a token that is the same in each attempt, for what is done outside of Postgres."""
        return f"{self.claim.id}:{_number.get()}"

    def log(self, level: Level, message: str, **metadata: Any) -> None:
        """A line for the execution's log, and the flow run's. Never a secret."""
        self._help.write(level, message, metadata)

    @overload
    async def step(self, name: str, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def step(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def step(self, name: str, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Do one step, once: what an earlier attempt finished is not done again, its recorded output is returned.

        Steps are numbered in the order of these calls, which must be the same in every attempt. The output is recorded
        as JSON: plain data, dataclasses or pydantic models; what comes back from the record has the type that the
        function's annotation names. A synchronous function runs in a thread. Raises what the function raises.
        """
        number, kind = next(self._numbers), output_type(function)
        if (known := self._help.finished.get(number)) is not None:
            if known.name != name:
                raise Permanent(
                    f"step {number} was {known.name!r} in an earlier attempt and is {name!r} now: the agent's code has "
                    "changed in between; ask for it again as a new execution"
                )
            return kind.validate_python(known.output)
        work = partial(function, *args, **kwargs)
        return await self._help.show(name, partial(self._do, number, name, work, kind))

    async def _do(self, number: int, name: str, work: Callable[[], Any], kind: TypeAdapter[Any]) -> Any:
        steps, mine = self._help.steps, (self.claim.id, self._help.owner, number, name)
        await steps.start_step(*mine)
        token = _number.set(number)
        try:
            output = await called(work)
        except Exception as error:
            await steps.finish_step(*mine, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            _number.reset(token)
        await steps.finish_step(*mine, output=kind.dump_python(output, mode="json"))
        return output

    async def database(
        self, function: Callable[Concatenate[Connection, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function of database/ with a connection; again if the answer was lost, so it must bear that."""
        if self._help.database is None:
            raise RuntimeError("this context has no database")
        found: T = await self._help.database(function, *args, **kwargs)
        return found

    def waiting(self) -> AbstractContextManager[None]:
        """Around a wait for other executions: this one does not count against the worker's limit meanwhile."""
        return self._help.waiting()

    async def children(self, requests: Sequence[ChildRequest], *, name: str = "Ask for children") -> list[UUID]:
        """Ask for executions below this one, in one step. Their ids, in the order of the requests."""

        async def ask() -> list[UUID]:
            return await self._help.family.add(self.claim.id, self.key, requests)

        return await self.step(name, ask)

    async def wait_for(self, ids: Sequence[UUID], *, pause: float = 0.5) -> list[Child]:
        """Wait until all of these have ended; how they did, in the same order. `pause` is in seconds."""
        with self.waiting():
            while True:
                found = await self._help.family.look(ids)
                if all(child.ended for child in found):
                    return found
                await self._help.sleep(pause)


async def called(work: Callable[[], Any]) -> Any:
    """The result of a function of either kind; a synchronous one runs in a thread."""
    function = work.func if isinstance(work, partial) else work
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return await work()
    result = await asyncio.to_thread(work)
    return await result if inspect.isawaitable(result) else result


def output_type(function: Callable[..., Any]) -> TypeAdapter[Any]:
    """What the function's annotation says that it returns; anything, where it says nothing."""
    while isinstance(function, partial):
        function = function.func
    try:
        return TypeAdapter(inspect.get_annotations(function, eval_str=True).get("return", Any))
    except (TypeError, NameError):  # an object with `__call__`, or a name that only a type checker sees
        return TypeAdapter(Any)
