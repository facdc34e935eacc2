"""Who is right when Prefect and Postgres differ: each pair of states, and what follows."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient

from database import queue
from database.queue import Linked, Status
from tasks.agents import refreshing
from tasks.agents.refreshing import Action, Finding, Reconciler, Seen, truth
from tasks.agents.states import STACK_STOPPED

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUN, OTHER = uuid4(), uuid4()


def row(status: Status, *, run: UUID = RUN, cancel: bool = False, ended_s: float = 100) -> Linked:
    ended = NOW - timedelta(seconds=ended_s) if status in ("completed", "failed", "cancelled") else None
    return Linked(uuid4(), "issue", status, run, 1, 1, "me", False, cancel, ended, "because" if ended else None)


def seen(type: str, *, name: str = "", age_s: float = 100) -> Seen:
    return Seen(RUN, type, name or type.capitalize(), NOW - timedelta(seconds=age_s))


def judge(row: Linked | None, run: Seen | None, now: datetime) -> Finding:
    return refreshing.judge(row, run, now, orphan=timedelta(seconds=60), start=timedelta(seconds=120))


@pytest.mark.parametrize(
    ("status", "type", "action"),
    [
        ("running", "RUNNING", "none"),
        ("running", "CANCELLING", "cancel"),
        ("running", "CANCELLED", "cancel"),
        ("running", "CRASHED", "none"),  # its lease tells
        ("running", "COMPLETED", "none"),
        ("pending", "SCHEDULED", "none"),
        ("pending", "PENDING", "none"),
        ("pending", "CRASHED", "withdraw"),
        ("pending", "COMPLETED", "withdraw"),
        ("pending", "CANCELLED", "cancel"),
        ("pending", "RUNNING", "drop"),
        ("completed", "COMPLETED", "none"),
        ("completed", "RUNNING", "show"),
        ("completed", "CRASHED", "show"),
        ("completed", "CANCELLED", "show"),
        ("failed", "FAILED", "none"),
        ("failed", "CRASHED", "none"),
        ("failed", "SCHEDULED", "show"),
        ("cancelled", "CANCELLED", "none"),
        ("cancelled", "SCHEDULED", "show"),
        ("cancelled", "COMPLETED", "show"),
    ],
)
def test_each_pair(status: Status, type: str, action: Action) -> None:
    assert judge(row(status), seen(type), NOW).action == action


def test_a_process_has_a_moment_to_say_how_it_ended() -> None:
    assert judge(row("completed", ended_s=1), seen("RUNNING"), NOW).action == "none"


def test_a_process_that_does_not_begin_makes_room_for_another() -> None:
    """Prefect's worker was killed, or the machine went, after it took the run and before its process said so."""
    assert judge(row("pending"), seen("PENDING", age_s=119), NOW).action == "none"
    assert judge(row("pending"), seen("PENDING", age_s=121), NOW).action == "drop"
    assert judge(replace(row("pending"), dispatch=3), seen("PENDING", age_s=359), NOW).action == "none"


def test_a_cancellation_is_passed_on_once() -> None:
    assert judge(row("running", cancel=True), seen("CANCELLING"), NOW).action == "none"


@pytest.mark.parametrize("name", ["GivenBack", "NotTaken"])
def test_a_run_whose_execution_goes_on_elsewhere_was_not_cancelled_by_a_person(name: str) -> None:
    assert judge(row("running"), seen("CANCELLED", name=name), NOW).action == "none"


def test_a_run_that_another_one_replaced_is_closed_after_a_while() -> None:
    assert judge(row("running", run=OTHER), seen("RUNNING", age_s=5), NOW).action == "none"
    assert judge(row("running", run=OTHER), seen("RUNNING"), NOW).action == "drop"
    assert judge(row("completed", run=OTHER), seen("CRASHED"), NOW).action == "none"
    assert judge(None, seen("RUNNING"), NOW).action == "drop"


def test_a_run_that_prefect_lost_is_asked_for_again() -> None:
    assert judge(row("pending"), None, NOW).action == "withdraw"
    assert judge(row("running"), None, NOW).action == "none"


def test_the_truth_has_the_reason() -> None:
    assert (truth(row("failed")).type.value, truth(row("failed")).message) == ("FAILED", "because")
    assert truth(row("completed")).type.value == "COMPLETED"
    assert truth(row("cancelled")).type.value == "CANCELLED"


@pytest.mark.parametrize(("name", "used"), [("Crashed", True), (STACK_STOPPED, False)])
def test_what_never_began_because_the_stack_was_stopped_loses_nothing(name: str, used: bool) -> None:
    called: dict[str, Any] = {}

    async def database(function: Any, _id: UUID, **given: Any) -> None:
        assert function is queue.withdraw
        called.update(given)

    found = judge(row("pending"), seen("CRASHED", name=name), NOW)
    asyncio.run(Reconciler(database, cast(PrefectClient, None), lease_s=30, start_s=120).repair(found))
    assert (called["attempt_used"], bool(called["error"])) == (used, used)
