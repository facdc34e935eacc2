"""The peer of the API's benchmark: a bare Starlette route that reads one row by its key, with a connection that stays.

No sign-in, no permission, no validation, no description, no request id: less work than any real route does.
"""

import os

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CONNECTION = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
ONE = "SELECT id::text, status FROM agent_executions WHERE id = md5('execution500000')::uuid"


def one(_request: Request) -> JSONResponse:
    return JSONResponse(dict([CONNECTION.execute(ONE).fetchone() or ("", "")]))


app = Starlette(routes=[Route("/one", one), Route("/api/v1/health", one)])
