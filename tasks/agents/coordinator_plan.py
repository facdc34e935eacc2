"""An issue's text as tasks. What is looked for, in this order:

1. JSON: `tasks` in the issue's file, or a ```json block with `{"tasks": [{"id", "title", "depends_on", …}]}`
2. a checklist: each `- [ ]` or `1. [ ]` that is not ticked; one with others below it waits for them
3. headings without headings below them, where there is no checklist
4. the issue itself, as one task

A task waits for what its text names: "depends on #2", "after task 1", "blocked by "Title"", "(after 1, 2)", 「#1の後」.
`#2` is the task that is issue 2, else the second task. What stands below a heading such as "Phase 2", "Week 3" or
"Short-term" waits for all that stands below the one before.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from database.agent_models import Priority, TaskType
from database.agents import AGENTS
from tasks.agents.coordinator_graph import Task
from tasks.agents.coordinator_points import Item, checklist, headings
from tasks.agents.issue_rules import AGENTS_OF, ESTIMATE, PRIORITY_WORDS, hits, judge, labelled
from tasks.agents.issue_source import Issue
from tasks.errors import Permanent, Rejected

MINUTES = {"feature": 60, "bug": 30, "refactor": 45, "docs": 20, "test": 30, "deployment": 15}
"""What the mission's coordinator estimates for a task (reference: miyabi.md §5.6)."""
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
MOST = 200
"""Tasks of one issue."""

# Gaps and lists are bounded, so that no text makes these slow.
BLOCK = re.compile(r"^```json[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)

REF = (
    r"(?:\#\d{1,9}|(?:task|タスク)[ -]?\d{1,4}|\"[^\"\n]{1,200}\"|「[^」\n]{1,200}」"
    r"|the previous(?: one| task)?|前のタスク)"
)
LIST = rf"{REF}(?: {{0,3}}(?:,|、|and|と|&) {{0,3}}{REF}){{0,50}}"
WORDS = r"(?:depends? on|after|blocked by|requires|依存(?:先)?)"
CLAUSES = (
    re.compile(rf"[(（\[]?\b{WORDS} {{0,3}}[:：]? {{0,3}}({LIST})[)）\]]?", re.IGNORECASE),
    re.compile(rf"[(（]? {{0,3}}({LIST}) {{0,3}}(?:に依存|の後|が必要)[)）]?"),
    re.compile(
        rf"[(（]{WORDS} {{0,3}}[:：]? {{0,3}}(\d{{1,4}}(?: {{0,3}}(?:,|、|and) {{0,3}}\d{{1,4}}){{0,50}})[)）]",
        re.IGNORECASE,
    ),
)
IN_BRACKETS = re.compile(r"[(（\[]depends? on {0,3}:? {0,3}([^)）\]\n]{1,200})[)）\]]", re.IGNORECASE)
"""What is meant as a condition, whatever it names."""
OWN_ISSUE = re.compile(r"(?:^|[\s(（])#(\d{1,9})\b|/issues/(\d{1,9})\b")


class PlannedTask(BaseModel):
    """A task as JSON has it."""

    model_config = ConfigDict(extra="forbid")

    id: str | int
    title: str = Field(min_length=1, max_length=500)
    description: str = ""
    type: TaskType | None = None
    agent: str | None = Field(None, validation_alias=AliasChoices("agent", "agent_type", "agentType"))
    priority: Priority | None = None
    depends_on: list[str | int] = Field(
        [], validation_alias=AliasChoices("depends_on", "dependsOn", "dependencies", "after")
    )
    estimated_minutes: int | None = Field(
        None, ge=0, le=10_080, validation_alias=AliasChoices("estimated_minutes", "estimatedMinutes", "estimate")
    )
    issue_number: int | None = Field(None, validation_alias=AliasChoices("issue_number", "issueNumber", "issue"))
    input: dict[str, Any] = {}


def plan_of(issue: Issue, *, priority: Priority = "P2", doubt: Callable[[str], None] = lambda _: None) -> list[Task]:
    """The issue's tasks; `priority` is for those of which neither their words nor the issue say how urgent they are.
    `doubt` is told what a text says to wait for and does not have.

    Raises Rejected for JSON that is wrong, Permanent for more tasks than anyone can follow.
    """
    spoken = judge(issue.title, "", issue.labels).priority if is_urgent(issue.title, issue.labels) else priority
    return tasks_of_json(issue, spoken) or tasks_of_text(issue, spoken, doubt)


def is_urgent(title: str, labels: Sequence[str] = ()) -> bool:
    """True if it says anything of its urgency, even that it has time."""
    return bool(labelled("priority", labels, PRIORITIES)) or any(
        hits(words, title) for words in PRIORITY_WORDS.values()
    )


def bearable(count: int) -> None:
    if count > MOST:
        raise Permanent(f"the issue has {count} tasks, and {MOST} at most are coordinated: split it")


def tasks_of_json(issue: Issue, priority: Priority) -> list[Task]:
    found = issue.tasks
    for block in [] if found else BLOCK.finditer(issue.body):
        try:
            content = json.loads(block[1])
        except ValueError:
            continue  # an example in the text, not a plan
        if isinstance(content, dict) and isinstance(content.get("tasks"), list):
            found = content["tasks"]
    planned = checked(found)
    keys = {str(task.id): f"task-{place}" for place, task in enumerate(planned, 1)}
    return [task_of_json(task, keys, priority) for task in planned]


def checked(found: Sequence[Any]) -> list[PlannedTask]:
    """Raises Rejected with all problems at once."""
    bearable(len(found))
    planned, problems = [], []
    for place, task in enumerate(found):
        try:
            planned.append(PlannedTask.model_validate(task))
        except ValidationError as error:
            problems += [f"tasks[{place}].{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    ids = [str(task.id) for task in planned]
    problems += [f"two tasks have the id {id!r}" for id in sorted({id for id in ids if ids.count(id) > 1})]
    for task in planned:
        problems += [f"task {task.id!r} depends on {on!r}, which is no task" for on in task.depends_on
                     if not problems and str(on) not in ids]  # fmt: skip
        if task.agent is not None and task.agent not in AGENTS:
            problems.append(f"task {task.id!r} is for {task.agent!r}; known agents are {', '.join(AGENTS)}")
    if problems:
        raise Rejected("the plan in JSON", problems)
    return planned


def task_of_json(task: PlannedTask, keys: dict[str, str], priority: Priority) -> Task:
    read = task_of(keys[str(task.id)], task.title, task.description, priority)
    kind = task.type or read.type
    return replace(
        read,
        type=kind,
        agent_type=task.agent or AGENTS_OF[kind],
        priority=task.priority or read.priority,
        minutes=read.minutes if task.estimated_minutes is None else task.estimated_minutes,
        depends_on=sorted({keys[str(on)] for on in task.depends_on}),
        issue_number=task.issue_number,
        input=task.input,
    )


def task_of(key: str, title: str, details: str, priority: Priority) -> Task:
    """What a task's words say of it; of its urgency `priority` where they do not."""
    verdict = judge(title, details if ESTIMATE.search(details) else "")
    agent = labelled("agent", [title], list(AGENTS)) or AGENTS_OF[verdict.type]
    priority = verdict.priority if is_urgent(title) else priority
    minutes = verdict.minutes if ESTIMATE.search(f"{title}\n{details}") else MINUTES[verdict.type]
    return Task(key, title[:255], verdict.type, agent, priority, minutes, details=details)


def tasks_of_text(issue: Issue, priority: Priority, doubt: Callable[[str], None]) -> list[Task]:
    items = checklist(issue.body) or headings(issue.body)
    if not items:
        return [task_of("task-1", issue.title, issue.body, priority)]
    bearable(len(items))
    for item in items:
        read_references(item)
    open_items = [place for place, item in enumerate(items) if not item.ticked]
    keys = {place: f"task-{number}" for number, place in enumerate(open_items, 1)}
    tasks = []
    for place in open_items:
        needed = conditions(place, items)
        for name in unknown(place, items):
            doubt(
                f"task {items[place].title!r} is to wait for {name}, which is no task of this issue: it does not wait"
            )
        task = task_of(keys[place], items[place].title, "\n".join(items[place].details), priority)
        on = [keys[other] for other in sorted(needed) if other in keys]  # what is ticked is done
        tasks.append(replace(task, depends_on=on, issue_number=items[place].issue))
    return tasks


def read_references(item: Item) -> None:
    """Take the conditions out of the item's words: the title is what remains."""
    text = item.text
    for clause in CLAUSES:
        for match in clause.finditer(f"{text}\n{' '.join(item.details)}"):
            item.refs += re.findall(rf"{REF}|\d{{1,4}}", match[1], re.IGNORECASE)
        text = clause.sub("", text)
    if own := OWN_ISSUE.search(text):
        item.issue = int(own[1] or own[2])
    item.title = " ".join(text.split()).strip(" ,;:-–—*") or item.text


def conditions(place: int, items: Sequence[Item]) -> set[int]:
    """The places of what has to be done before: what the text names, the points below it, the phase before."""
    item = items[place]
    found = {other for ref in item.refs if (other := referred(ref, place, items)) is not None}
    found |= {other for other, below in enumerate(items) if place in below.parents}
    if item.phase is not None:
        before = [other.phase for other in items if other.phase is not None and other.phase < item.phase]
        found |= {other for other, one in enumerate(items) if before and one.phase == max(before)}
    return found


def unknown(place: int, items: Sequence[Item]) -> list[str]:
    """What a task's words name in vain, as they stand there."""
    item = items[place]
    text = f"{item.text} {' '.join(item.details)}"
    named = [match[1].strip() for match in IN_BRACKETS.finditer(text) if not any(c.search(match[0]) for c in CLAUSES)]
    return [ref for ref in item.refs if referred(ref, place, items) is None] + named


def referred(ref: str, place: int, items: Sequence[Item]) -> int | None:
    """The place of what a condition names; None if it is not among these."""
    if ref[0] in '"「':
        name = ref.strip('"「」').casefold()
        return next((at for at, item in enumerate(items) if item.title.casefold().startswith(name)), None)
    if not (digits := re.search(r"\d+", ref)):
        return place - 1 if place else None
    number = int(digits[0])
    if ref.startswith("#") and any(item.issue is not None for item in items):
        return next((at for at, item in enumerate(items) if item.issue == number), None)
    return number - 1 if 1 <= number <= len(items) else None
