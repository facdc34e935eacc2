"""What the store refuses, as an answer."""

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from api.errors import ApiError, Kind, response
from database.refusals import Absent, Conflict, Forbidden, Invalid, Refusal

ANSWERS: dict[type[Refusal], tuple[Kind, int]] = {
    Absent: ("not_found", 404),
    Forbidden: ("authorization_error", 403),
    Conflict: ("conflict", 409),
    Invalid: ("validation_error", 400),
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(psycopg.errors.ForeignKeyViolation, on_gone)


async def on_refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    kind, status = ANSWERS[type(error)]
    return response(ApiError(kind, str(error), status=status, details=error.details))


async def on_gone(_request: Request, error: Exception) -> JSONResponse:
    """A token outlives its account; and what was there a moment ago may have been deleted."""
    assert isinstance(error, psycopg.Error)
    if str(error.diag.constraint_name).endswith(("_user_id_fkey", "_owner_id_fkey")):
        return response(ApiError("authentication_error", "The account no longer exists"))
    return response(ApiError("conflict", "What this refers to was deleted meanwhile"))
