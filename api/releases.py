"""What was released where, and how it went: for everyone who is signed in, as the mission's backend shows deployments.

Not shown: where Prefect has the run, and more of an error than its first line.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import PREFIX
from api.auth import CurrentCaller
from api.backend import CurrentBackend
from api.cursors import read_cursor, write_cursor
from database import release_history
from database.execution_rows import Cursor
from database.release_history import ListedRelease

router = APIRouter(prefix=f"{PREFIX}/releases", tags=["releases"])


@router.get("", summary="Releases, newest first")
def list_releases(
    _caller: CurrentCaller,
    backend: CurrentBackend,
    response: Response,
    environment: str | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> list[ListedRelease]:
    after = read_cursor(before)
    with backend.pool.connection() as connection:
        found = release_history.page(connection, environment, before=after, limit=limit + 1)
    if len(found) > limit:
        response.headers["X-Next-Cursor"] = write_cursor(Cursor(found[limit - 1].started_at, found[limit - 1].id))
    return found[:limit]
