"""Putting back what a release changed, from its undo log: traffic first, and of each kind the last change first.

Every step is tried, for a site that cannot be put back must not keep bad traffic where it is. What failed stays in the
log, is named in one error at the end, and is tried again by the next rollback, or undone with the next release.

The log is in PostgreSQL and not in a process, so this works after kill -9 and from another machine. Each step is put
back and then marked; killed in between, it is put back once more, which does no harm. Deleting a database is never an
undo, and migrations only go forward.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from database import releases
from database.releases import Connection, Release, Step
from tasks.changes import Rollout
from tasks.errors import MiyabiError, Permanent, Temporary, explain
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

    `undoers` are in the order in which their kinds go back. A release that is rolled back already gives an empty list;
    so does one that changed nothing. Raises after the last step, if one could not be put back.
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
        done, problems = undo_all(rollout, connection, steps, undoers)
        if problems:
            raise half_done(done, problems)
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


def undo_all(
    rollout: Rollout, connection: Connection, steps: Sequence[Step], undoers: Mapping[str, Undoer]
) -> tuple[list[str], list[MiyabiError]]:
    """Try each step. What was done, and what stood in the way of the others.

    Behind one that failed the earlier changes of the same thing wait for it: each goes back only from where the next
    one goes back to.
    """
    order = {kind: number for number, kind in enumerate(undoers)}
    done, problems, stuck = list[str](), list[MiyabiError](), set[tuple[str, str]]()
    for entry in sorted(steps, key=lambda entry: order.get(entry.kind, len(order))):
        thing = entry.kind, entry.resource
        if thing in stuck:
            continue
        try:
            done.append(undo(rollout, connection, entry, undoers))
        except (MiyabiError, ClientError, BotoCoreError) as error:
            logger.error("step %d, %s, cannot be put back: %s", entry.number, entry.name, error)
            stuck.add(thing)
            problems.append(named(entry, error))
    return done, problems


def undo(rollout: Rollout, connection: Connection, entry: Step, undoers: Mapping[str, Undoer]) -> str:
    if entry.kind not in undoers:
        raise Permanent(f"it is of kind {entry.kind!r}, which this version cannot undo")
    text = undoers[entry.kind](rollout, entry.resource, entry.before)
    logger.info("step %d, %s: %s", entry.number, entry.name, text)
    if not rollout.planning:
        releases.step_undone(connection, entry.release_id, entry.number)
    return text


def named(entry: Step, error: Exception) -> MiyabiError:
    """The error with its step."""
    doing = f"step {entry.number} {entry.name!r} of {entry.kind} {entry.resource}"
    if not isinstance(error, MiyabiError):
        return explain(error, doing)
    return (Temporary if isinstance(error, Temporary) else Permanent)(f"{doing}: {error}")


def half_done(done: Sequence[str], problems: Sequence[MiyabiError]) -> MiyabiError:
    """One error for all: worth another attempt only if each of them is."""
    lines = [
        f"not all was put back; {len(problems)} problem(s), and the next rollback tries only these again",
        *(f"  - not put back: {problem}" for problem in problems),
        *(f"  - put back: {text}" for text in done),
    ]
    temporary = all(isinstance(problem, Temporary) for problem in problems)
    return (Temporary if temporary else Permanent)("\n".join(lines))
