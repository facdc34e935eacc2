"""Asking for an agent's work and watching it: one row in the database, and nobody has to be awake to take it.

A log is read on with `since`, the `sequence` of the last line seen, or as it
is written with `Accept: text/event-stream`, or with `wait` (api/streams.py).

Who may: the owner of a repository that belongs to no organization may do everything with it, so a fresh account can
start at once. In an organization its roles decide: agents.execute to ask and to retry, agents.stop to cancel,
agents.read to look, also at what one has asked for oneself: who has left sees nothing any more. Unseen is 404, seen
and not allowed 403.
The deployment agent demands the grant deployments.execute of the account besides, the refresher and the waterspider
agents.manage: no role in an organization gives these, for they concern what belongs to none. A plan with such an agent,
or a workflow, demands the same when it is stored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi import Request as HttpRequest

from api import PREFIX
from api.backend import CurrentBackend
from api.cursors import CurrentPaging, read_cursor
from api.errors import ApiError
from api.etags import Change, Changes, tag
from api.execution_requests import NewExecution
from api.idempotency import CurrentCreation
from api.permissions import Access, Needs
from api.streams import LONGEST_WAIT_S, EventStream, is_wanted, next_page, patience
from database import executions
from database.agents import AGENTS, find
from database.execution_rows import Execution, ExecutionDetail, Filter, ListedExecution, Log, LogLine
from database.executions import NotGranted, NotPermitted, WrongState

router = APIRouter(prefix=f"{PREFIX}/agents", tags=["executions"])
Reads = Annotated[Access, Needs("agents.read", by_statement=True)]
Executes = Annotated[Access, Needs("agents.execute", by_statement=True)]
Stops = Annotated[Access, Needs("agents.stop", by_statement=True)]
Changing = Annotated[Change, Depends(Changes("execution"))]
Status = Literal["pending", "running", "completed", "failed", "cancelled"]


@router.post("/execute", status_code=202, summary="Ask an agent to work")
def execute(body: NewExecution, caller: Executes, creation: CurrentCreation) -> Execution:
    def create(connection: Any) -> Execution:
        made = executions.create(connection, caller.user_id, body.request())
        if made is None:
            raise ApiError("not_found", "You have no such repository")
        return made

    with refusals():
        return creation.once(create, at=lambda made: f"executions/{made.id}")


@router.get("/executions", summary="The executions that you asked for, or those of an organization, newest first")
def list_executions(
    access: Annotated[Access, Needs("agents.read")],
    backend: CurrentBackend,
    paging: CurrentPaging,
    status: Status | None = None,
    agent_type: str | None = None,
    repository_id: UUID | None = None,
    parent_id: UUID | None = None,
    text: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    visible: bool = False,
) -> list[ListedExecution]:
    """`text` is looked for in what the list shows, in many executions at a time: a page may have few of them, or none,
    and `X-Next-Cursor` all the same. `visible`: without an organization all that you may look at.
    """
    if agent_type is not None:
        agent_type = known_agent(agent_type)
    wanted, position = Filter(status, agent_type, repository_id, parent_id, text, visible), read_cursor(paging)
    with backend.pool.connection() as connection:
        page = executions.page(
            connection, access.user_id, wanted, organization_id=access.organization_id, before=position,
            limit=paging.limit,
        )  # fmt: skip
    if page.next:
        paging.next((page.next.created_at, page.next.id))
    return page.executions


@router.get("/executions/{execution_id}", summary="One execution, with its input, steps and result")
def get_execution(execution_id: UUID, caller: Reads, backend: CurrentBackend, response: Response) -> ExecutionDetail:
    with backend.pool.connection() as connection:
        return tag(response, seen(executions.get(connection, caller.user_id, execution_id)))


@router.get(
    "/executions/{execution_id}/logs",
    summary="What the agent said, in order; as it says it with Accept: text/event-stream",
    response_model=list[LogLine],
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def get_logs(
    execution_id: UUID,
    caller: Reads,
    backend: CurrentBackend,
    http: HttpRequest,
    response: Response,
    since: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    wait: Annotated[
        int, Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for a line, if there is none")
    ] = 0,
    last_event_id: Annotated[int, Header(ge=0, le=2**63 - 1)] = 0,
) -> Response | list[LogLine]:
    """A page may be shorter than `limit`; an empty one is the end, so far. `X-Execution-Status` is the status before
    the lines were read: after an end none follow. Lambda sends no streams, but pages.
    """

    def read(after: int) -> Log:
        with backend.pool.connection() as connection:
            return seen(executions.logs(connection, caller.user_id, execution_id, since=after, limit=limit))

    start, streams = max(since, last_event_id), is_wanted(http)
    log = await next_page(read, since=start, wait_s=0 if streams else patience(http, wait))
    if streams:
        return EventStream(read, log, since=start)
    response.headers["X-Execution-Status"] = log.status
    return log.lines


@router.post(
    "/executions/{execution_id}/cancel",
    status_code=202,
    summary="Cancel it: 200 if it was waiting, 202 if it runs and is being stopped, 409 if it has ended",
    responses={200: {"model": Execution}},
)
def cancel_execution(execution_id: UUID, caller: Stops, change: Changing, response: Response) -> Execution:
    with refusals("cancelled while it waits or runs"), change.connection() as connection:
        moved = change.tag(seen(executions.cancel(connection, caller.user_id, execution_id)))
    response.status_code = 200 if moved.status == "cancelled" else 202
    return moved


@router.post("/executions/{execution_id}/retry", status_code=202, summary="Try a failed one again")
def retry_execution(execution_id: UUID, caller: Executes, change: Changing) -> Execution:
    with refusals("tried again once it has failed"), change.connection() as connection:
        return change.tag(seen(executions.retry(connection, caller.user_id, execution_id)))


def known_agent(name: str) -> str:
    if (agent := find(name)) is None:
        raise ApiError(
            "validation_error", f"There is no agent {name[:100]!r}; there are {', '.join(AGENTS)}", status=422
        )
    return agent.id


T = TypeVar("T")


def seen(found: T | None) -> T:
    if found is None:
        raise ApiError("not_found", "You have no such execution")
    return found


@contextmanager
def refusals(rule: str = "") -> Iterator[None]:
    """Answers for what the store refuses. `rule` says when this can be done."""
    try:
        yield
    except NotGranted as grant:
        text = f"This agent's work concerns the whole installation: your account has not been granted {grant}"
        raise ApiError("authorization_error", text) from None
    except NotPermitted as permission:
        text = f"You do not have the permission {permission} in the organization of this repository"
        raise ApiError("authorization_error", text) from None
    except WrongState as status:
        text = f"This execution is {status}; it can only be {rule}"
        raise ApiError("conflict", text, details={"status": str(status)}) from None
