"""What a caller is told when something fails: problem details (RFC 9457), whatever failed.

`error`, `message` and `details` are the mission's names; `type`, `title`, `status`, `detail` and `instance` the RFC's.
`error` is a kind of the mission's backend, or one of ours where that says `validation_error` to whatever cannot be done
as it was asked: what stands in the way has a name of its own. What went wrong inside is for the log, where the request
id leads; text of the database or of a program never leaves the process.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api import PREFIX
from api.logs import request_id
from database.connection import BadAddress
from database.pool import Unavailable

logger = logging.getLogger(__name__)

Kind = Literal[
    "validation_error",
    "authentication_error",
    "jwt_error",
    "authorization_error",
    "not_found",
    "method_not_allowed",
    "conflict",
    "precondition_failed",
    "payload_too_large",
    "unsupported_media_type",
    "idempotency_key_reused",
    "rate_limited",
    "database_error",
    "configuration_error",
    "server_error",
    "internal_error",
    "external_api_error",
]
STATUS: dict[Kind, int] = {
    "validation_error": 400,
    "authentication_error": 401,
    "jwt_error": 401,
    "authorization_error": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "precondition_failed": 412,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "database_error": 500,
    "configuration_error": 503,
    "server_error": 500,
    "internal_error": 500,
    "external_api_error": 502,
}
"""What a kind is answered with, unless it is said otherwise: `validation_error` is 422 where a request has not the form
that is described, `database_error` 503 where trying again helps."""
KIND: dict[int, Kind] = {
    401: "authentication_error",
    403: "authorization_error",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Problem:
    """The body of every answer that is not a success. For the API's description; `problem` writes it. `instance` is the
    request's id, which leads to its lines in the log; `details` are there where there is more to say."""

    error: Kind
    message: str
    type: str
    title: str
    status: int
    detail: str
    instance: str
    details: Any = None


class ApiError(Exception):
    """An answer other than success, raised where it becomes clear. The message is for the caller to read."""

    def __init__(self, kind: Kind, message: str, *, status: int | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.details = kind, message, details
        self.status = status or STATUS[kind]


class Misconfigured(Exception):
    """The process was not given what it needs. The message is for the log: it may name a secret, never hold one."""


def response(error: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    extra = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(error.status, {})
    return JSONResponse(
        problem(error),
        status_code=error.status,
        headers={**extra, **(headers or {})},
        media_type="application/problem+json",
    )


def problem(error: ApiError) -> dict[str, Any]:
    body = {
        "error": error.kind,
        "message": error.message,
        "type": f"{PREFIX}/docs#{error.kind}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "instance": f"urn:request:{request_id.get()}",
    }
    return body if error.details is None else body | {"details": error.details}


def install(app: FastAPI) -> None:
    """Give every error its answer. What is not listed here is caught by `api.requests`."""
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(Unavailable, on_unavailable)
    app.add_exception_handler(psycopg.OperationalError, on_unavailable)
    app.add_exception_handler(psycopg.DataError, on_bad_value)
    app.add_exception_handler(psycopg.Error, on_database_error)
    app.add_exception_handler(BadAddress, on_misconfigured)
    app.add_exception_handler(Misconfigured, on_misconfigured)


async def on_api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return response(error)


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """No such route, a wrong method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(allowed(request))
    kind = KIND.get(error.status_code, "validation_error" if error.status_code < 500 else "server_error")
    return response(ApiError(kind, str(error.detail), status=error.status_code), headers)


def allowed(request: Request) -> list[str]:
    """The methods of the path, over all its routes: each method has one of its own. HEAD goes where GET does."""
    routes = request.app.router.routes
    asked = [(method, {**request.scope, "method": method}) for method in METHODS]
    found = [method for method, scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)]
    return [*found, "HEAD"] if "GET" in found else found


async def on_bad_request(_request: Request, error: Exception) -> JSONResponse:
    """All problems at once. The values are not repeated: one of them may be a secret."""
    assert isinstance(error, RequestValidationError)
    told = [(".".join(map(str, p["loc"])), p["msg"].removeprefix("Value error, ")) for p in error.errors()]
    problems = [{"field": field, "problem": text} for field, text in dict.fromkeys(told)]  # two may ask for one value
    status = 400 if any(p["type"] == "json_invalid" for p in error.errors()) else 422
    text = "The body is not JSON" if status == 400 else f"{len(problems)} problem(s) in the request"
    return response(ApiError("validation_error", text, status=status, details=problems))


async def on_unavailable(_request: Request, error: Exception) -> JSONResponse:
    log_database_error(error)
    return response(ApiError("database_error", "The database does not answer; try again in a moment", status=503))


async def on_bad_value(_request: Request, error: Exception) -> JSONResponse:
    """What Python can hold and PostgreSQL cannot: the character U+0000, half a surrogate pair, NaN."""
    logger.info("a value cannot be stored: %s", in_words(error))
    return response(ApiError("validation_error", "A value of the request cannot be stored", status=422))


async def on_database_error(_request: Request, error: Exception) -> JSONResponse:
    log_database_error(error)
    return response(ApiError("database_error", "The database refused the request", details=where_to_look()))


async def on_misconfigured(_request: Request, error: Exception) -> JSONResponse:
    logger.error("misconfigured: %s", error)
    text = "The backend is not configured correctly: GET /health says what is missing, the log the rest"
    return response(ApiError("configuration_error", text, details=where_to_look()))


def internal_error() -> ApiError:
    return ApiError("internal_error", "Something went wrong inside the backend", details=where_to_look())


def where_to_look() -> dict[str, str]:
    """The key to the log lines that say what really happened."""
    return {"request_id": request_id.get()}


def log_database_error(error: Exception) -> None:
    logger.error("database error: %s", in_words(error))


def in_words(error: Exception) -> str:
    """The primary message alone: the detail of a database error quotes values of rows."""
    text = str(error)
    if isinstance(error, psycopg.Error) and error.sqlstate:
        text = f"{error.sqlstate} {error.diag.message_primary}"
    return f"{type(error).__name__}: {text}"
