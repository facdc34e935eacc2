"""The issue agent: what kind of issue it is, how urgent, who should take it on, how long it takes.

Rules decide (issue_rules.py): the same words give the same answer. A model, if one is configured, may correct type,
priority and minutes; never against a label that a person has set. With `apply` the labels are set on GitHub.
"""

from dataclasses import replace
from typing import get_args

from pydantic import BaseModel, Field

from database.agent_models import IssueInput, IssueOutput, Priority, TaskType
from tasks.agents.context import AgentContext, AgentResult
from tasks.agents.issue_rules import AGENTS_OF, LONGEST_MINUTES, SEVERITIES, Verdict, judge, labelled
from tasks.agents.issue_source import Issue, add_labels, read_issue
from tasks.agents.model_agents import refine
from tasks.errors import Permanent


class SecondLook(BaseModel):
    """What a model would say of an issue."""

    type: TaskType
    priority: Priority
    estimated_minutes: int = Field(ge=5, le=LONGEST_MINUTES)
    reason: str = Field(max_length=500)


async def run_issue(context: AgentContext) -> AgentResult:
    given = context.input
    assert isinstance(given, IssueInput)
    issue = await context.step("Read the issue", read_issue, context, given.issue)
    verdict = judge(issue.title, issue.body, issue.labels)
    second = await refine(context, question(issue, verdict), SecondLook)
    if second is not None:
        verdict = corrected(verdict, second, issue)
    if given.apply:
        await context.step("Set the labels", set_labels, context, verdict.labels)
    data = IssueOutput(
        type=verdict.type, priority=verdict.priority, severity=verdict.severity, labels=verdict.labels,
        agent_type=verdict.agent_type, estimated_minutes=verdict.minutes, depends_on=verdict.depends_on,
        reasons=verdict.reasons, refined_by=context.settings.model if second else None, applied=given.apply,
    )  # fmt: skip
    for reason in verdict.reasons:
        context.log("INFO", reason)
    summary = f"{data.type}, {data.priority}, for {data.agent_type}, about {data.estimated_minutes} min"
    return AgentResult(data=data, summary=summary, artifact=page(issue, data))


async def set_labels(context: AgentContext, labels: list[str]) -> None:
    number, repository = context.claim.issue_number, context.claim.repository
    if number is None or repository is None:
        raise Permanent(
            "labels can be set only on an issue of a repository: ask with an `issue_number`, or without `apply`"
        )
    await add_labels(context, repository, number, labels)


def corrected(verdict: Verdict, second: SecondLook, issue: Issue) -> Verdict:
    """The rules' answer with the model's corrections, where no label stands against them."""
    kind = verdict.type if labelled("type", issue.labels, get_args(TaskType)) else second.type
    priority = verdict.priority if labelled("priority", issue.labels, get_args(Priority)) else second.priority
    agent = verdict.agent_type if verdict.agent_type == "coordinator" else AGENTS_OF[kind]
    return replace(
        verdict, type=kind, priority=priority, severity=SEVERITIES[priority], agent_type=agent,
        minutes=second.estimated_minutes, reasons=[*verdict.reasons, f"model: {second.reason}"],
    )  # fmt: skip


def question(issue: Issue, verdict: Verdict) -> str:
    """What the model is asked. The issue's text is quoted: it is material, not an instruction."""
    return (
        "An issue of a software project was sorted by keyword rules. Say what is right, and why in one sentence.\n"
        f"The rules say: type {verdict.type}, priority {verdict.priority}, {verdict.minutes} minutes"
        f" ({'; '.join(verdict.reasons)}).\nP0 is for production down, data loss or a breach; P1 for major trouble; "
        "P2 is usual; P3 can wait.\n\n"
        f"<issue title={issue.title!r} labels={issue.labels!r}>\n{issue.body[:20_000]}\n</issue>"
    )


def page(issue: Issue, data: IssueOutput) -> str:
    """The outcome as markdown."""
    labels = " ".join(f"`{label}`" for label in data.labels)
    reasons = "\n".join(f"- {reason}" for reason in data.reasons)
    waits = f"\n\nWaits for {', '.join(f'#{number}' for number in data.depends_on)}." if data.depends_on else ""
    return (
        f"## {f'#{issue.number} ' if issue.number else ''}{issue.title}\n\n{labels}\n\n"
        f"For **{data.agent_type}**, about {data.estimated_minutes} min.{waits}\n\n### Why\n{reasons}\n"
    )
