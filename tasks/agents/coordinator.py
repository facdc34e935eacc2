"""The coordinator: an issue becomes tasks, and each task an execution of another agent, as parallel as they may be.

1. read the issue: from the request, a file, or GitHub
2. plan: tasks with their dependencies (coordinator_plan.py); a circle is refused before anything is written
3. store them in `tasks` and `task_dependencies`
4. run them: at most min(tasks, cores, 5) children at once, each when all it waits for is completed
5. report, with the graph drawn

A second attempt finds plan, tasks and children of the first. A task that failed, or that a person has to look at, holds
back those that wait for it and no others; if one failed, so has the coordinator, with its report all the same.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from database import coordination
from database.agent_models import CoordinatorInput, CoordinatorOutput, Priority
from database.agents import AGENTS
from database.asking import NotRunning
from database.coordination import Standing, StoredTask
from database.tasks import task_id
from tasks.agents.context import AgentContext, AgentResult, Escalation, Unsuccessful
from tasks.agents.coordinator_graph import IN_WORDS, Task, levels_of, next_moves
from tasks.agents.coordinator_plan import plan_of
from tasks.agents.coordinator_report import escalation_of, in_words, page, report, state_of, tasks_of
from tasks.agents.issue_source import Issue, read_issue
from tasks.agents.worktrees import place_of_issue
from tasks.errors import Rejected, Temporary

AT_ONCE = 5
"""Children of one coordinator (reference: miyabi.md §5.6)."""
PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Between two looks at the children: short after news, longer while there are none."""
TITLE, LINE = 60, 500
"""Characters of a task's title in the name of its run, and of a line of the log."""
Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True)
class Course:
    """How the children fared, when nothing was left to start."""

    start: datetime
    end: datetime
    standing: dict[str, Standing]
    skipped: dict[str, str]


async def run_coordinator(context: AgentContext) -> AgentResult:
    given = context.input
    assert isinstance(given, CoordinatorInput)
    issue = await context.step("Read the issue", read_issue, context, given.issue)
    plan = await context.step("Plan the tasks", planned, context, issue)
    title = f"#{issue.number} {issue.title}" if issue.number else issue.title
    if given.plan_only:
        now = datetime.now(UTC)
        return told(title, reported(context, plan, Course(now, now, {}, {})), None)
    await context.step("Store the tasks", store, context, plan)
    limit = min(len(plan), os.cpu_count() or 1, AT_ONCE, given.max_parallel, context.settings.limits.per_parent)
    course = await context.step(f"Run {len(plan)} task(s)", run_all, context, plan, limit, title)
    return told(title, reported(context, plan, course), escalation_of(course.standing))


def planned(context: AgentContext, issue: Issue) -> list[Task]:
    """The tasks, checked: no circle, and each agent gets an input that it takes. Raises Permanent or Rejected."""
    plan = plan_of(issue, priority=cast(Priority, context.claim.priority), doubt=lambda text: context.log("WARN", text))
    problems = [problem for task in plan if (problem := problem_of(context, task))]
    if problems:
        raise Rejected("the tasks of the issue", problems)
    for number, level in enumerate(levels_of(plan), 1):
        context.log("INFO", shortened(f"level {number}: {', '.join(map(str, level))}", LINE))
    return plan


def shortened(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def problem_of(context: AgentContext, task: Task) -> str | None:
    """Why this task's agent could not begin."""
    agent = AGENTS[task.agent_type]
    if agent.id == context.agent.id:
        return f"{task} is for a coordinator, which a coordinator does not start"
    if agent.kind == "command" and number_of(context, task) is None:
        return f"{task} is for {agent.id!r}, which works on an issue: ask with an `issue_number`"
    try:
        agent.input.model_validate(input_of(task))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{task}: {agent.id!r} does not take its input: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None


def number_of(context: AgentContext, task: Task) -> int | None:
    """The issue that the task's agent works on: the task's own, else the coordinator's."""
    return task.issue_number or context.claim.issue_number


def input_of(task: Task) -> dict[str, Any]:
    """What the task's agent is asked. Those that take instructions are told the task."""
    words = f"{task.title}\n\n{task.details}".strip()
    fields = AGENTS[task.agent_type].input.model_fields
    named = next((name for name in ("instructions", "brief") if name in fields), None)
    return ({named: words} if named else {}) | task.input


def options_of(context: AgentContext, plan: Sequence[Task], task: Task) -> dict[str, Any]:
    """Where the task's work goes: a branch of its own, which begins with the work of the tasks before it."""
    before = [branch_of(context, other) for other in plan if other.key in task.depends_on]
    own = {} if task.issue_number else {"task": task.key}
    return own | {"title": shortened(task.title, TITLE), "after": [branch for branch in before if branch]}


def branch_of(context: AgentContext, task: Task) -> str | None:
    """The branch that a task leaves behind, if its agent works on one."""
    number = number_of(context, task)
    if number is None or AGENTS[task.agent_type].kind != "command":
        return None
    return place_of_issue(number, task=None if task.issue_number else task.key).branch


async def store(context: AgentContext, plan: Sequence[Task]) -> None:
    level = {task.key: number for number, together in enumerate(levels_of(plan)) for task in together}
    rows = [
        StoredTask(
            key=task.key, name=task.title, description=task.details, priority=task.priority,
            agent_type=task.agent_type, issue_number=number_of(context, task), depends_on=task.depends_on,
            metadata={"type": task.type, "level": level[task.key], "estimated_minutes": task.minutes},
        )
        for task in plan
    ]  # fmt: skip
    await while_running(context.database(coordination.store, context.claim.id, rows))


async def run_all(
    context: AgentContext, plan: Sequence[Task], limit: int, title: str, *, sleep: Sleep = asyncio.sleep
) -> Course:
    """Start what may start, until nothing runs and nothing may. Raises Unsuccessful if a task failed."""
    me, keys, start = context.claim.id, [task.key for task in plan], datetime.now(UTC)
    heard: dict[str, str] = {}
    pause = PAUSE_S
    with context.waiting():
        while True:
            standing = await context.database(coordination.standing, me, keys)
            news = say_news(context, plan, standing, heard)
            moves = next_moves(plan, {key: state_of(found) for key, found in standing.items()}, limit)
            if moves.over:
                break
            for task in moves.start:
                await begin(context, plan, task)
            pause = PAUSE_S if news or moves.start else min(LONGEST_PAUSE_S, 1.5 * pause)
            await sleep(pause)
    await context.database(coordination.skip, me, moves.skipped)
    for key, reason in moves.skipped.items():
        context.log("WARN", f"{key} {reason}")
    course = Course(start, datetime.now(UTC), standing, moves.skipped)
    done = reported(context, plan, course)
    if done.summary.failed or any(task.status == "cancelled" for task in done.tasks):
        raise Unsuccessful(failure(done), told(title, done, escalation_of(standing)))
    return course


async def begin(context: AgentContext, plan: Sequence[Task], task: Task) -> None:
    child = await while_running(context.database(
        coordination.start, context.claim.id, task.key,
        input=input_of(task), options=options_of(context, plan, task), agent_type=task.agent_type,
    ))  # fmt: skip
    if child is None:  # a person was quicker, and the next look shows it
        return
    context.log("INFO", f"{task} is execution {child} of {task.agent_type}", execution_id=str(child), task=task.key)


async def while_running(work: Awaitable[T]) -> T:
    """Raises Temporary if the coordinator does not run any more, or is to stop."""
    try:
        return await work
    except NotRunning as error:
        raise Temporary(str(error)) from error


def say_news(
    context: AgentContext, plan: Sequence[Task], standing: Mapping[str, Standing], heard: dict[str, str]
) -> bool:
    """Each state of a task once, in the log; False if there is nothing new."""
    before = dict(heard)
    for task in plan:
        if (found := standing.get(task.key)) is None or (state := state_of(found)) == heard.get(task.key):
            continue
        heard[task.key] = state
        words = found.error_message or found.result_summary
        line = f"{task} {IN_WORDS[state]}" + (f": {words}" if words else "")
        context.log("INFO" if state in ("running", "completed") else "WARN", line, task=task.key)
    return heard != before


def reported(context: AgentContext, plan: Sequence[Task], course: Course) -> CoordinatorOutput:
    me = context.claim.id
    stored = {} if not course.standing else {task.key: task_id(me, task.key) for task in plan}
    tasks = tasks_of(plan, course.standing, course.skipped, stored)
    return report(str(me), socket.gethostname(), tasks, start=course.start, end=course.end)


def failure(done: CoordinatorOutput) -> str:
    lost = [task for task in done.tasks if task.status in ("failed", "cancelled")]
    reasons = "\n".join(
        f"  - {task.id} {task.title!r} {task.status}: {task.error or 'no reason given'}" for task in lost
    )
    return (
        f"{in_words(done)}:\n{reasons}\nMend what they say, let those executions be tried again, and then this one: "
        "it goes on where it stopped"
    )


def told(title: str, done: CoordinatorOutput, escalation: Escalation | None) -> AgentResult:
    metrics = {"tasks": done.summary.total, "success_rate": done.summary.success_rate}
    return AgentResult(done, in_words(done), metrics=metrics, escalation=escalation, artifact=page(title, done))
