"""What is asked of an execution and what is seen of it, as the mission's API names it."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Request:
    """What an agent is asked to do. `priority` is P0 (first) to P3."""

    repository_id: UUID
    agent_type: str
    issue_number: int | None = None
    priority: str = "P2"
    options: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)
    max_attempts: int = 3


@dataclass(frozen=True)
class Execution:
    """One execution, as the mission's API shows it, with its priority and the reason of a failure."""

    id: UUID
    repository_id: UUID | None
    issue_number: int | None
    agent_type: str
    status: str
    priority: str
    started_at: datetime | None
    completed_at: datetime | None
    result_summary: str | None
    quality_score: int | None
    pr_number: int | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ListedExecution(Execution):
    """As a list shows it. `repository` is owner/name; `title` that of the task, if a coordinator asked."""

    repository: str | None
    parent_id: UUID | None
    title: str | None


LISTED = [field.name for field in fields(ListedExecution)]


@dataclass(frozen=True)
class Step:
    """A part of an execution that is not done twice. `number` counts from 1."""

    number: int
    name: str
    status: str
    error: str | None
    started_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class ExecutionDetail(Execution):
    """With what was asked and what came out, which can be large. `repository` is owner/name; `run_after` is when one
    that waits may begin at the earliest, where it has to pause. Whoever asks may stop it, or have it tried again, if
    its status is one for that."""

    repository: str | None
    options: dict[str, Any]
    input: dict[str, Any]
    result: Any
    attempt: int
    max_attempts: int
    timeout_seconds: int | None
    flow_run_id: UUID | None
    parent_id: UUID | None
    heartbeat_at: datetime | None
    run_after: datetime | None
    cancel_requested_at: datetime | None
    cancelled_at: datetime | None
    may_stop: bool
    may_execute: bool
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class LogLine:
    """`sequence` grows with each line: the next page is `since` the last one seen."""

    sequence: int
    id: UUID
    execution_id: UUID
    log_level: str
    message: str
    timestamp: datetime
    metadata: Any


@dataclass(frozen=True)
class Log:
    """Lines, and the execution's status before they were read: once that is an end, no line comes after them.
    `snapshot` is what was seen when the status was read."""

    status: str
    lines: list[LogLine]
    snapshot: str = "0:0:"


@dataclass(frozen=True)
class Standing:
    """Its status, and whether the user who asks has the permission in question."""

    status: str
    agent_type: str
    permitted: bool
    snapshot: str


@dataclass(frozen=True)
class Cursor:
    """The last row seen."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True)
class Filter:
    status: str | None = None
    agent_type: str | None = None
    repository_id: UUID | None = None
    parent_id: UUID | None = None
    text: str | None = None
    visible: bool = False


@dataclass(frozen=True)
class Page:
    """Some executions, and where the next page begins; None at the end. A search may find few on a page, or none."""

    executions: list[ListedExecution]
    next: Cursor | None
