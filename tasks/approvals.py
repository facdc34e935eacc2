"""The record of approvals, in the environment's own database. Before a first release there is none: then a decision is
written down with the release that comes of it, and a refusal stands in the flow run alone."""

import logging
from collections.abc import Callable, Mapping
from uuid import UUID

from database.approvals import (
    Connection,
    Decision,
    Ending,
    Question,
    close_questions,
    note_decision,
    note_question,
    waiting_runs,
)
from tasks.changes import Rollout
from tasks.errors import MiyabiError
from tasks.releases import Store

logger = logging.getLogger(__name__)
PATIENCE = 2.0
"""Seconds for the database to answer: a plan is shown without it."""


def record_question(rollout: Rollout, question: Question) -> None:
    """That a plan waits for a person."""
    record(rollout, lambda connection: note_question(connection, question))


def record_decision(rollout: Rollout, decision: Decision) -> None:
    """What the person said."""
    record(rollout, lambda connection: note_decision(connection, decision))


def undecided(rollout: Rollout) -> list[UUID]:
    """The runs whose questions nobody has decided."""
    found = list[UUID]()
    record(rollout, lambda connection: found.extend(waiting_runs(connection, rollout.environment.name)))
    return found


def record_ends(rollout: Rollout, ended: Mapping[UUID, Ending]) -> None:
    """That these runs wait no more."""
    if ended:
        record(rollout, lambda connection: close_questions(connection, ended))


def record(rollout: Rollout, write: Callable[[Connection], None]) -> None:
    try:
        with Store(rollout, patience=PATIENCE).connection() as connection:
            write(connection)
    except MiyabiError as error:
        logger.info("the approval is not recorded yet: %s", error)
