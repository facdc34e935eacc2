"""Who let which plan be carried out, or refused it: one row for each plan that a run has asked about."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.queries import load

SQL = load("approvals.sql")
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Question:
    """A plan that a person is asked about, for so many seconds. The digest is the same for the same plan."""

    environment: str
    flow: str
    flow_run_id: UUID
    plan_digest: str
    plan: str
    patience_s: float


@dataclass(frozen=True)
class Decision:
    """What the person said. `approver` is None if they did not say who they are, which Prefect does not know."""

    question: Question
    decision: Literal["approved", "refused"]
    approver: str | None
    reason: str
    decided_at: datetime


@dataclass(frozen=True)
class Approval:
    """A question with what came of it."""

    id: UUID
    environment: str
    flow: str
    flow_run_id: UUID
    plan_digest: str
    plan: str
    outcome: Literal["approved", "refused", "timed out", "waiting"]
    approver: str | None
    reason: str | None
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    release_id: UUID | None


def note_question(connection: Connection, question: Question) -> None:
    """Write down that a plan waits. Asking again changes nothing."""
    connection.execute(SQL["ask"], asdict(question))


def note_decision(connection: Connection, decision: Decision, release_id: UUID | None = None) -> None:
    """Write down what was decided, and later the release that came of it. The first decision stands."""
    fields = {**asdict(decision.question), **asdict(decision), "release_id": release_id}
    connection.execute(SQL["decide"], {key: value for key, value in fields.items() if key != "question"})


def list_approvals(connection: Connection, environment: str, limit: int = 20) -> list[Approval]:
    """The newest, first."""
    with connection.cursor(row_factory=class_row(Approval)) as cursor:
        return cursor.execute(SQL["page"], {"environment": environment, "limit": limit}).fetchall()
