"""The numbers and the newest executions for a user's start page."""

from fastapi import APIRouter

from api import PREFIX
from api.backend import CurrentBackend
from api.permissions import CurrentCaller
from database import dashboard
from database.agents import AGENTS
from database.dashboard import Live, RecentExecution, Summary

router = APIRouter(prefix=f"{PREFIX}/dashboard", tags=["dashboard"])


@router.get("/summary", summary="How many executions, repositories and pull requests")
def get_summary(caller: CurrentCaller, backend: CurrentBackend) -> Summary:
    with backend.pool.connection() as connection:
        return dashboard.summary(connection, caller.user_id)


@router.get("/recent", summary="The 20 newest executions with their repositories")
def get_recent(caller: CurrentCaller, backend: CurrentBackend) -> list[RecentExecution]:
    with backend.pool.connection() as connection:
        return dashboard.recent(connection, caller.user_id)


@router.get(
    "/live", summary="What runs and waits, agent by agent, and the last 24 hours; cheap enough to ask for often"
)
def get_live(caller: CurrentCaller, backend: CurrentBackend) -> Live:
    with backend.pool.connection() as connection:
        return dashboard.live(connection, caller.user_id, [*AGENTS])
