"""How an execution ends: completed, failed, tried again, cancelled, given back or lost; each written down once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from database.asking import is_granted
from database.execution_log import LogWriter
from database.queue import Claim, LeaseLost
from database.recorder import Recorder
from tasks.agents import execution
from tasks.agents.context import AgentContext, AgentResult, Escalation, Unsuccessful
from tasks.agents.execution import Desk, Outcome, pause_after, pause_for, perform
from tasks.agents.keeping import Keeper
from tasks.agents.saying import SHOWN_LINES
from tasks.agents.settings import AgentSettings
from tasks.agents.store import Store
from tasks.errors import Permanent, Temporary
from tests.agents import Scene


class Answer(BaseModel):
    text: str = "done"


@dataclass
class Office:
    """What a desk has, in memory. `lost` makes every write of an end fail as that of an old owner does."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    back: list[dict[str, Any]] = field(default_factory=list)
    lost: bool = False
    refused: int = 0
    granted: bool = True

    def write(self, _id: UUID, level: str, message: str, _metadata: Any = None) -> None:
        self.lines.append((level, message))

    async def end(self, _id: UUID) -> None: ...
    async def finished_steps(self, _id: UUID) -> dict[int, Any]:
        return {}

    async def finish(self, _id: UUID, _owner: str, **columns: Any) -> None:
        if self.lost:
            raise LeaseLost("somebody else's")
        if self.refused:
            self.refused -= 1
            raise ValueError("no JSON")
        self.ends.append(columns)

    async def call(self, function: Any, *asked: Any, **given: Any) -> Any:
        if function is is_granted:
            return self.granted
        self.back.append(given)
        return "pending"


def desk(office: Office, run: Callable[[AgentContext], Awaitable[AgentResult]]) -> Desk:
    keeper = Keeper(cast(Store, office), "me", lease_s=30)
    return Desk(
        "local", "me", cast(Store, office), cast(Recorder, office), cast(LogWriter, office), keeper, AgentSettings(),
        {"waterspider": run},
    )  # fmt: skip


def claim(agent: str = "waterspider", *, attempt: int = 1, timeout: int | None = None, **given: Any) -> Claim:
    made = Scene().context("waterspider").claim
    return Claim(**{**vars(made), "id": uuid4(), "agent_type": agent, "attempt": attempt, "timeout_seconds": timeout,
                    "input": given})  # fmt: skip


def run(
    office: Office, code: Callable[[AgentContext], Awaitable[AgentResult]], taken: Claim, *, stop: Any = None
) -> Outcome:
    async def go() -> Outcome:
        at = desk(office, code)
        held = at.keeper.keep(taken, since=0.0)
        if stop:
            asyncio.get_running_loop().call_later(0.01, held.stop, stop)
        outcome = await perform(at, held)
        assert at.keeper.held == []
        return outcome

    return asyncio.run(go())


async def well(context: AgentContext) -> AgentResult:
    context.log("INFO", "working")
    raised = Escalation("TechLead", "look at it")
    return AgentResult(Answer(), "all done", quality_score=90, metrics={"lines_changed": 3}, escalation=raised)


async def sleeps(_context: AgentContext) -> AgentResult:
    await asyncio.sleep(60)
    raise AssertionError


def failing(error: Exception) -> Callable[[AgentContext], Awaitable[AgentResult]]:
    async def fail(_context: AgentContext) -> AgentResult:
        raise error

    return fail


def test_a_result_has_the_missions_form() -> None:
    office, taken = Office(), claim()
    assert run(office, well, taken).status == "completed"
    (end,) = office.ends
    assert (end["status"], end["summary"], end["quality_score"]) == ("completed", "all done", 90)
    result = end["result"]
    assert (result["status"], result["data"]) == ("escalated", {"text": "done"})
    assert result["metrics"]["task_id"] == str(taken.id)
    assert result["metrics"]["lines_changed"] == 3
    assert result["escalation"]["target"] == "TechLead"
    assert office.lines == [("INFO", "working")]


@pytest.mark.parametrize("attempt", [1, 2])
def test_what_may_pass_is_tried_again_later(attempt: int) -> None:
    office = Office()
    outcome = run(office, failing(Temporary("429")), claim(attempt=attempt))
    (back,) = office.back
    assert (outcome.status, back["attempt_used"], back["error"]) == ("pending", True, "429")
    assert back["delay_s"] == outcome.again_s > 0
    assert office.ends == []
    again = f"attempt {attempt + 1} of 3 begins in {outcome.again_s:.0f} s or later"
    assert office.lines == [("ERROR", "429"), ("INFO", again)]


def test_what_is_done_after_a_failure_says_so() -> None:
    office = Office()
    run(office, well, claim(attempt=2))
    assert office.lines[-1] == ("INFO", "done in attempt 2 of 3")


def test_an_input_that_is_no_object_is_refused_with_that_reason() -> None:
    office = Office()
    run(office, well, replace(claim(), input=cast(Any, [1, 2])))
    assert "input: Input should be a valid dictionary" in office.ends[0]["error"]


def test_the_last_attempt_fails_with_its_reason() -> None:
    office = Office()
    assert run(office, failing(Temporary("429")), claim(attempt=3)).status == "failed"
    assert office.ends == [{"status": "failed", "error": "429"}]


def test_what_cannot_pass_fails_at_once() -> None:
    office = Office()
    run(office, failing(Permanent("no such repository")), claim())
    assert office.ends == [{"status": "failed", "error": "no such repository"}]
    assert office.lines == [("ERROR", "no such repository")]


def test_a_bug_fails_with_its_kind() -> None:
    office = Office()
    run(office, failing(KeyError("x")), claim())
    assert office.ends == [{"status": "failed", "error": "KeyError: 'x'"}]


def test_a_failure_may_have_a_result() -> None:
    office = Office()
    run(office, failing(Unsuccessful("2 of 3 failed", AgentResult(Answer(), "1 of 3 done"))), claim())
    (end,) = office.ends
    assert (end["status"], end["error"], end["summary"]) == ("failed", "2 of 3 failed", "1 of 3 done")


def test_a_result_that_postgres_does_not_take_is_a_failure() -> None:
    office = Office(refused=1)
    assert run(office, well, claim()).status == "failed"
    assert office.ends == [{"status": "failed", "error": "the result cannot be written down: no JSON"}]


def test_all_problems_of_an_input_are_told() -> None:
    office = Office()
    run(office, well, claim(stalled_after_s=1, unknown=True))
    assert "stalled_after_s" in office.ends[0]["error"]
    assert "unknown" in office.ends[0]["error"]


def test_an_agent_without_code_fails() -> None:
    office = Office()
    run(office, well, claim("refresher"))
    assert office.ends[0]["error"].startswith("agent 'refresher' has no code in this version")


def test_an_agent_whose_grant_the_account_has_lost_fails() -> None:
    office = Office(granted=False)
    run(office, well, claim())
    assert office.ends[0]["status"] == "failed"
    assert office.ends[0]["error"].startswith("the account that asked has not been granted agents.manage")


def test_time_is_bounded() -> None:
    office = Office()
    outcome = run(office, sleeps, claim(timeout=1))
    assert (outcome.status, office.ends) == ("failed", [{"status": "failed", "error": "timed out after 1 s"}])


def test_cancelled() -> None:
    office = Office()
    assert run(office, sleeps, claim(), stop="cancelled").status == "cancelled"
    assert office.ends == [{"status": "cancelled", "error": "cancelled"}]


def test_given_back_with_its_attempt_unused() -> None:
    office = Office()
    assert run(office, sleeps, claim(), stop="returned").status == "pending"
    assert [back["attempt_used"] for back in office.back] == [False]


def test_nothing_is_written_of_what_is_lost() -> None:
    office = Office()
    assert run(office, sleeps, claim(), stop="lost").status == "lost"
    assert run(Office(lost=True), well, claim()).status == "lost"
    assert (office.ends, office.back) == ([], [])


def test_code_that_catches_its_cancellation_is_cancelled_all_the_same() -> None:
    async def stubborn(_context: AgentContext) -> AgentResult:
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.2)
        return AgentResult(Answer(), "too late")

    office = Office()
    assert run(office, stubborn, claim(), stop="cancelled").status == "cancelled"
    assert len(office.ends) == 1


def test_the_flow_run_shows_the_first_lines_and_the_execution_has_all(caplog: pytest.LogCaptureFixture) -> None:
    async def talks(context: AgentContext) -> AgentResult:
        for number in range(2 * SHOWN_LINES):
            context.log("INFO", f"line {number}")
        return AgentResult(Answer(), "said it")

    office = Office()
    with caplog.at_level("INFO", "tasks.agents.saying"):
        run(office, talks, claim())
    shown = [record.message for record in caplog.records if record.name == "tasks.agents.saying"]
    assert len(office.lines) == 2 * SHOWN_LINES
    assert len(shown) == SHOWN_LINES + 1
    assert "there is more" in shown[-1]


def test_a_repository_that_is_not_allowed_is_refused_before_any_work() -> None:
    worked: list[AgentContext] = []

    async def works(context: AgentContext) -> AgentResult:
        worked.append(context)
        return AgentResult(Answer(), "done")

    office = Office()
    at = replace(desk(office, works), settings=AgentSettings(repositories=("kenji/*",)))
    outcome = asyncio.run(perform(at, at.keeper.keep(claim(), since=0.0)))
    assert (outcome.status, worked) == ("failed", [])
    assert "may not work on 'hana/shop'; they may on kenji/*" in office.ends[0]["error"]


def test_a_pause_that_a_server_asks_for_is_kept_and_said() -> None:
    """The queue keeps it: the next attempt is in another run, maybe of another worker."""

    async def busy(_context: AgentContext) -> AgentResult:
        raise Temporary("the model answers 429", after_s=3600)

    office = Office()
    outcome = run(office, busy, claim())
    (back,) = office.back
    assert (outcome.status, outcome.again_s, back["delay_s"]) == ("pending", 3600, 3600)
    assert "429; it asks for a pause of 3600 s: the next attempt begins at 20" in back["error"]


@pytest.mark.parametrize(
    ("wish", "kept", "said"),
    [
        (None, 8.0, ""),
        (1.0, 8.0, ""),
        (90.0, 90.0, "; it asks for a pause of 90 s: the next attempt begins at 2026-11-27 12:01:30 UTC or later"),
        (1e9, 6 * 3600.0, "; it asks for a pause of 1000000000 s: the next attempt begins at 2026-11-27 18:00:00 UTC"),
    ],
)
def test_a_pause_is_ours_or_the_servers_whichever_is_longer(wish: float | None, kept: float, said: str) -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    pause, why = pause_for(Temporary("busy", after_s=wish), 3, now=lambda _zone: noon, chance=lambda: 0.5)
    assert pause == kept
    assert why.startswith(said)
    assert bool(why) == bool(said)


def test_pauses_grow_and_differ() -> None:
    assert [pause_after(n, chance=lambda: 0.5) for n in (1, 2, 3, 20)] == [2.0, 4.0, 8.0, 300.0]
    assert pause_after(1, chance=lambda: 0.0) == 1.0
    assert pause_after(99, chance=lambda: 0.999) <= 1.5 * execution.LONGEST_PAUSE_S
