"""Asking for an agent's work and watching it: one row in the database, and nobody has to be awake to take it.

`Idempotency-Key` makes asking twice safe. Lists are pages by position, not by number: `X-Next-Cursor` of one answer is
`before` of the next request. A log is read on with `since`, the `sequence` of the last line seen.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from api import PREFIX
from api.auth import CurrentCaller
from api.backend import CurrentBackend
from api.errors import ApiError
from database import executions
from database.agents import AGENTS
from database.executions import Cursor, Execution, ExecutionDetail, Filter, KeyReused, LogLine, Request

router = APIRouter(prefix=f"{PREFIX}/agents", tags=["executions"])
Status = Literal["pending", "running", "completed", "failed", "cancelled"]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    use_worktree: bool = False
    auto_pr: bool = False
    slack_notify: bool = False


class NewExecution(BaseModel):
    """`input` is the agent's own affair."""

    model_config = ConfigDict(extra="forbid")

    repository_id: UUID
    agent_type: str
    issue_number: int | None = Field(None, ge=1, le=2**31 - 1)
    priority: Literal["P0", "P1", "P2", "P3"] = "P2"
    options: Options = Options()
    input: dict[str, JsonValue] = {}

    @field_validator("agent_type")
    @classmethod
    def is_known(cls, agent_type: str) -> str:
        if agent_type not in AGENTS:
            raise ValueError(f"no such agent; there are {', '.join(AGENTS)}")
        return agent_type

    def request(self) -> Request:
        values: dict[str, Any] = self.model_dump()
        return Request(**values)


@router.post("/execute", status_code=202, summary="Ask an agent to work")
def execute(
    body: NewExecution,
    caller: CurrentCaller,
    backend: CurrentBackend,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Execution:
    try:
        with backend.pool.connection() as connection:
            made = executions.create(connection, caller.user_id, body.request(), key=idempotency_key)
    except KeyReused:
        raise ApiError("validation_error", "This Idempotency-Key was used for another request", status=422) from None
    if made is None:
        raise ApiError("not_found", "You have no such repository")
    return made


@router.get("/executions", summary="Your executions, newest first")
def list_executions(
    caller: CurrentCaller,
    backend: CurrentBackend,
    response: Response,
    status: Status | None = None,
    agent_type: str | None = None,
    repository_id: UUID | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> list[Execution]:
    wanted, after = Filter(status, agent_type, repository_id), read_cursor(before)
    with backend.pool.connection() as connection:
        found = executions.page(connection, caller.user_id, wanted, before=after, limit=limit + 1)
    if len(found) > limit:
        response.headers["X-Next-Cursor"] = write_cursor(found[limit - 1])
    return found[:limit]


@router.get("/executions/{execution_id}", summary="One execution, with its input and result")
def get_execution(execution_id: UUID, caller: CurrentCaller, backend: CurrentBackend) -> ExecutionDetail:
    with backend.pool.connection() as connection:
        execution = executions.get(connection, caller.user_id, execution_id)
    if execution is None:
        raise ApiError("not_found", "You have no such execution")
    return execution


@router.get("/executions/{execution_id}/logs", summary="What the agent said, in order")
def get_logs(
    execution_id: UUID,
    caller: CurrentCaller,
    backend: CurrentBackend,
    since: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> list[LogLine]:
    with backend.pool.connection() as connection:
        lines = executions.logs(connection, caller.user_id, execution_id, since=since, limit=limit)
    if lines is None:
        raise ApiError("not_found", "You have no such execution")
    return lines


def write_cursor(last: Execution) -> str:
    """Where a page ended, in a form that nobody takes apart."""
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()


def read_cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        created_at, _space, row_id = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        return Cursor(datetime.fromisoformat(created_at), UUID(row_id))
    except (binascii.Error, ValueError):
        raise ApiError("validation_error", "before is not a cursor of this list", status=422) from None
