"""A person's approval of a plan, before the first write: where the environment asks for it.

The run is suspended, so that no process waits, and its form is in the Prefect UI, behind *Resume*. A resumed run is
another process: it plans again, which only reads and finds what was built, and goes on if the plan is still the one
that was approved. If it is another one by now, a refusal ends the run all the same, and an approval is recorded as
outdated and asked for again. Question and decision are rows of `release_approvals`, and events.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.input.actions import aread_flow_run_input
from pydantic import Field

from database.approvals import Decision, Ending, Question
from tasks.approvals import record_decision, record_ends, record_question, undecided
from tasks.changes import Finding, Rollout
from tasks.errors import Permanent
from tasks.events import tell
from tasks.reports import publish_changes

logger = logging.getLogger(__name__)

SNAPSHOT_TIME = re.compile(r"(?<=-at-)\d{8}-\d{2}\b|(?<=-final-)\d{14}\b")
SHOWN = 8000
"""Characters of a plan in the form; all of it is in the run's artifact."""


ENDS: dict[StateType, Ending] = {
    StateType.CANCELLED: "cancelled",
    StateType.CRASHED: "crashed",
    StateType.FAILED: "timed out",  # what Prefect makes of a run that nobody resumes
}


class Approval(RunInput):
    """What a person answers before the first write. Prefect knows no users: who it was is what they say."""

    approve: Annotated[bool, Field(description="Carry this plan out. If not, the run ends, and nothing is written.")]
    reason: Annotated[
        str, Field(min_length=3, max_length=500, pattern=r"\S[\s\S]+\S", description="Why, for the record.")
    ]
    approver: Annotated[str, Field(max_length=100, description="Who decides.")] = ""


async def approved(plan: Rollout) -> Decision:
    """Suspend the run until a person has approved exactly this plan. Raises Permanent if they refuse it, or refused
    what was the plan before."""
    await publish_changes(plan)
    earlier = await plans_asked()
    question = question_about(plan, earlier)
    name, again = plan.environment.name, ""
    if question.plan_digest not in earlier:
        await close_ended(plan)
        if earlier:
            again = await outdated(plan, replace(question, plan_digest=earlier[-1], plan="(planned earlier)"))
        record_question(plan, question)
        headline = f"{runtime.flow_run.name} waits for approval{again and f' again: {again}'}"
        tell(name, "approval.asked", headline, question.plan, plan=question.plan_digest)
    form = Approval.with_initial_data(description=description(name, question.plan, again, plan.findings))
    answer = await suspend_flow_run(wait_for_input=form, timeout=int(question.patience_s), key=question.plan_digest)  # type: ignore[misc]
    return settle(plan, decided(question, answer))


async def outdated(plan: Rollout, question: Question) -> str:
    """Record what was said of the plan before this one; why it is asked again. Raises Permanent if it was refused."""
    given = await aread_flow_run_input(keyset_from_base_key(f"suspended-{question.plan_digest}")["response"])
    if given is None:
        return "the plan has changed since it was shown"
    decision = settle(plan, replace(decided(question, Approval(**given)), outdated=True))
    why = f"the plan has changed since {decision.approver or 'somebody'} approved it"
    logger.warning("asking again: %s. Approved was %s", why, question.plan_digest)
    return why


def settle(plan: Rollout, decision: Decision) -> Decision:
    """Record and tell a decision. Raises Permanent if it is a refusal."""
    record_decision(plan, decision)
    who, said = decision.approver or "somebody", f"approval.{decision.decision}"
    tell(plan.environment.name, said, f"{who} {decision.decision} {runtime.flow_run.name}: {decision.reason}")
    if decision.decision == "refused":
        raise Permanent(f"{who} refused the plan: {decision.reason}. Nothing was written")
    return decision


def decided(question: Question, answer: Approval) -> Decision:
    return Decision(
        question,
        "approved" if answer.approve else "refused",
        answer.approver.strip() or None,
        answer.reason.strip(),
        datetime.now(UTC),
    )


def description(environment: str, plan: str, again: str, findings: Sequence[Finding] = ()) -> str:
    """What stands above the form: the plan, and what a person should know of it."""
    reason = f"**Asked again: {again}.**\n\n" if again else ""
    known = "\n".join(f"{one.subject}: {one.text}" for one in findings)
    notes = f"\n\nTo know:\n\n{listed(known[:SHOWN])}" if known else ""
    return f"### Plan for {environment}\n{reason}{listed(plan[:SHOWN])}{notes}"


def listed(plan: str) -> str:
    """A line for each change, as Markdown whose lines wrap: those of a code block do not, in so narrow a dialog."""
    return "\n".join(f"- {escaped(line)}" for line in plan.splitlines())


def escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


async def plans_asked() -> list[str]:
    """The keys of the plans that this run was suspended with, in order; it goes on with an answer to the last."""
    async with get_client() as client:
        states = await client.read_flow_run_states(UUID(str(runtime.flow_run.id)))
    keys = [state.state_details.pause_key or "" for state in sorted(states, key=lambda state: state.timestamp)]
    return [key for key in keys if key.startswith("plan-")]


async def close_ended(plan: Rollout) -> None:
    """Close the questions of runs that have ended. They had no process to do so: the next run that asks has."""
    if not (waiting := undecided(plan)):
        return
    wanted = FlowRunFilter.model_validate({"id": {"any_": waiting}})
    async with get_client() as client:
        runs = {run.id: run.state_type for run in await client.read_flow_runs(flow_run_filter=wanted)}
    states = {run_id: runs.get(run_id, StateType.CANCELLED) for run_id in waiting}  # one that was deleted, too
    record_ends(plan, {run_id: ENDS[state] for run_id, state in states.items() if state in ENDS})


def question_about(plan: Rollout, earlier: Sequence[str] = ()) -> Question:
    text = "\n".join(sorted(map(str, plan.changes))) or "nothing would change"  # whatever the order
    return Question(
        environment=plan.environment.name,
        flow=str(runtime.flow_run.flow_name),
        flow_run_id=UUID(str(runtime.flow_run.id)),
        plan_digest=question_key(plan_key(text), earlier),
        plan=text,
        patience_s=plan.environment.approval_hours * 3600,
    )


def plan_key(text: str) -> str:
    """The same for the same plan, also when it is looked at again later: a snapshot's name has the time in it."""
    return f"plan-{hashlib.sha256(SNAPSHOT_TIME.sub('', text).encode()).hexdigest()[:12]}"


def question_key(digest: str, earlier: Sequence[str]) -> str:
    """Of a plan that was asked about last, its own; one that comes back after another is asked about anew."""
    if earlier and earlier[-1].startswith(digest):
        return earlier[-1]
    return f"{digest}-{len(earlier) + 1}" if any(key.startswith(digest) for key in earlier) else digest
