"""Putting back what a release changed, from its undo log, last change first.

The log is in PostgreSQL and not in a process, so this works after kill -9 and from another machine. Each step is put
back and then marked; killed in between, it is put back once more, which does no harm. Deleting a database is never an
undo, and migrations only go forward.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from database import releases
from database.releases import Connection, Release, Step
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.releases import Store
from tasks.steps import step

logger = logging.getLogger(__name__)

Undoer = Callable[[Rollout, str, Mapping[str, Any]], str]
"""(rollout, resource, before) → what was done, in words. It may be called twice for one step."""


@step("Undo the release")
def replay_undo(
    rollout: Rollout, undoers: Mapping[str, Undoer], *, release_id: UUID | None = None, store: Store | None = None
) -> list[str]:
    """Put back what a release changed: the given one, else the last that changed anything. What was done, in words.

    A release that is rolled back already gives an empty list; so does one that changed nothing.
    """
    store = store or Store(rollout)
    with store.connection() as connection:
        release = find(connection, rollout.environment.name, release_id)
        if release is None:
            return []
        steps = releases.steps_to_undo(connection, release.id)
        if not steps:
            logger.info(
                "release %s has nothing to put back: it changed nothing, or was rolled back already", release.id
            )
        done = [undo(rollout, connection, entry, undoers) for entry in steps]
        if steps and not rollout.planning:
            releases.roll_back_release(connection, release.id)
    return done


def find(connection: Connection, environment: str, release_id: UUID | None) -> Release | None:
    if release_id is None:
        return releases.latest_change(connection, environment)
    release = releases.get_release(connection, release_id)
    if release is None or release.environment != environment:
        raise Permanent(f"environment {environment!r} has no release {str(release_id)!r}")
    return release


def undo(rollout: Rollout, connection: Connection, entry: Step, undoers: Mapping[str, Undoer]) -> str:
    if entry.kind not in undoers:
        raise Permanent(f"step {entry.number} {entry.name!r} is of kind {entry.kind!r}, which this version cannot undo")
    text = undoers[entry.kind](rollout, entry.resource, entry.before)
    logger.info("step %d, %s: %s", entry.number, entry.name, text)
    if not rollout.planning:
        releases.step_undone(connection, entry.release_id, entry.number)
    return text
