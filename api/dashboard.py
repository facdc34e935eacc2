"""The numbers and the newest executions for a user's start page."""

from fastapi import APIRouter

from api import PREFIX
from api.auth import CurrentCaller
from api.backend import CurrentBackend
from database import dashboard
from database.dashboard import RecentExecution, Summary

router = APIRouter(prefix=f"{PREFIX}/dashboard", tags=["dashboard"])


@router.get("/summary", summary="How many executions, repositories and pull requests")
def get_summary(caller: CurrentCaller, backend: CurrentBackend) -> Summary:
    with backend.pool.connection() as connection:
        return dashboard.summary(connection, caller.user_id)


@router.get("/recent", summary="The 20 newest executions with their repositories")
def get_recent(caller: CurrentCaller, backend: CurrentBackend) -> list[RecentExecution]:
    with backend.pool.connection() as connection:
        return dashboard.recent(connection, caller.user_id)
