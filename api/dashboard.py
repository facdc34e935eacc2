"""The numbers and the newest executions for a start page: of what the user asked for, or of all in an organization.
They count what the lists would show."""

from typing import Annotated

from fastapi import APIRouter

from api import PREFIX
from api.backend import CurrentBackend
from api.permissions import Access, Needs
from database import dashboard
from database.agents import AGENTS
from database.dashboard import Live, RecentExecution, Summary

router = APIRouter(prefix=f"{PREFIX}/dashboard", tags=["dashboard"])
Reads = Annotated[Access, Needs("dashboard.read")]


@router.get("/summary", summary="How many executions, repositories and pull requests")
def get_summary(access: Reads, backend: CurrentBackend) -> Summary:
    with backend.pool.connection() as connection:
        return dashboard.summary(connection, access.user_id, access.organization_id)


@router.get("/recent", summary="The 20 newest executions with their repositories")
def get_recent(access: Reads, backend: CurrentBackend) -> list[RecentExecution]:
    with backend.pool.connection() as connection:
        return dashboard.recent(connection, access.user_id, access.organization_id)


@router.get(
    "/live", summary="What runs and waits, agent by agent, and the last 24 hours; cheap enough to ask for often"
)
def get_live(access: Reads, backend: CurrentBackend) -> Live:
    with backend.pool.connection() as connection:
        return dashboard.live(connection, access.user_id, [*AGENTS], access.organization_id)
