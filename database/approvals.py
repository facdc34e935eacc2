"""Who let which plan be carried out, or refused it: one row for each plan that a run has asked about."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row, scalar_row

from database.queries import load

SQL = load("approvals.sql")
Connection = psycopg.Connection[Any]
Ending = Literal["timed out", "cancelled", "crashed"]
"""Of a run that waited."""


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
    """What the person said. `approver` is None if they did not say who they are, which Prefect does not know. An
    approval is outdated if the plan had changed meanwhile: it was not carried out."""

    question: Question
    decision: Literal["approved", "refused"]
    approver: str | None
    reason: str
    decided_at: datetime
    outdated: bool = False


@dataclass(frozen=True)
class Approval:
    """A question with what came of it."""

    id: UUID
    environment: str
    flow: str
    flow_run_id: UUID
    plan_digest: str
    plan: str
    outcome: Literal["approved", "refused", "outdated", "timed out", "cancelled", "crashed", "waiting"]
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
    fields["closed_as"] = "outdated" if decision.outdated and decision.decision == "approved" else None
    connection.execute(SQL["decide"], {key: value for key, value in fields.items() if key != "question"})


def waiting_runs(connection: Connection, environment: str) -> list[UUID]:
    """The flow runs that wait, or have waited and ended undecided."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL["waiting"], {"environment": environment}).fetchall()


def close_questions(connection: Connection, ended: Mapping[UUID, Ending]) -> None:
    """Write down that these runs have ended, and how: nobody is asked any more."""
    for flow_run_id, ending in ended.items():
        connection.execute(SQL["close"], {"flow_run_id": flow_run_id, "closed_as": ending})


def list_approvals(connection: Connection, environment: str, limit: int = 20) -> list[Approval]:
    """The newest, first."""
    with connection.cursor(row_factory=class_row(Approval)) as cursor:
        return cursor.execute(SQL["page"], {"environment": environment, "limit": limit}).fetchall()
