"""What was released where, and the undo log of each release.

A release is one row that goes running → succeeded, failed or rolled_back, each move one guarded statement. Before a
reversible change its before-state is written as a step, after it the step is done, and undoing marks it undone; so the
log is right whenever the process that writes it is killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from database.queries import load

SQL = load("releases.sql")
Connection = psycopg.Connection[Any]
Kind = Literal["release", "rollback"]


class NotRunning(Exception):
    """The release has ended: another one has taken its place, or it was rolled back."""


@dataclass(frozen=True)
class Request:
    """Who wants what released where."""

    environment: str
    requested_by: str | None = None
    git_sha: str | None = None
    source: str | None = None
    flow_run_id: UUID | None = None
    kind: Kind = "release"
    target_id: UUID | None = None
    """Of a rollback: the release that it goes back to."""


@dataclass(frozen=True)
class Outcome:
    """How a release ended."""

    status: Literal["succeeded", "failed"]
    code_sha256: str | None = None
    schema_version: int | None = None
    lambda_version_before: str | None = None
    lambda_version_after: str | None = None
    api_url: str | None = None
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    """What each check said, by its name: JSON."""
    site_manifest: str | None = None
    """Which publication of the site went with it."""
    error: str | None = None


@dataclass(frozen=True)
class Release:
    """One release."""

    id: UUID
    environment: str
    kind: Kind
    target_id: UUID | None
    status: Literal["running", "succeeded", "failed", "rolled_back"]
    requested_by: str | None
    git_sha: str | None
    source: str | None
    code_sha256: str | None
    schema_version: int | None
    lambda_version_before: str | None
    lambda_version_after: str | None
    api_url: str | None
    site_manifest: str | None
    verdicts: dict[str, Any]
    flow_run_id: UUID | None
    error: str | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def version(self) -> str:
        """The Lambda version that had the traffic after it; '' if it came to none."""
        return self.lambda_version_after or ""


@dataclass(frozen=True)
class Step:
    """A reversible change. `before` is what its kind needs to undo it."""

    release_id: UUID
    number: int
    name: str
    kind: str
    resource: str
    before: dict[str, Any]
    status: Literal["started", "done"]


def start_release(connection: Connection, request: Request) -> UUID:
    """A new running release. Those of its environment that still say `running` have died: it takes over from them."""
    with connection.transaction():
        closing = {"environment": request.environment, "reason": "the run died; the next release took over from it"}
        connection.execute(SQL["close_abandoned"], closing)
        (release_id,) = _scalars(connection, "start", asdict(request))
        connection.execute(SQL["take_over"], {"release_id": release_id, "environment": request.environment})
    return UUID(str(release_id))


def finish_release(connection: Connection, release_id: UUID, outcome: Outcome) -> None:
    """End a running release. Raises NotRunning if it has ended otherwise."""
    fields = {**asdict(outcome), "verdicts": Jsonb(dict(outcome.verdicts)), "release_id": release_id}
    _expect_one(_scalars(connection, "finish", fields), release_id)


def require_running(connection: Connection, release_id: UUID) -> None:
    """Raises NotRunning if the release has ended."""
    _expect_one(_scalars(connection, "is_running", {"release_id": release_id}), release_id)


def roll_back_release(connection: Connection, release_id: UUID) -> None:
    """Say that what the release changed was put back. Saying so again changes nothing."""
    _scalars(connection, "roll_back", {"release_id": release_id})


def note_step(
    connection: Connection, release_id: UUID, *, name: str, kind: str, resource: str, before: Mapping[str, Any]
) -> int:
    """Write down what is about to change; the number of the step. Raises NotRunning."""
    fields = {"release_id": release_id, "name": name, "kind": kind, "resource": resource}
    return int(_expect_one(_scalars(connection, "note_step", {**fields, "before": Jsonb(dict(before))}), release_id))


def step_done(connection: Connection, release_id: UUID, number: int) -> None:
    """The change was made. A step that was undone in the meantime stays undone."""
    _scalars(connection, "step_done", {"release_id": release_id, "number": number})


def step_undone(connection: Connection, release_id: UUID, number: int) -> None:
    """The change was put back. Saying so again changes nothing."""
    _scalars(connection, "step_undone", {"release_id": release_id, "number": number})


def steps_to_undo(connection: Connection, release_id: UUID) -> list[Step]:
    """What a rollback of this release puts back, last change first."""
    with connection.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(SQL["to_undo"], {"release_id": release_id}).fetchall()


def get_release(connection: Connection, release_id: UUID) -> Release | None:
    return _release(connection, "get", {"release_id": release_id})


def latest_release(connection: Connection, environment: str) -> Release | None:
    return _release(connection, "latest", {"environment": environment})


def latest_change(connection: Connection, environment: str) -> Release | None:
    """The last release that changed anything that can be put back, and did not put it back itself."""
    return _release(connection, "latest_that_changed", {"environment": environment})


def well_with_another(connection: Connection, environment: str, version: str) -> list[Release]:
    """The newest good releases of other versions, one for each."""
    return _releases(connection, "others_that_were_well", {"environment": environment, "version": version})


def release_of_code(connection: Connection, environment: str, code_sha256: str) -> Release | None:
    """The last release of exactly this code."""
    return _release(connection, "latest_of_code", {"environment": environment, "code_sha256": code_sha256})


def releases_like(connection: Connection, environment: str, prefix: str) -> list[Release]:
    """Releases whose ids begin like this; two of them mean that there are more."""
    return _releases(connection, "by_prefix", {"environment": environment, "prefix": prefix})


def release_with(connection: Connection, environment: str, version: str) -> Release | None:
    """The last good release that ended on this version."""
    return _release(connection, "by_version", {"environment": environment, "version": version})


def release_before(connection: Connection, environment: str, version: str) -> Release | None:
    """The last good release before the one that made this version."""
    return _release(connection, "before_version", {"environment": environment, "version": version})


def good_versions(connection: Connection, environment: str, count: int) -> list[str]:
    """The versions of the newest good releases."""
    return _scalars(connection, "good_versions", {"environment": environment, "count": count})


async def release_of(connection: psycopg.AsyncConnection[Any], flow_run_id: UUID) -> Release | None:
    """The release that this flow run of Prefect made."""
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(f"{SQL['read']} {SQL['by_flow_run']}", {"flow_run_id": flow_run_id})
        return await cursor.fetchone()


def _release(connection: Connection, query: str, fields: Mapping[str, Any]) -> Release | None:
    return next(iter(_releases(connection, query, fields)), None)


def _releases(connection: Connection, query: str, fields: Mapping[str, Any]) -> list[Release]:
    with connection.cursor(row_factory=class_row(Release)) as cursor:
        return cursor.execute(f"{SQL['read']} {SQL[query]}", fields).fetchall()


def _scalars(connection: Connection, query: str, fields: Mapping[str, Any]) -> list[Any]:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL[query], fields).fetchall()


def _expect_one(found: Sequence[Any], release_id: UUID) -> Any:
    if not found:
        raise NotRunning(f"release {release_id} is not running any more")
    return found[0]
