"""What was released where, and how it went: for everyone who is signed in, as the mission's backend shows deployments.

Not shown: where Prefect has the run, and more of an error than its first line.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from api import PREFIX
from api.backend import CurrentBackend
from api.cursors import CurrentPaging, read_cursor
from api.permissions import CurrentCaller
from database import release_history
from database.release_history import ListedRelease

router = APIRouter(prefix=f"{PREFIX}/releases", tags=["releases"])


@router.get("", summary="Releases, newest first")
def list_releases(
    _caller: CurrentCaller,
    backend: CurrentBackend,
    paging: CurrentPaging,
    environment: Annotated[str | None, Query(max_length=100)] = None,
) -> list[ListedRelease]:
    with backend.pool.connection() as connection:
        found = release_history.page(connection, environment, before=read_cursor(paging), limit=paging.limit + 1)
    return paging.page(found, lambda last: (last.started_at, last.id))
