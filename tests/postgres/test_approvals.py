"""The record of approvals: one row for each plan, the first decision stands, and time passes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from database.approvals import (
    Decision,
    Question,
    close_questions,
    list_approvals,
    note_decision,
    note_question,
    waiting_runs,
)
from database.releases import Request, start_release

QUESTION = Question("local", "release", UUID(int=1), "plan-0123456789ab", "create database", 3600)
SAID = Decision(QUESTION, "approved", "Ada", "it is Monday", datetime(2026, 11, 27, 12, tzinfo=UTC))


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


def test_a_question_is_one_row_with_its_decision_and_its_release(connection: psycopg.Connection[Any]) -> None:
    note_question(connection, QUESTION)
    note_question(connection, QUESTION)
    assert [one.outcome for one in list_approvals(connection, "local")] == ["waiting"]
    note_decision(connection, SAID)
    release = start_release(connection, Request("local"))
    note_decision(connection, SAID, release)
    note_decision(connection, replace(SAID, decision="refused", approver="Eve", reason="no"))
    (one,) = list_approvals(connection, "local")
    assert (one.outcome, one.approver, one.reason, one.release_id) == ("approved", "Ada", "it is Monday", release)
    assert one.decided_at == SAID.decided_at
    assert list_approvals(connection, "production") == []


def test_a_first_release_writes_its_question_with_the_decision(connection: psycopg.Connection[Any]) -> None:
    note_decision(connection, replace(SAID, approver=None), start_release(connection, Request("local")))
    (one,) = list_approvals(connection, "local")
    assert (one.outcome, one.approver, one.plan) == ("approved", None, "create database")


def test_what_nobody_decides_in_time_has_timed_out(connection: psycopg.Connection[Any]) -> None:
    note_question(connection, replace(QUESTION, patience_s=-1))
    assert [one.outcome for one in list_approvals(connection, "local")] == ["timed out"]


def test_an_approval_of_a_plan_that_changed_is_outdated_and_a_refusal_is_a_refusal(
    connection: psycopg.Connection[Any],
) -> None:
    later = replace(QUESTION, plan_digest="plan-ba9876543210")
    for question in (QUESTION, later):
        note_question(connection, question)
    note_decision(connection, replace(SAID, outdated=True))
    note_decision(connection, replace(SAID, outdated=True, question=later, decision="refused", approver="Bob"))
    found = list_approvals(connection, "local")
    assert [(one.outcome, one.approver) for one in found] == [("refused", "Bob"), ("outdated", "Ada")]


def test_what_waited_is_closed_with_its_run(connection: psycopg.Connection[Any]) -> None:
    others = [replace(QUESTION, flow_run_id=UUID(int=number)) for number in (2, 3)]
    for question in (QUESTION, *others):
        note_question(connection, question)
    note_decision(connection, SAID)
    assert set(waiting_runs(connection, "local")) == {UUID(int=2), UUID(int=3)}
    close_questions(connection, {UUID(int=1): "crashed", UUID(int=2): "cancelled"})
    assert [one.outcome for one in list_approvals(connection, "local")] == ["waiting", "cancelled", "approved"]
    assert waiting_runs(connection, "local") == [UUID(int=3)]
