"""A user's repositories: agents work on these and on no others."""

import re
from uuid import UUID

import psycopg
from fastapi import APIRouter, Response
from pydantic import BaseModel

from api import PREFIX
from api.backend import CurrentBackend
from api.errors import ApiError
from api.permissions import CurrentCaller
from database import repositories
from database.repositories import Repository

router = APIRouter(prefix=f"{PREFIX}/repositories", tags=["repositories"])
FULL_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
"""GitHub's own rule: an account of letters, digits and single hyphens, a name that is not `.` or `..`."""


class NewRepository(BaseModel):
    full_name: str


@router.get("", summary="All your repositories, by name")
def list_repositories(caller: CurrentCaller, backend: CurrentBackend) -> list[Repository]:
    with backend.pool.connection() as connection:
        return repositories.list_all(connection, caller.user_id)


@router.post("", status_code=201, summary="Register owner/repo; 200 if you have it already")
def register_repository(
    body: NewRepository, caller: CurrentCaller, backend: CurrentBackend, response: Response
) -> Repository:
    if not FULL_NAME.fullmatch(body.full_name):
        raise ApiError("validation_error", "full_name has to be owner/repo, as on GitHub")
    try:
        with backend.pool.connection() as connection:
            repository, is_new = repositories.register(connection, caller.user_id, body.full_name)
    except psycopg.errors.ForeignKeyViolation:
        raise ApiError("authentication_error", "The account no longer exists") from None
    response.status_code = 201 if is_new else 200
    return repository


@router.get("/{repository_id}", summary="One of your repositories")
def get_repository(repository_id: UUID, caller: CurrentCaller, backend: CurrentBackend) -> Repository:
    with backend.pool.connection() as connection:
        repository = repositories.get(connection, caller.user_id, repository_id)
    if repository is None:
        raise ApiError("not_found", "You have no such repository")
    return repository
