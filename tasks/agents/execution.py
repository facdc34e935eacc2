"""One execution, from the claim to its end: check the input, run the agent's code, write down what came of it.

The row in Postgres is the truth and is written first; whoever shows the execution (flows/run_agent.py) gets the
`Outcome`. It ends in one of four ways, whatever happens: completed, failed, cancelled, or back in the queue.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import httpx
import psycopg
from pydantic import BaseModel, ValidationError

from database import queue
from database.agents import AGENTS, Agent
from database.execution_log import LogWriter
from database.queue import Claim, LeaseLost, Limits
from database.recorder import Recorder
from tasks.agents.alerting import tell_failed
from tasks.agents.context import AgentContext, AgentResult, Help, Runner, Show, Unsuccessful, unseen
from tasks.agents.keeping import Held, Keeper, Stopped
from tasks.agents.keys import Keys
from tasks.agents.saying import report, say
from tasks.agents.settings import AgentSettings, require_allowed
from tasks.agents.store import LOST, Away, Store, require_granted
from tasks.errors import MiyabiError, Permanent, Rejected, Temporary

logger = logging.getLogger(__name__)

GRACE_S = 10.0
"""An agent's code has this long to end when it is stopped."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
LONGEST_WISH_S = 6 * 3600.0
"""A server that is asked too often is left alone as long as it wants, but no longer than this."""
PASSING = (Temporary, httpx.TransportError, *LOST)
"""Worth another attempt."""


@dataclass(frozen=True)
class Desk:
    """What a process has for working on executions. `owner` names it in the leases."""

    environment: str
    owner: str
    store: Store
    recorder: Recorder
    log: LogWriter
    keeper: Keeper
    settings: AgentSettings
    runners: Mapping[str, Runner]
    keys: Keys = field(default_factory=Keys)

    @property
    def limits(self) -> Limits:
        """What the queue's rules are told."""
        given = self.settings.limits
        return Limits(given.total, given.per_repository, given.per_parent)


@dataclass(frozen=True)
class Outcome:
    """How it ended. `message` is the summary of what is done, or the reason of what is not; `again_s` is when."""

    status: Literal["completed", "failed", "cancelled", "pending", "lost"]
    message: str
    seconds: float = 0.0
    result: AgentResult | None = None
    again_s: float = 0.0


async def perform(
    desk: Desk, held: Held, *, show: Show = unseen, clock: Callable[[], float] = time.monotonic
) -> Outcome:
    """Work on an execution that this process holds, until its row has ended or is somebody else's."""
    began = clock()
    held.begin()
    try:
        came = await attempt(desk, held, show)
        seconds = clock() - began
        await desk.log.end(held.claim.id)
        return await settled(desk, held, came, seconds)
    except (LeaseLost, Away) as lost:
        return Outcome("lost", str(lost))
    except Exception:
        raise
    except BaseException:
        await leave(desk, held)
        raise
    finally:
        desk.keeper.drop(held)


async def attempt(desk: Desk, held: Held, show: Show) -> AgentResult | Exception:
    """Run the agent's code; what it returned, or why it did not."""
    claim = held.claim
    try:
        agent = AGENTS[claim.agent_type]
        require_allowed(desk.settings, desk.environment, claim.repository)
        await require_granted(desk.store, agent, claim.user_id)
        runner, given = runner_of(desk, agent), checked_input(agent, claim.input)
        timeout = float(claim.timeout_seconds or agent.timeout_s)
        context = await open_context(desk, held, agent, given, time.monotonic() + timeout, show)
        came = await until_stopped(runner(context), held, timeout)
        if claim.attempt > 1:
            context.log("INFO", f"done in attempt {claim.attempt} of {claim.max_attempts}")
        return came
    except Exception as error:
        report(desk.log, held, error)
        return error


async def leave(desk: Desk, held: Held) -> None:
    """This process is told to end at once, and what writes for it has ended already: give the execution back over a
    connection of our own. One that a person cancelled ends with that."""
    async with await psycopg.AsyncConnection.connect(desk.store.dsn, autocommit=True) as connection:
        if unwanted := await held.unwanted():
            await queue.request_cancel(connection, held.claim.id)
        with contextlib.suppress(LeaseLost):
            await queue.give_back(
                connection, desk.owner, execution_id=held.claim.id, attempt_used=unwanted,
                error="cancelled in the Prefect UI" if unwanted else None,
            )  # fmt: skip


def runner_of(desk: Desk, agent: Agent) -> Runner:
    try:
        return desk.runners[agent.id]
    except KeyError:
        raise Permanent(f"agent {agent.id!r} has no code in this version; update the agent worker") from None


def checked_input(agent: Agent, given: Mapping[str, Any]) -> BaseModel:
    """The input as the agent's model. Raises Rejected with all problems."""
    try:
        return agent.input.model_validate(given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'input'}: {e['msg']}" for e in error.errors()]
        raise Rejected(f"input of agent {agent.id!r}", problems) from None


async def open_context(
    desk: Desk, held: Held, agent: Agent, given: BaseModel, deadline: float, show: Show
) -> AgentContext:
    """What the agent's code is given."""
    claim = held.claim
    help = Help(
        owner=desk.owner,
        steps=desk.recorder,
        write=partial(say, desk.log, held),
        family=desk.store,
        cancelled=lambda: held.why == "cancelled",
        environment=desk.environment,
        keys=desk.keys,
        database=desk.store.call,
        finished=await desk.recorder.finished_steps(claim.id),
        show=show,
        waiting=held.waiting,
    )
    return AgentContext(claim, agent, given, settings=desk.settings, deadline=deadline, help=help)


async def until_stopped(work: Awaitable[AgentResult], held: Held, timeout: float) -> AgentResult:
    """The agent's code, ended when the execution is stopped or its time is over. Raises Stopped."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(held.stopped.wait())
    try:
        if held.why:
            raise Stopped(held.why)
        await asyncio.wait({task, stop}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if held.why is None and task.done():
            return await task
        raise Stopped(held.why or f"timed out after {timeout:g} s")
    finally:
        stop.cancel()
        await end(task)


async def end(task: "asyncio.Future[AgentResult]") -> None:
    """Cancel it and wait for it, but not for ever: code that catches its cancellation is left behind."""
    if not task.done():
        task.cancel()
        _done, late = await asyncio.wait({task}, timeout=GRACE_S)
        if late:
            logger.error("an agent's code does not end %.0f s after it was cancelled; left behind", GRACE_S)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def settled(desk: Desk, held: Held, came: AgentResult | Exception, seconds: float) -> Outcome:
    """`settle`; a result that Postgres does not take is a failure with that reason."""
    try:
        return await settle(desk, held.claim, came, seconds)
    except (LeaseLost, Away):
        raise
    except Exception as error:
        report(desk.log, held, error)
        return await settle(desk, held.claim, Permanent(f"the result cannot be written down: {error}"), seconds)


async def settle(desk: Desk, claim: Claim, came: AgentResult | Exception, seconds: float) -> Outcome:
    """Write the end of this attempt into the row. Raises LeaseLost if it is not ours any more."""
    finish = partial(desk.recorder.finish, claim.id, desk.owner)
    if isinstance(came, AgentResult):
        await finish(status="completed", **columns(claim, came, seconds))
        return Outcome("completed", came.summary, seconds, came)
    if isinstance(came, LeaseLost):
        raise came
    if isinstance(came, Stopped) and came.why == "cancelled":
        await finish(status="cancelled", error="cancelled")
        return Outcome("cancelled", "cancelled", seconds)
    if isinstance(came, Stopped) and came.why == "lost":
        raise LeaseLost(f"execution {claim.id} is not run by {desk.owner!r} any more")
    if isinstance(came, Stopped) and came.why == "returned":
        return await back(desk, claim, "the worker stops; somebody else goes on", seconds, attempt_used=False)
    reason = str(came) if isinstance(came, MiyabiError | Stopped) else f"{type(came).__name__}: {came}"
    if isinstance(came, PASSING) and claim.attempt < claim.max_attempts:
        pause, why = pause_for(came, claim.attempt)
        again = f"attempt {claim.attempt + 1} of {claim.max_attempts} begins in {pause:.0f} s or later"
        desk.log.write(claim.id, "INFO", again, None)
        return await back(desk, claim, f"{reason}{why}", seconds, delay_s=pause)
    shown = came.result if isinstance(came, Unsuccessful) else None
    await finish(
        status="failed", error=reason, **({} if shown is None else columns(claim, shown, seconds, error=reason))
    )
    tell_failed(desk.environment, claim.agent_type, claim.id, reason)
    return Outcome("failed", reason, seconds, shown)


async def back(
    desk: Desk, claim: Claim, reason: str, seconds: float, *, attempt_used: bool = True, delay_s: float = 0.0
) -> Outcome:
    """Put it back into the queue."""
    status = await desk.store.call(
        queue.give_back, desk.owner, execution_id=claim.id, attempt_used=attempt_used, delay_s=delay_s,
        error=reason if attempt_used else None,
    )  # fmt: skip
    assert status in ("pending", "failed", "cancelled")
    return Outcome(status, reason, seconds, again_s=delay_s)


def pause_for(
    came: Exception,
    attempt: int,
    *,
    now: Callable[[Any], datetime] = datetime.now,
    chance: Callable[[], float] = random.random,
) -> tuple[float, str]:
    """Seconds until the next attempt, and words for the row where somebody else asked for them."""
    pause, wish = pause_after(attempt, chance=chance), came.after_s if isinstance(came, Temporary) else None
    if wish is None or wish <= pause:
        return pause, ""
    kept = min(wish, LONGEST_WISH_S)
    begin = (now(UTC) + timedelta(seconds=kept)).strftime("%Y-%m-%d %H:%M:%S UTC")
    return kept, f"; it asks for a pause of {wish:.0f} s: the next attempt begins at {begin} or later"


def pause_after(attempt: int, *, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next attempt: twice as long each time, and not the same for all that failed together."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)) * (0.5 + chance()))


def columns(claim: Claim, result: AgentResult, seconds: float, *, error: str | None = None) -> dict[str, Any]:
    """What a result is in its row."""
    return {
        "result": result_json(claim, result, seconds, error=error),
        "summary": result.summary,
        "quality_score": result.quality_score,
        "pr_number": result.pr_number,
    }


def result_json(
    claim: Claim,
    result: AgentResult,
    seconds: float,
    *,
    error: str | None = None,
    now: Callable[[Any], datetime] = datetime.now,
) -> dict[str, Any]:
    """The result as its row holds it, in the mission's form (reference: miyabi.md §5.3). `error` is why it failed."""
    metrics = {
        "task_id": str(claim.id),
        "agent_type": claim.agent_type,
        "duration_ms": round(1000 * seconds),
        "timestamp": now(UTC).isoformat(),
        **({} if result.quality_score is None else {"quality_score": result.quality_score}),
        **result.metrics,
    }
    raised = result.escalation
    return {
        "status": "failed" if error else "escalated" if raised else "success",
        "data": result.data.model_dump(mode="json", by_alias=True),
        **({"error": error} if error else {}),
        "metrics": metrics,
        **({"escalation": asdict(raised) | {"timestamp": metrics["timestamp"]}} if raised else {}),
    }
