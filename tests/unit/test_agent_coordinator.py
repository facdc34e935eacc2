"""The coordinator's thinking: tasks out of a text, levels, what may start, the report. Its runs are in postgres/."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from database.coordination import Standing
from tasks.agents.context import AgentResult
from tasks.agents.coordinator_drawing import drawing
from tasks.agents.coordinator_graph import State, Task, levels_of, next_moves
from tasks.agents.coordinator_plan import plan_of
from tasks.agents.coordinator_report import escalation_of, in_words, page, report, tasks_of
from tasks.agents.execution import result_json
from tasks.agents.issue_source import Issue, issue_of_file
from tasks.errors import Permanent, Rejected
from tests.agents import Scene

ISSUES = Path(__file__).parents[1] / "fixtures" / "agents" / "issues"


def plan(
    body: str = "", *, title: str = "Shop", labels: tuple[str, ...] = (), tasks: list[Any] | None = None
) -> list[Task]:
    return plan_of(Issue(title=title, body=body, labels=list(labels), tasks=tasks or []))


def edges(tasks: list[Task]) -> dict[str, list[str]]:
    return {task.key.removeprefix("task-"): [key.removeprefix("task-") for key in task.depends_on] for task in tasks}


def test_the_missions_next_steps_are_three_levels() -> None:
    tasks = plan_of(issue_of_file(ISSUES / "977.md", 977))
    levels = levels_of(tasks)

    assert [len(level) for level in levels] == [5, 4, 8]
    assert levels[0][0].title == "Investigate Lambda CloudWatch logs (empty)"
    assert [task.title for task in tasks if task.agent_type == "deployment"] == [
        "Redeploy frontend with new API endpoint"
    ]
    assert {task.priority for task in tasks} == {"P1"}, "the issue's label speaks for tasks that say nothing"


def test_the_missions_demonstration_is_taken_apart_as_there() -> None:
    body = """
- [ ] JWT署名・検証ロジック実装
- [ ] 環境変数管理実装
- [ ] APIエンドポイント統合 (depends on #1, #2)
- [ ] 単体テスト実装（#1の後）
- [ ] 統合テスト実装 (after "APIエンドポイント統合")
"""
    tasks = plan(body)
    assert edges(tasks) == {"1": [], "2": [], "3": ["1", "2"], "4": ["1"], "5": ["3"]}
    assert [task.title for task in tasks][2:] == ["APIエンドポイント統合", "単体テスト実装", "統合テスト実装"]
    assert [len(level) for level in levels_of(tasks)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("- [ ] a\n- [ ] b (after 1)\n- [ ] c (depends on 1, 2)", {"1": [], "2": ["1"], "3": ["1", "2"]}),
        ("1. [ ] a\n2. [ ] b, blocked by task 1\n3) [ ] c after the previous", {"1": [], "2": ["1"], "3": ["2"]}),
        ("- [ ] a after 3 days", {"1": []}),
        ("- [ ] タスク2に依存して進める\n- [ ] b", {"1": ["2"], "2": []}),
        ("- [ ] #31 a\n- [ ] #32 b (after #31)\n- [ ] c (after #1)", {"1": [], "2": ["1"], "3": []}),
        ("- [x] done\n- [ ] b (after 1)", {"1": []}),
        ("- [ ] all\n  - [ ] a\n  - [ ] b\n- [ ] c", {"1": ["2", "3"], "2": [], "3": [], "4": []}),
        ("# Phase 1\n- [ ] a\n# Phase 2\n- [ ] b\n# Other\n- [ ] c", {"1": [], "2": ["1"], "3": []}),
        ("## 短期\n- [ ] a\n## 長期\n- [ ] b\n- [ ] c", {"1": [], "2": ["1"], "3": ["1"]}),
        ("```\n- [ ] an example\n```\n- [ ] a", {"1": []}),
        ("- [ ] a\n  depends on task 2\n- [ ] b", {"1": ["2"], "2": []}),
    ],
)
def test_words_that_make_an_order(body: str, expected: dict[str, list[str]]) -> None:
    assert edges(plan(body)) == expected


def test_headings_are_tasks_where_there_is_no_checklist() -> None:
    body = "## Background\ntext\n## Plan\n### Phase 1: Fix the API\nHow.\n### Phase 2: Deploy it\n"
    tasks = plan(body)
    assert [(task.title, task.agent_type, task.depends_on) for task in tasks] == [
        ("Phase 1: Fix the API", "codegen", []), ("Phase 2: Deploy it", "deployment", ["task-1"]),
    ]  # fmt: skip
    assert tasks[0].details == "How."


def test_an_issue_without_parts_is_one_task() -> None:
    [task] = plan("The door squeaks.", title="Fix the door")
    assert (task.title, task.type, task.minutes, task.details) == ("Fix the door", "bug", 30, "The door squeaks.")


def test_a_task_says_of_itself_what_is_special() -> None:
    [task, own] = plan("- [ ] Update the docs, urgent, estimate: 2h\n  in two languages\n- [ ] #12 Look agent:review")
    assert (task.type, task.priority, task.minutes, task.details) == ("docs", "P0", 120, "in two languages")
    assert (own.issue_number, own.agent_type) == (12, "review")


def test_a_plan_in_json_is_taken_as_it_is() -> None:
    tasks = plan(
        tasks=[
            {
                "id": "b",
                "title": "Ship",
                "type": "deployment",
                "dependencies": ["a"],
                "input": {"environment": "staging"},
            },
            {"id": "a", "title": "Mend", "agent": "autofix", "priority": "P1", "estimate": 5, "issueNumber": 9},
        ]
    )
    assert edges(tasks) == {"1": ["2"], "2": []}
    assert (tasks[0].agent_type, tasks[0].input) == ("deployment", {"environment": "staging"})
    assert (tasks[1].agent_type, tasks[1].priority, tasks[1].minutes, tasks[1].issue_number) == ("autofix", "P1", 5, 9)

    block = (
        '```json\n{"tasks": [{"id": 1, "title": "A"}, {"id": 2, "title": "B", "depends_on": [1]}]}\n```\n- [ ] not this'
    )
    assert edges(plan(block)) == {"1": [], "2": ["1"]}


def test_a_wrong_plan_in_json_is_refused_with_all_problems() -> None:
    wrong = [{"id": "a", "title": "A", "colour": "red"}, {"title": 3}, {"id": "c", "title": "C", "agent": "nobody"},
             {"id": "c", "title": "D"}]  # fmt: skip
    with pytest.raises(Rejected) as info:
        plan(tasks=wrong)
    text = str(info.value)
    for words in ("tasks[0].colour", "tasks[1].id", "two tasks have the id 'c'", "is for 'nobody'"):
        assert words in text
    with pytest.raises(Rejected, match="task 'a' depends on 'z', which is no task"):
        plan(tasks=[{"id": "a", "title": "A", "after": ["z"]}])


def test_a_circle_is_named() -> None:
    with pytest.raises(Permanent, match="circle: task-1 'a' → task-2 'b' → task-3 'c' → task-1 'a'"):
        levels_of(plan("- [ ] a (after 2)\n- [ ] b (after 3)\n- [ ] c (after 1)\n- [ ] d (after 1)"))
    with pytest.raises(Permanent, match="circle: task-1 'a' → task-1 'a'"):
        levels_of(plan("- [ ] a (after 1)"))


@pytest.mark.parametrize(
    "text", ["- [ ] x\n" * 7000, "# a\n" * 15_000, "- [ ] " + "after #1 " * 5000, '- [ ] after "' + "x" * 50_000]
)
def test_no_text_makes_planning_slow(text: str) -> None:
    with suppress(Permanent):  # too many tasks
        plan(text)


def made(*edges: str) -> list[Task]:
    """Tasks from `a`, `b<a`, …"""
    split = [edge.partition("<") for edge in edges]
    return [Task(key, key.upper(), "bug", "codegen", "P2", 30, list(needs)) for key, _, needs in split]


@pytest.mark.parametrize(
    ("states", "start", "skipped", "over"),
    [
        ({}, "ab", "", False),
        ({"a": "running"}, "b", "", False),
        ({"a": "running", "b": "running"}, "", "", False),
        ({"a": "completed", "b": "running"}, "d", "", False),
        ({"a": "completed", "b": "completed"}, "cd", "", False),
        ({"a": "failed", "b": "completed"}, "", "cde", True),
        ({"a": "escalated", "b": "running"}, "", "cde", False),
        ({"a": "completed", "b": "cancelled"}, "d", "ce", False),
        ({"a": "completed", "b": "completed", "c": "completed", "d": "completed", "e": "completed"}, "", "", True),
    ],
)
def test_what_may_start(states: dict[str, State], start: str, skipped: str, over: bool) -> None:
    moves = next_moves(made("a", "b", "c<ab", "d<a", "e<c"), states, 2)
    assert ("".join(task.key for task in moves.start), "".join(moves.skipped), moves.over) == (start, skipped, over)


def test_what_is_not_run_says_why() -> None:
    moves = next_moves(made("a", "b<a", "c<b"), {"a": "escalated"}, 5)
    assert moves.skipped == {
        "b": "not run: it depends on a 'A', which is for a person to look at",
        "c": "not run: it depends on b 'B', which was not run",
    }


def test_urgent_tasks_start_first() -> None:
    tasks = made("a", "b", "c")
    tasks[2] = replace(tasks[2], priority="P0")
    assert [task.key for task in next_moves(tasks, {}, 2).start] == ["c", "a"]


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def stands(status: str, escalation: dict[str, Any] | None = None, error: str | None = None) -> Standing:
    return Standing(uuid4(), uuid4(), status, None, escalation, None, error, NOW, NOW + timedelta(seconds=2))


def test_the_report_is_the_missions() -> None:
    tasks = made("a", "b<a", "c<b")
    raised = {"target": "TechLead", "reason": "score 30", "severity": "Sev.2-High"}
    standing = {"a": stands("completed"), "b": stands("completed", raised)}
    all_tasks = tasks_of(tasks, standing, {"c": "not run: it depends on b"}, {})
    done = report("s", "h" * 80, all_tasks, start=NOW, end=NOW + timedelta(seconds=5))

    shown = done.model_dump(mode="json", by_alias=True)
    assert set(shown) == {
        "sessionId",
        "deviceIdentifier",
        "startTime",
        "endTime",
        "totalDurationMs",
        "summary",
        "tasks",
    }
    assert shown["summary"] == {"total": 3, "completed": 1, "failed": 0, "escalated": 1, "successRate": 33.3}
    assert (shown["totalDurationMs"], len(shown["deviceIdentifier"])) == (5000, 50)
    assert [(task["status"], task["level"], task["durationMs"]) for task in shown["tasks"]] == [
        ("completed", 0, 2000), ("escalated", 1, 2000), ("skipped", 2, None),
    ]  # fmt: skip
    assert in_words(done) == "1 of 3 task(s) completed, 1 escalated, 1 not run"
    raised_again = escalation_of(standing)
    assert raised_again is not None
    assert (raised_again.target, raised_again.reason) == ("TechLead", "b: score 30")


def test_a_row_holds_the_report_under_the_missions_names() -> None:
    done = report("s", "h", tasks_of(made("a"), {}, {}, {}), start=NOW, end=NOW)
    kept = result_json(Scene().context("coordinator").claim, AgentResult(done, "x"), 1.0, error="stuck")
    assert (kept["status"], kept["error"], kept["data"]["sessionId"]) == ("failed", "stuck", "s")


def test_the_graph_is_drawn() -> None:
    tasks = made("task-1", "task-2")
    tasks[1] = replace(tasks[1], title='Say "hi" <b>', depends_on=["task-1"])
    drawn = ElementTree.fromstring(
        drawing(tasks_of(tasks, {"task-1": stands("failed", error="no | door")}, {"task-2": "not run"}, {}))
    )
    boxes = drawn.findall("{*}g")
    assert [box.findtext("{*}title") for box in boxes] == ["TASK-1", 'Say "hi" <b>']
    assert [box.findall("{*}text")[1].text for box in boxes] == [
        "task-1 · codegen · failed",
        "task-2 · codegen · skipped",
    ]
    (arrow,) = drawn.findall("{*}path")
    assert arrow.get("d") == "M236 42 C271 42 271 42 306 42"
    text = page("#1 x", report("s", "h", tasks_of(tasks, {}, {}, {}), start=NOW, end=NOW))
    assert "![the tasks](data:image/svg+xml;base64," in text
    assert "| 2 | task-2 |" in text


def test_what_a_task_is_to_wait_for_in_vain_is_said() -> None:
    said: list[str] = []
    tasks = ("Build it", "Test it (depends on: Build)", "Ship it (depends on #999)", "Rest (depends on #1)")
    plan_of(Issue(title="Shop", body="\n".join(f"- [ ] {task}" for task in tasks)), doubt=said.append)
    assert said == [
        "task 'Test it (depends on: Build)' is to wait for Build, which is no task of this issue: it does not wait",
        "task 'Ship it' is to wait for #999, which is no task of this issue: it does not wait",
    ]


def test_a_plan_says_how_much_it_is() -> None:
    now = datetime.now(UTC)
    done = report("x", "here", tasks_of(made("a", "b<a", "c"), {}, {}, {}), start=now, end=now)
    assert in_words(done) == "planned 3 task(s) in 2 level(s)"
