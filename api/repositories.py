"""Repositories of a user or of an organization: agents work on these and on no others."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Body, Done, Id, Kept, changes
from api.cursors import Paging
from api.errors import ApiError
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import Access, Needs, demand
from database import repositories
from database.repositories import Repository

router = APIRouter(prefix=f"{PREFIX}/repositories", tags=["repositories"])
Changing = Annotated[Change, Depends(Changes("repository"))]
FULL_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
"""GitHub's own rule: an account of letters, digits and single hyphens, a name that is not `.` or `..`."""
DOTTED = r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
Branch = Annotated[str, Field(max_length=255, pattern=rf"^[A-Za-z0-9_]{DOTTED}(/[A-Za-z0-9_-]{DOTTED})*$")]
"""Git's rules: no part is empty, begins or ends with a dot, or has two in a row."""


class NewRepository(Body):
    """Yours, or an organization's."""

    full_name: str = Field(max_length=255)
    organization_id: Id | None = None


class RepositoryChanges(Body):
    """What is left out stays; a `team_id` of null takes it from its team."""

    default_branch: Kept[Branch] = None
    team_id: Id | None = None


def long_pages(
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=1000, description="`X-Next-Cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Paging:
    """Nearly always all of them: who chooses one wants to see them all."""
    return Paging(request.scope["route"].name, cursor, limit, response)


@router.get("", summary="The repositories that you have registered, or those of an organization, by name")
def list_repositories(
    access: Annotated[Access, Needs("repositories.read")],
    backend: CurrentBackend,
    paging: Annotated[Paging, Depends(long_pages)],
) -> list[Repository]:
    with backend.pool.connection() as connection:
        found = repositories.page(
            connection, access.user_id, access.organization_id,
            after=paging.position(str, UUID), limit=paging.limit + 1,
        )  # fmt: skip
    return paging.page(found, lambda last: (last.full_name.lower(), last.id))


@router.post(
    "",
    status_code=201,
    summary="Register owner/repo; 200 if it is registered already",
    responses={200: {"model": Repository}},
)
def register_repository(
    body: NewRepository,
    access: Annotated[Access, Needs("repositories.create", by_statement=True)],
    creation: CurrentCreation,
    response: Response,
) -> Repository:
    if not FULL_NAME.fullmatch(body.full_name):
        raise ApiError("validation_error", "full_name has to be owner/repo, as on GitHub")

    def register(connection: Any) -> Repository:
        if body.organization_id:
            demand(connection, access.user_id, "repositories.create", "organization", body.organization_id)
        found, is_new = repositories.register(connection, access.user_id, body.full_name, body.organization_id)
        response.status_code = 201 if is_new else 200
        return found

    return creation.once(register)


@router.get("/{repository_id}", summary="One repository")
def get_repository(
    repository_id: UUID,
    _access: Annotated[Access, Needs("repositories.read", on="repository")],
    backend: CurrentBackend,
    response: Response,
) -> Repository:
    with backend.pool.connection() as connection:
        return tag(response, repositories.get(connection, repository_id))


@router.patch("/{repository_id}", summary="Change a repository; to give it to a team takes repositories.manage")
def update_repository(
    repository_id: UUID,
    body: RepositoryChanges,
    access: Annotated[Access, Needs("repositories.write", on="repository")],
    change: Changing,
) -> Repository:
    with change.connection() as connection:
        if "team_id" in body.model_fields_set:
            demand(connection, access.user_id, "repositories.manage", "repository", repository_id)
        return change.tag(repositories.update(connection, repository_id, changes(body)))


@router.delete("/{repository_id}", summary="Deactivate a repository: no agent begins to work there any more")
def deactivate_repository(
    repository_id: UUID,
    _access: Annotated[Access, Needs("repositories.delete", on="repository")],
    change: Changing,
) -> Done:
    with change.connection() as connection:
        repositories.deactivate(connection, repository_id)
    return Done("Repository deactivated")
