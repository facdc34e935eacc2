"""Tasks and what waits for what: levels, cycles, and which task may start now. Pure: no database, no clock.

A task starts when all it depends on is completed; one that depends on a failed, cancelled or escalated task, however
indirectly, is not run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from database.agent_models import Priority, TaskType
from tasks.errors import Permanent

State = Literal["waiting", "running", "completed", "failed", "escalated", "cancelled"]
IN_WORDS: Mapping[State, str] = {
    "waiting": "waits", "running": "runs", "completed": "is completed", "failed": "has failed",
    "escalated": "is for a person to look at", "cancelled": "was cancelled",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One task of an issue. `key` is `task-1`, `task-2`, … in the order of the text; `minutes` is an estimate.

    `issue_number` is the task's own issue, if it has one. `details` is what the text says beside the title.
    """

    key: str
    title: str
    type: TaskType
    agent_type: str
    priority: Priority
    minutes: int
    depends_on: list[str] = field(default_factory=list)
    details: str = ""
    issue_number: int | None = None
    input: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.key} {self.title!r}"


def levels_of(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks by level (Kahn): each level needs only those before it. Raises Permanent naming a cycle."""
    left, done, levels = list(tasks), set[str](), []
    while left:
        level = [task for task in left if done.issuperset(task.depends_on)]
        if not level:
            circle = " → ".join(str(task) for task in cycle_in(left))
            raise Permanent(f"the tasks wait for each other in a circle: {circle}. Take one of these dependencies out")
        levels.append(level)
        done |= {task.key for task in level}
        left = [task for task in left if task.key not in done]
    return levels


def cycle_in(tasks: Sequence[Task]) -> list[Task]:
    """A cycle among tasks of which each waits for another one of them; its first task stands at both ends."""
    known = {task.key: task for task in tasks}
    path: list[str] = []
    at = tasks[0].key
    while at not in path:
        path.append(at)
        at = next(key for key in known[at].depends_on if key in known)
    return [known[key] for key in [*path[path.index(at) :], at]]


@dataclass(frozen=True)
class Moves:
    """What to do now. `skipped` is by key, with the reason. `over`: nothing runs and nothing is to be started."""

    start: list[Task]
    skipped: dict[str, str]
    over: bool


def next_moves(tasks: Sequence[Task], states: Mapping[str, State], limit: int) -> Moves:
    """Which tasks to start so that at most `limit` run at once: earlier levels first, urgent ones first within."""
    skipped: dict[str, str] = {}
    ready: list[tuple[int, str, int, Task]] = []
    for level, together in enumerate(levels_of(tasks)):
        for place, task in enumerate(together):
            if states.get(task.key, "waiting") != "waiting":
                continue
            if reason := hindrance(task, tasks, states, skipped):
                skipped[task.key] = reason
            elif all(states.get(key) == "completed" for key in task.depends_on):
                ready.append((level, task.priority, place, task))
    running = sum(state == "running" for state in states.values())
    start = [task for *_, task in sorted(ready, key=lambda item: item[:3])][: max(0, limit - running)]
    return Moves(start, skipped, over=not running and not start)


def hindrance(task: Task, tasks: Sequence[Task], states: Mapping[str, State], skipped: Mapping[str, str]) -> str | None:
    """Why the task cannot be run any more, if so."""
    for other in (other for other in tasks if other.key in task.depends_on):
        if (state := states.get(other.key)) in ("failed", "escalated", "cancelled"):
            return f"not run: it depends on {other}, which {IN_WORDS[state]}"
        if other.key in skipped:
            return f"not run: it depends on {other}, which was not run"
    return None
