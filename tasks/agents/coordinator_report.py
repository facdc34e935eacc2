"""The coordinator's report, in the mission's form (reference: miyabi.md §5.6), with the tasks drawn as a graph."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from database.agent_models import CoordinatedTask, CoordinatorOutput, ReportSummary
from database.coordination import Standing
from tasks.agents.context import Escalation
from tasks.agents.coordinator_drawing import image
from tasks.agents.coordinator_graph import State, Task, levels_of

COUNTED = ("completed", "failed", "escalated")
DEVICE = 50
"""Characters of a device's name that the mission's validator allows."""


def state_of(standing: Standing) -> State:
    """A child's state in the coordinator's words: what was completed with an escalation is a person's to look at."""
    if standing.status == "completed":
        return "escalated" if standing.escalation or standing.outcome == "escalated" else "completed"
    return "failed" if standing.status == "failed" else "cancelled" if standing.status == "cancelled" else "running"


def coordinated(
    task: Task, level: int, standing: Standing | None, reason: str | None, task_id: object = None
) -> CoordinatedTask:
    """A task and what became of it; `reason` says why it was not run."""
    facts = {
        "id": task.key, "title": task.title, "type": task.type, "agent_type": task.agent_type,
        "priority": task.priority, "level": level, "depends_on": task.depends_on, "estimated_minutes": task.minutes,
        "task_id": task_id, "status": "skipped" if reason else "planned", "error": reason,
    }  # fmt: skip
    if standing is not None:
        facts |= {
            "status": state_of(standing), "execution_id": standing.execution_id, "error": trouble(standing),
            "duration_ms": duration(standing.started_at, standing.completed_at),
        }  # fmt: skip
    return CoordinatedTask.model_validate(facts)


def trouble(standing: Standing) -> str | None:
    if standing.escalation:
        return f"escalated to {standing.escalation.get('target')}: {standing.escalation.get('reason')}"
    return standing.error_message


def duration(start: datetime | None, end: datetime | None) -> int | None:
    return round(1000 * (end - start).total_seconds()) if start and end else None


def tasks_of(
    plan: Sequence[Task], standing: Mapping[str, Standing], skipped: Mapping[str, str], ids: Mapping[str, object]
) -> list[CoordinatedTask]:
    """All tasks, by level."""
    return [
        coordinated(task, level, standing.get(task.key), skipped.get(task.key), ids.get(task.key))
        for level, together in enumerate(levels_of(plan))
        for task in together
    ]


def report(
    session: str, device: str, tasks: Sequence[CoordinatedTask], *, start: datetime, end: datetime
) -> CoordinatorOutput:
    """Tasks that were not run or were cancelled count in `total` alone."""
    count = {status: sum(task.status == status for task in tasks) for status in COUNTED}
    rate = round(100 * count["completed"] / len(tasks), 1) if tasks else 0.0
    return CoordinatorOutput(
        session_id=session, device_identifier=device[:DEVICE], start_time=start, end_time=end,
        total_duration_ms=duration(start, end) or 0,
        summary=ReportSummary(
            total=len(tasks), completed=count["completed"], failed=count["failed"], escalated=count["escalated"],
            success_rate=rate,
        ),
        tasks=list(tasks),
    )  # fmt: skip


def escalation_of(standing: Mapping[str, Standing]) -> Escalation | None:
    """The gravest escalation of the children, handed on with the task it comes from."""
    raised = [(found.escalation, key) for key, found in standing.items() if found.escalation]
    if not raised:
        return None
    gravest, key = min(raised, key=lambda item: str(item[0].get("severity")))
    return Escalation(gravest["target"], f"{key}: {gravest['reason']}", gravest["severity"])


def in_words(done: CoordinatorOutput) -> str:
    """One line."""
    total = done.summary
    if all(task.status == "planned" for task in done.tasks):
        levels = 1 + max((task.level for task in done.tasks), default=0)
        return f"planned {total.total} task(s) in {levels} level(s)"
    others = {"failed": total.failed, "escalated": total.escalated,
              "not run": sum(task.status in ("skipped", "cancelled", "planned") for task in done.tasks)}  # fmt: skip
    rest = "".join(f", {number} {name}" for name, number in others.items() if number)
    return f"{total.completed} of {total.total} task(s) completed{rest}"


def page(title: str, done: CoordinatorOutput) -> str:
    """The report as markdown, with the graph."""
    rows = "\n".join(map(row, done.tasks))
    return (
        f"## {title}\n\n{in_words(done)}, {done.summary.success_rate:g} %, in {done.total_duration_ms / 1000:.1f} s\n\n"
        f"{image(done.tasks)}\n\n"
        "| level | task | | agent | waits for | status | took | |\n|---|---|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )


def row(task: CoordinatedTask) -> str:
    waits, took = ", ".join(task.depends_on) or "–", task.duration_ms
    cells = [str(task.level + 1), task.id, cell(task.title), task.agent_type, waits, task.status,
             "–" if took is None else f"{took / 1000:.1f} s", cell(task.error or "")]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:200]
