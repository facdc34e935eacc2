"""The releases that were, for people to look at. `releases` writes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.execution_rows import Cursor
from database.queries import load

SQL = load("release_history.sql")


@dataclass(frozen=True)
class ListedRelease:
    """A release in a list. `verdicts` is what each check said, by its name; `error` the first line of the reason."""

    id: UUID
    environment: str
    kind: str
    status: str
    requested_by: str | None
    git_sha: str | None
    source: str | None
    code_sha256: str | None
    schema_version: int | None
    lambda_version_before: str | None
    lambda_version_after: str | None
    api_url: str | None
    verdicts: dict[str, Any]
    error: str | None
    started_at: datetime
    finished_at: datetime | None


def page(
    connection: psycopg.Connection[Any], environment: str | None, *, before: Cursor | None = None, limit: int = 50
) -> list[ListedRelease]:
    """The newest releases, or those before the one at `before`; of one environment or of all."""
    values = {
        "environment": environment,
        "before_at": before and before.created_at,
        "before_id": before and before.id,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(ListedRelease)) as cursor:
        return cursor.execute(SQL["page"], values, prepare=False).fetchall()
