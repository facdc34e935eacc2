"""The coordinator on a real database: tasks stored, children asked for once each, their ends waited for.

Who works on the children is played by `Workers`: it takes them as a worker would and ends them as it is told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from blocks.agents import AgentSettings
from database import coordination, executions, repositories, users
from database.agent_models import CoordinatorInput, CoordinatorOutput, PlannedIssue
from database.execution_rows import Request
from tasks.agents.context import AgentContext, Unsuccessful
from tasks.agents.coordinator import run_coordinator
from tasks.errors import Permanent, Rejected, Temporary
from tests.agents import Scene

ISSUES = Path(__file__).parents[1] / "fixtures" / "agents" / "issues"
BODY = "- [ ] first\n- [ ] second\n- [ ] third (after 1, 2)\n- [ ] fourth (after 3)"


@dataclass
class House:
    """A database with a coordinator's execution that is running."""

    dsn: str
    id: UUID
    repository: UUID
    scene: Scene = field(default_factory=Scene)
    connection: psycopg.AsyncConnection[Any] | None = None
    """What the coordinator uses while it runs; elsewhere each call has its own."""

    def context(self, body: str | None = None, *, issue: int | None = 977, **given: Any) -> AgentContext:
        """The coordinator's context, with its database."""
        self.scene.id = self.id
        context = self.scene.context("coordinator", issue=issue)
        text = None if body is None else PlannedIssue(title="Improve the shop", body=body)
        context.input = CoordinatorInput(issue=text, **given)
        context._help = replace(context._help, database=self.call)
        return context

    async def call(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any) -> Any:
        if self.connection is not None:
            return await function(self.connection, *args, **kwargs)
        async with await connected(self.dsn) as connection:
            return await function(connection, *args, **kwargs)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]


async def connected(dsn: str) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True)


@pytest.fixture
def house(migrated: str) -> House:
    with psycopg.connect(migrated, autocommit=True) as connection:
        user = users.sign_in_mock(connection, 42, "hana@example.com", name=None, avatar_url="")
        assert user
        repository, _ = repositories.register(connection, user.id, "hana/shop")
        request = Request(repository.id, "coordinator", 977, priority="P1", options={"auto_pr": True})
        made = executions.create(connection, user.id, request)
        assert made
        connection.execute("UPDATE agent_executions SET status = 'running' WHERE id = %s", [made.id])
    return House(migrated, made.id, repository.id)


@dataclass
class Workers:
    """Take waiting children and end each as `ends` says by the task's name, else well."""

    ends: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    order: list[str] = field(default_factory=list)
    most: int = 0
    running: int = 0

    async def run(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                found = await connection.execute(
                    "UPDATE agent_executions AS e SET status = 'running', started_at = now() FROM tasks AS t "
                    "WHERE e.status = 'pending' AND t.execution_id = e.id RETURNING e.id, t.name"
                )
                for id, name in await found.fetchall():
                    group.create_task(self.work(connection, id, name))
                await asyncio.sleep(0.02)

    async def work(self, connection: psycopg.AsyncConnection[Any], id: UUID, name: str) -> None:
        self.order.append(name)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        end, raised = self.ends.get(name, "completed"), None
        if end == "escalated":
            end, raised = "completed", {"target": "CISO", "reason": "a hole", "severity": "Sev.1-Critical"}
        result = {"status": "escalated" if raised else "success", "data": {}, "escalation": raised}
        await connection.execute(
            "UPDATE agent_executions SET status = %s, completed_at = now(), result = %s, error_message = %s "
            "WHERE id = %s",
            [end, Jsonb(result), "the door is stuck" if end == "failed" else None, id],
        )


def coordinate(house: House, context: AgentContext, workers: Workers) -> Any:
    async def both() -> Any:
        async with at_work(house, workers):
            return await run_coordinator(context)

    return asyncio.run(both())


@asynccontextmanager
async def at_work(house: House, workers: Workers) -> AsyncIterator[None]:
    """The workers work, and the coordinator has a connection."""
    async with await connected(house.dsn) as theirs, await connected(house.dsn) as house.connection:
        working = asyncio.create_task(workers.run(theirs))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working])
            house.connection = None


def test_an_issue_of_the_mission_is_run(house: House) -> None:
    """The next steps of the status report of 2025-11-26, with a child for each."""
    house.scene.settings = AgentSettings(issues_directory=ISSUES)
    workers = Workers()
    done = coordinate(house, house.context(), workers)

    assert isinstance(done.data, CoordinatorOutput)
    assert (done.data.summary.total, done.data.summary.completed, done.data.summary.success_rate) == (17, 17, 100.0)
    assert done.escalation is None
    assert done.data.session_id == str(house.id)
    assert {task.status for task in done.data.tasks} == {"completed"}
    assert workers.order.index("Investigate Lambda CloudWatch logs (empty)") < 5
    assert "![the tasks](data:image/svg+xml" in (done.artifact or "")
    assert house.rows("SELECT count(*) FROM tasks WHERE status = 'completed' AND completed_at IS NOT NULL") == [(17,)]
    assert house.rows("SELECT count(*) FROM task_dependencies") == [(5 * 4 + 4 * 8,)]
    assert [step.name for step in house.scene.steps.values()] == [
        "Read the issue", "Plan the tasks", "Store the tasks", "Run 17 task(s)",
    ]  # fmt: skip


def test_children_know_where_they_work(house: House) -> None:
    coordinate(house, house.context(BODY + "\n- [ ] #12 own issue (after #4)"), Workers())

    rows = house.rows(
        "SELECT e.agent_type, e.issue_number, e.priority, e.options, e.input, e.idempotency_key = 'task:' || t.id, "
        "e.parent_id FROM agent_executions e JOIN tasks t ON t.execution_id = e.id ORDER BY t.metadata ->> 'key'"
    )
    branches = ["feature/issue-977-task-1", "feature/issue-977-task-2"]
    assert rows[0] == (
        "codegen", 977, "P2", {"auto_pr": True, "task": "task-1", "title": "first", "after": []},
        {"instructions": "first"}, True, house.id,
    )  # fmt: skip
    assert rows[2][3] == {"auto_pr": True, "task": "task-3", "title": "third", "after": branches}
    assert (rows[4][1], rows[4][3]) == (12, {"auto_pr": True, "title": "#12 own issue", "after": []})


def test_no_more_run_at_once_than_may(house: House) -> None:
    house.scene.settings = AgentSettings(issues_directory=ISSUES)
    workers = Workers(seconds=0.05)
    coordinate(house, house.context("\n".join(f"- [ ] task {n}" for n in range(5)), max_parallel=2), workers)
    assert workers.most <= 2
    assert len(workers.order) == 5


def test_a_failure_holds_back_what_depends_on_it(house: House) -> None:
    workers = Workers(ends={"second": "failed"})
    with pytest.raises(Unsuccessful) as info:
        coordinate(house, house.context(BODY), workers)

    assert sorted(workers.order) == ["first", "second"]
    assert "1 of 4 task(s) completed, 1 failed, 2 not run" in str(info.value)
    assert "task-2 'second' failed: the door is stuck" in str(info.value)
    report = info.value.result.data
    assert isinstance(report, CoordinatorOutput)
    assert [task.status for task in report.tasks] == ["completed", "failed", "skipped", "skipped"]
    assert house.rows("SELECT name, status, error_message FROM tasks ORDER BY name") == [
        ("first", "completed", None),
        ("fourth", "cancelled", "not run: it depends on task-3 'third', which was not run"),
        ("second", "failed", "the door is stuck"),
        ("third", "cancelled", "not run: it depends on task-2 'second', which has failed"),
    ]  # fmt: skip
    assert ("WARN", "task-2 'second' has failed: the door is stuck") in [(a, b) for a, b, _ in house.scene.lines]


def test_it_goes_on_when_the_failed_one_was_tried_again(house: House) -> None:
    context = house.context(BODY)
    with pytest.raises(Unsuccessful):
        coordinate(house, context, Workers(ends={"second": "failed"}))
    for status in ("failed", "pending", "running"):  # how the coordinator's row goes when it is tried again
        house.rows(f"UPDATE agent_executions SET status = '{status}' WHERE parent_id IS NULL RETURNING id")
    house.rows("UPDATE agent_executions SET status = 'pending' WHERE status = 'failed' RETURNING id")

    workers = Workers()
    done = coordinate(house, house.context(BODY), workers)
    assert done.summary == "4 of 4 task(s) completed"
    assert workers.order == ["second", "third", "fourth"]
    assert house.rows("SELECT count(*) FROM tasks WHERE status = 'completed' AND error_message IS NULL") == [(4,)]


def test_an_escalation_is_carried_up(house: House) -> None:
    done = coordinate(house, house.context(BODY), Workers(ends={"third": "escalated"}))
    assert (done.escalation.target, done.escalation.reason) == ("CISO", "task-3: a hole")
    assert done.summary == "2 of 4 task(s) completed, 1 escalated, 1 not run"


def test_a_second_attempt_makes_nothing_twice(house: House) -> None:
    async def killed() -> None:
        async with at_work(house, workers):
            running = asyncio.create_task(run_coordinator(house.context(BODY)))
            while len(workers.order) < 2:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])

    workers = Workers()
    asyncio.run(killed())
    house.rows(
        "UPDATE agent_executions SET status = 'pending' WHERE status = 'running' AND parent_id IS NOT NULL RETURNING 1"
    )
    done = coordinate(house, house.context(BODY), Workers())

    assert done.summary == "4 of 4 task(s) completed"
    assert house.rows(
        "SELECT count(*), count(DISTINCT idempotency_key) FROM agent_executions WHERE parent_id IS NOT NULL"
    ) == [(4, 4)]
    assert house.rows("SELECT count(*) FROM tasks") == [(4,)]


def test_a_plan_alone_writes_nothing(house: House) -> None:
    done = coordinate(house, house.context(BODY, plan_only=True), Workers())
    assert [task.status for task in done.data.tasks] == ["planned"] * 4
    assert house.rows("SELECT count(*) FROM tasks") == [(0,)]


@pytest.mark.parametrize(
    ("body", "issue", "error", "words"),
    [
        ("- [ ] a (after 2)\n- [ ] b (after 1)", 977, Permanent, "circle: task-1 'a' → task-2 'b' → task-1 'a'"),
        ("- [ ] a", None, Rejected, "works on an issue: ask with an `issue_number`"),
        ("- [ ] a agent:coordinator", 977, Rejected, "a coordinator does not start"),
        ('```json\n{"tasks": [{"id": 1, "title": "A", "input": {"colour": 1}}]}\n```', 977, Rejected, "colour: Extra"),
    ],
)
def test_a_bad_plan_is_refused_before_anything_is_written(
    house: House, body: str, issue: int | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        coordinate(house, house.context(body, issue=issue), Workers())
    assert house.rows("SELECT count(*) FROM tasks") == [(0,)]


def test_a_cancelled_coordinator_starts_nothing(house: House) -> None:
    house.rows("UPDATE agent_executions SET cancel_requested_at = now() RETURNING 1")
    with pytest.raises(Temporary, match="to be cancelled: it starts no task"):
        coordinate(house, house.context(BODY), Workers())
    assert house.rows("SELECT count(*) FROM agent_executions WHERE parent_id IS NOT NULL") == [(0,)]


def test_a_task_that_a_person_has_cancelled_is_not_begun(house: House) -> None:
    given = {"input": {}, "options": {}, "agent_type": "codegen"}

    async def cancel_the_third() -> None:
        await house.call(
            coordination.store, house.id, [coordination.StoredTask("task-3", "third", "", "P2", "codegen", 1, [], {})]
        )
        house.rows("UPDATE tasks SET status = 'cancelled' RETURNING id")
        assert await house.call(coordination.start, house.id, "task-3", **given) is None

    asyncio.run(cancel_the_third())
    workers = Workers()
    with pytest.raises(Unsuccessful) as info:
        coordinate(house, house.context(BODY), workers)
    assert sorted(workers.order) == ["first", "second"]
    assert [task.status for task in info.value.result.data.tasks] == ["completed", "completed", "cancelled", "skipped"]
    assert house.rows("SELECT name FROM tasks WHERE status = 'cancelled' ORDER BY name") == [("fourth",), ("third",)]


def test_two_that_start_the_same_task_start_one(house: House) -> None:
    async def both() -> list[UUID]:
        stored = [coordination.StoredTask("task-1", "a", "", "P2", "codegen", 1, [], {})]
        await house.call(coordination.store, house.id, stored)
        given = {"input": {}, "options": {}, "agent_type": "codegen"}
        return await asyncio.gather(*(house.call(coordination.start, house.id, "task-1", **given) for _ in range(6)))

    assert len(set(asyncio.run(both()))) == 1
