"""A person's approval of a plan, before the first write: where the environment asks for it.

The run is suspended, so that no process waits, and its form is in the Prefect UI, behind *Resume*. A resumed run is
another process: it plans again, which only reads and finds what was built, and goes on if the plan is still the one
that was approved; else it asks again. Question and decision are rows of `release_approvals`, and events.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from prefect import runtime
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from database.approvals import Decision, Question
from tasks.approvals import record_decision, record_question
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.events import tell
from tasks.reports import publish_changes

SNAPSHOT_TIME = re.compile(r"(?<=-at-)\d{8}-\d{2}\b|(?<=-final-)\d{14}\b")
SHOWN = 8000
"""Characters of a plan in the form; all of it is in the run's artifact."""


class Approval(RunInput):
    """What a person answers before the first write. Prefect knows no users: who it was is what they say."""

    approve: Annotated[bool, Field(description="Carry this plan out. If not, the run ends, and nothing is written.")]
    reason: Annotated[str, Field(min_length=3, max_length=500, description="Why, for the record.")]
    approver: Annotated[str, Field(max_length=100, description="Who decides.")] = ""


async def approved(plan: Rollout) -> Decision:
    """Suspend the run until a person has approved exactly this plan. Raises Permanent if they refuse it."""
    await publish_changes(plan)
    question = question_about(plan)
    name = plan.environment.name
    record_question(plan, question)
    if not asked_before(question.plan_digest):
        headline = f"{runtime.flow_run.name} waits for approval"
        tell(name, "approval.asked", headline, question.plan, plan=question.plan_digest)
    form = Approval.with_initial_data(description=f"### Plan for {name}\n```\n{question.plan[:SHOWN]}\n```")
    answer = await suspend_flow_run(wait_for_input=form, timeout=int(question.patience_s), key=question.plan_digest)  # type: ignore[misc]
    decision = Decision(
        question,
        "approved" if answer.approve else "refused",
        answer.approver.strip() or None,
        answer.reason.strip(),
        datetime.now(UTC),
    )
    record_decision(plan, decision)
    who = decision.approver or "somebody"
    tell(name, f"approval.{decision.decision}", f"{who} {decision.decision} {runtime.flow_run.name}: {decision.reason}")
    if not answer.approve:
        raise Permanent(f"{who} refused the plan: {decision.reason}. Nothing was written")
    return decision


def asked_before(digest: str) -> bool:
    """Whether this run was suspended for this plan, and goes on now."""
    context = FlowRunContext.get()
    policy = context.flow_run.empirical_policy if context and context.flow_run else None
    return digest in (policy.pause_keys or () if policy else ())


def question_about(plan: Rollout) -> Question:
    text = "\n".join(sorted(map(str, plan.changes))) or "nothing would change"  # whatever the order
    return Question(
        environment=plan.environment.name,
        flow=str(runtime.flow_run.flow_name),
        flow_run_id=UUID(str(runtime.flow_run.id)),
        plan_digest=plan_key(text),
        plan=text,
        patience_s=plan.environment.approval_hours * 3600,
    )


def plan_key(text: str) -> str:
    """The same for the same plan, also when it is looked at again later: a snapshot's name has the time in it."""
    return f"plan-{hashlib.sha256(SNAPSHOT_TIME.sub('', text).encode()).hexdigest()[:12]}"
