"""The last release with all that is known of it: its undo log, its load test, how large its site is. For a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from database.load_runs import LoadRun
from database.queries import load
from database.releases import Release, latest_release

SQL = load("release_story.sql")
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class LoggedStep:
    """A reversible change."""

    number: int
    name: str
    kind: str
    resource: str
    status: str
    started_at: datetime
    done_at: datetime | None
    undone_at: datetime | None


@dataclass(frozen=True)
class Story:
    """The last release of an environment, and how many there were."""

    release: Release
    count: int
    steps: Sequence[LoggedStep] = ()
    load: LoadRun | None = None
    site_files: int = 0
    site_bytes: int = 0


def last_story(connection: Connection, environment: str) -> Story | None:
    """None where nothing was released."""
    release = latest_release(connection, environment)
    if release is None:
        return None
    values = {
        "environment": environment,
        "release_id": release.id,
        "flow_run_id": release.flow_run_id,
        "manifest": release.site_manifest,
    }
    with connection.cursor(row_factory=class_row(LoggedStep)) as cursor:
        steps = cursor.execute(SQL["steps"], values).fetchall()
    with connection.cursor(row_factory=class_row(LoadRun)) as cursor:
        tested = cursor.execute(SQL["load"], values).fetchone()
    files, size = connection.execute(SQL["site"], values).fetchone() or (0, 0)
    (count,) = connection.execute(SQL["count"], values).fetchone() or (0,)
    return Story(release, count, steps, tested, files, size)
