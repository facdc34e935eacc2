"""`/ws`: what happens, as it happens, in the mission's frames (`api/frames.py`), under uvicorn.

API Gateway's HTTP APIs hold no sockets: there a page asks with `wait` (api/streams.py), and `/health` says which way a
target has. Who calls is always known: `Authorization`, or what a browser can send: `Sec-WebSocket-Protocol: miyabi,
<token>`, or `?token=`, which api/server_log.py keeps out of the server's log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Annotated, Any
from uuid import UUID

import jwt
import psycopg
from fastapi import APIRouter, Query, Response, WebSocket
from fastapi.security import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocketDisconnect

from api import PREFIX
from api.backend import Backend
from api.errors import ApiError, response
from api.frames import ENDED, SOURCELESS, TYPES, dumped
from api.live import DONE, EXPIRED, REASONS, UNSEEN, Client, Hub
from api.permissions import CurrentCaller, current_caller
from api.strictness import problems_of
from api.tokens import Caller
from database import executions
from database.execution_rows import Log
from database.live import Snapshot
from database.pool import Unavailable

logger = logging.getLogger(__name__)
router = APIRouter(prefix=PREFIX)
PROTOCOL = "miyabi"
PARAMETERS = {"token", "execution_id", "events", "since"}
HEARTBEAT_S = 25.0
"""Proxies cut what is silent for a minute, and a page cannot see the pings of the protocol."""
GOODBYE_S = 2.0
PAGE = 500


@router.get(
    "/ws",
    status_code=101,
    tags=["live"],
    summary="What happens, as it happens, over a WebSocket",
    response_description="The connection is open, and frames follow: docs/api.md",
)
async def connect_live(
    _caller: CurrentCaller,
    execution_id: UUID | None = None,
    since: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    events: Annotated[str | None, Query(max_length=1000, description="Types of frames, by commas")] = None,
) -> Response:
    """A request that is no handshake is answered 426."""
    text = "Connect with a WebSocket; `live` of /health says whether there are any here"
    return response(ApiError("validation_error", text, status=426), {"Upgrade": "websocket", "Connection": "Upgrade"})


@router.websocket("/ws")
async def live_socket(socket: WebSocket) -> None:
    backend, hub = socket.app.state.backend, socket.app.state.live
    query = socket.query_params
    token = token_of(socket, query)
    caller = await run_in_threadpool(verified, backend, token)
    client = wishes(caller, query)
    status = await run_in_threadpool(status_of, backend, client)
    async with hub.joined(client):
        offered = socket.scope["subprotocols"]
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        started = time.monotonic()
        code = await first_of(
            client.closed, expiry(token), until_left(socket), serve(socket, backend, hub, client, status)
        )
        logger.info("live connection ended: %s", code, extra={"facts": {"code": code, "s": time.monotonic() - started}})
        if code is not None:
            await close(socket, code)


def token_of(socket: WebSocket, query: QueryParams) -> str:
    scheme, _, given = socket.headers.get("authorization", "").partition(" ")
    if given and scheme.lower() == "bearer":
        return given
    offered: list[str] = socket.scope["subprotocols"]
    others = [one for one in offered if one != PROTOCOL]
    return others[0] if PROTOCOL in offered and others else query.get("token", "")


def verified(backend: Backend, token: str) -> Caller:
    return current_caller(HTTPAuthorizationCredentials(scheme="Bearer", credentials=token) if token else None, backend)


def wishes(caller: Caller, query: QueryParams) -> Client:
    """What the query asks for. Raises ApiError, with all that is wrong with it."""
    problems = problems_of(query, PARAMETERS)
    types = frozenset(filter(None, query.get("events", "").split(","))) or frozenset(TYPES)
    if unknown := sorted(types - {*TYPES, *SOURCELESS}):
        problems.append({"field": "query.events", "problem": f"there is no {', '.join(unknown)[:200]}"})
    try:
        execution_id = UUID(query["execution_id"]) if "execution_id" in query else None
    except ValueError:
        problems.append({"field": "query.execution_id", "problem": "it has to be a UUID"})
    since = query.get("since", "0")
    if not (since.isascii() and since.isdigit() and int(since) < 2**63):
        problems.append({"field": "query.since", "problem": "it has to be the sequence of a line"})
    if problems:
        text = f"{len(problems)} problem(s) in the request"
        raise ApiError("validation_error", text, status=422, details=problems)
    return Client(caller.user_id, types, execution_id, int(since))


def status_of(backend: Backend, client: Client) -> str:
    """How the execution stands that the client names. Raises ApiError if the user may not look at it."""
    if client.execution_id is None:
        return ""
    with backend.pool.connection() as connection:
        found = executions.standing(connection, client.user_id, client.execution_id, "agents.read")
    if found is None:
        raise ApiError("not_found", "You have no such execution")
    return found.status


def is_seen(backend: Backend, client: Client) -> bool:
    """False if the execution is gone, or not to be seen any more: then nothing of it would ever be heard."""
    try:
        status_of(backend, client)
    except ApiError:
        return False
    except (Unavailable, psycopg.Error):  # what listens will notice
        return True
    return True


async def serve(socket: WebSocket, backend: Backend, hub: Hub, client: Client, status: str) -> int:
    """Send what there is and what comes, until the execution has ended, or is seen no more; the code to close with."""
    if client.execution_id is not None and await catch_up(socket, backend, hub, client, status):
        return DONE
    while True:
        try:
            frame = await asyncio.wait_for(client.queue.get(), HEARTBEAT_S)
        except TimeoutError:
            if not await run_in_threadpool(is_seen, backend, client):
                return UNSEEN
            await socket.send_text(dumped(type="heartbeat"))
            continue
        if frame.type in client.types and client.is_new(frame):
            await socket.send_text(frame.text)
        if frame.type == "execution_complete":
            return DONE


async def catch_up(socket: WebSocket, backend: Backend, hub: Hub, client: Client, status: str) -> bool:
    """How it stands, and the lines so far: first without, then with the hub handing out new ones, so that none is
    missed in between. True if it has ended, and all is said."""

    def read() -> Log:
        with backend.pool.connection() as connection:
            assert client.execution_id is not None
            found = executions.logs(connection, client.user_id, client.execution_id, since=client.since, limit=PAGE)
        return found or Log("gone", [])

    await tell(socket, client, "agent_status", status=status)
    for is_followed in (False, True):
        if is_followed:
            hub.follow(client)
        while (log := await run_in_threadpool(read)).lines:
            for line in log.lines:
                client.since = line.sequence
                await tell(socket, client, "log_entry", **vars(line))
    client.seen = Snapshot.parse(log.snapshot)
    if log.status != status and log.status not in ENDED:
        await tell(socket, client, "agent_status", status=log.status)
    if log.status in ENDED:
        await tell(socket, client, "execution_complete", status=log.status)
    return log.status in ENDED


async def tell(socket: WebSocket, client: Client, type: str, **facts: Any) -> None:
    if type in client.types:
        await socket.send_text(dumped(type=type, **{"execution_id": client.execution_id, **facts}))


async def expiry(token: str) -> int:
    """Wait until the token is no longer good."""
    until: float = jwt.decode(token, options={"verify_signature": False})["exp"]
    await asyncio.sleep(max(0.0, until - time.time()))
    return EXPIRED


async def until_left(socket: WebSocket) -> None:
    """What a client says is not listened to, but that it leaves is heard."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def first_of(*waits: Awaitable[int | None]) -> int | None:
    """What ends first; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    except WebSocketDisconnect:
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def close(socket: WebSocket, code: int) -> None:
    """A client that reads nothing gets no goodbye."""
    try:
        await asyncio.wait_for(socket.close(code, REASONS[code]), GOODBYE_S)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        logger.info("a live connection could not be closed in time")
