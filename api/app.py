"""The application: routes, errors and what surrounds a request, put together once for a process.

`uvicorn api.app:app` serves it; `api.handler` is the same under Lambda. Nothing is connected to here.
"""

import contextlib
import logging
import os
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from api import (
    PREFIX,
    __version__,
    agents,
    auth,
    dashboard,
    docs,
    errors,
    executions,
    github,
    health,
    invitations,
    live_socket,
    members,
    organizations,
    processes,
    refusals,
    releases,
    repositories,
    tasks,
    teams,
    workflows,
)  # fmt: skip
from api.backend import Backend, from_environment
from api.description import Described
from api.etags import ETags
from api.limits import Limits
from api.live import Hub
from api.requests import Heads, Requests
from api.server_log import ServerLog
from api.strictness import strictly
from api.surroundings import Packing

logger = logging.getLogger(__name__)
EXPOSED = [
    "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Execution-Status",
    "X-Next-Cursor", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id",
]  # fmt: skip

PARTS = (
    health, auth, github, executions, agents, dashboard, releases, repositories, organizations, members, invitations,
    teams, tasks, workflows, processes, live_socket, docs,
)  # fmt: skip
"""/agents/{agent} comes after /agents/executions."""


def create_app(backend: Backend) -> FastAPI:
    """The backend as an ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        for problem in backend.settings.lacking():
            logger.error("not configured: %s", problem)
        yield
        backend.pool.close()

    app = Described(
        title="Miyabi",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(strictly)],
        responses={"default": {"model": errors.Problem}},
        generate_unique_id_function=lambda route: route.name,  # the client's methods have these names
    )
    app.state.backend = backend
    app.state.live = Hub(backend)
    for part in PARTS:
        app.include_router(part.router)
    errors.install(app)
    refusals.install(app)
    surround(app, backend)
    return app


def surround(app: FastAPI, backend: Backend) -> None:
    """What is added last is asked first. No origin is allowed credentials: tokens are in headers, not cookies."""
    app.add_middleware(ETags)
    app.add_middleware(Limits, backend=backend)
    app.add_middleware(Heads)
    app.add_middleware(Requests)
    app.add_middleware(Packing, minimum_size=1024, compresslevel=5)  # streams are sent as they are
    app.add_middleware(
        CORSMiddleware,
        allow_origins=backend.settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=3600,
    )
    app.add_middleware(ServerLog, level=backend.settings.log_level)


app = create_app(from_environment(os.environ))
