"""What tests of agents share: a context without Prefect and without a database, which remembers what was said and done.

`scene = Scene()`, `context = scene.context("review", path="…")`, `await run_review(context)`; then look at
`scene.lines`, `scene.steps` and `scene.children`. A scene that is given `finished` steps plays a second attempt.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from blocks.agents import AgentSettings
from database.agents import AGENTS
from database.queue import Claim
from tasks.agents.context import AgentContext, Child, ChildRequest, Help
from tasks.agents.store import Call


@dataclass
class StepSeen:
    """A step as it was written down."""

    name: str
    output: Any = None
    error: str | None = None
    done: bool = False


@dataclass
class Scene:
    """Collaborators in memory. `answer` says how a child ends; by default each is completed with no result."""

    settings: AgentSettings = field(default_factory=AgentSettings)
    steps: dict[int, StepSeen] = field(default_factory=dict)
    lines: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    children: dict[UUID, ChildRequest] = field(default_factory=dict)
    answer: Callable[[UUID, ChildRequest], Child] = lambda id, request: Child(id, request.agent_type, "completed")
    id: UUID = field(default_factory=uuid4)
    slept: list[float] = field(default_factory=list)
    database: Call | None = None

    def context(self, agent: str, *, timeout: float = 60.0, issue: int | None = None, **given: Any) -> AgentContext:
        """A context for an agent with this input. What `steps` holds as done is an earlier attempt's."""
        known = AGENTS[agent]
        claim = Claim(
            id=self.id, agent_type=agent, repository_id=uuid4(), repository="hana/shop", issue_number=issue,
            user_id=uuid4(), priority="P2", options={}, input=given, attempt=1, max_attempts=3, timeout_seconds=None,
            parent_id=None, flow_run_id=None, created_at=datetime.now(UTC),
        )  # fmt: skip
        help = Help(
            owner="test", steps=self, write=lambda level, text, data: self.lines.append((level, text, data)),
            family=self, sleep=self.sleep, database=self.database,
            finished={n: step for n, step in self.steps.items() if step.done},
        )  # fmt: skip
        deadline = time.monotonic() + timeout
        return AgentContext(claim, known, known.input(**given), settings=self.settings, deadline=deadline, help=help)

    async def start_step(self, execution_id: UUID, owner: str, number: int, name: str) -> None:
        self.steps[number] = StepSeen(name)

    async def finish_step(
        self, execution_id: UUID, owner: str, number: int, name: str, *, output: Any = None, error: str | None = None
    ) -> None:
        step = self.steps[number]
        step.output, step.error, step.done = output, error, error is None

    async def add(self, parent: UUID, key: str, requests: Sequence[ChildRequest]) -> list[UUID]:
        made = {uuid4(): request for request in requests}
        self.children |= made
        return list(made)

    async def look(self, ids: Sequence[UUID]) -> list[Child]:
        return [self.answer(id, self.children[id]) for id in ids]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
