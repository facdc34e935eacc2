"""Is this backend able to work? 200 with the pool's figures and the schema's version, or 503 in the same form."""

import logging
from dataclasses import dataclass
from typing import Literal

import psycopg
from fastapi import APIRouter, Request, Response

from api import PREFIX, __version__
from api.backend import Backend, CurrentBackend
from api.errors import Misconfigured, log_database_error
from api.permissions import Public
from database import health
from database.connection import BadAddress, deadline
from database.pool import Unavailable

logger = logging.getLogger(__name__)
router = APIRouter(prefix=PREFIX, tags=["health"], dependencies=[Public])
ANSWER_S = 2.0
Live = Literal["websocket", "events", "polling"]


@dataclass(frozen=True)
class DatabaseHealth:
    active_connections: int
    idle_connections: int
    max_connections: int
    status: str


@dataclass(frozen=True)
class Health:
    """`schema_version` is the newest migration's, or null if there is none or the database cannot be asked. `live` are
    the ways to follow what happens here, best first: `/ws`, a log as an event stream, and `wait`. `lacking` are all
    settings that are missing: while there is one, `status` is `error`."""

    status: str
    version: str
    database: DatabaseHealth
    schema_version: int | None
    live: list[Live]
    lacking: list[str]


@router.get("/health", summary="Can the backend work?", responses={503: {"model": Health}})
def get_health(backend: CurrentBackend, http: Request, response: Response) -> Health:
    version, status = ask(backend)
    usage = backend.pool.usage()
    lacking = backend.settings.lacking()
    works = status == "connected" and not lacking
    response.status_code = 200 if works else 503
    return Health(
        status="ok" if works else "error",
        version=__version__,
        database=DatabaseHealth(usage.active, usage.idle, usage.maximum, status),
        schema_version=version,
        live=["polling"] if "aws.event" in http.scope else ["websocket", "events", "polling"],
        lacking=lacking,
    )


def ask(backend: Backend) -> tuple[int | None, str]:
    """The schema's version and `connected`, or None and `error: …` without the database's own text."""
    try:
        with backend.pool.connection() as connection, deadline(connection, ANSWER_S):
            return health.schema_version(connection), "connected"
    except (Misconfigured, BadAddress) as error:
        logger.error("misconfigured: %s", error)
        return None, "error: not configured"
    except (Unavailable, psycopg.Error) as error:
        log_database_error(error)
        return None, "error: not reachable"
