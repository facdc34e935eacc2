"""Who may call a route. Every route declares one of these, and a test finds the one that does not:

- `Public`: nobody is asked who they are.
- `CurrentCaller`: whoever is signed in; what is answered is the caller's own, or for everyone.
- `Needs("tasks.read")`: the permission in the organization in question, which is that of the path
  (`/organizations/{organization_id}/…`), else of the query's `organization_id`, else of the token's `org_id`. Where
  there is none, a list is of what the caller has made, wherever, and may see.
- `Needs("tasks.update", on="task")`: the permission on the row that the path names (`{task_id}`). A row of an
  organization is decided by its roles, one of none is its owner's.
- `Needs("agents.stop", by_statement=True)`: the statement that does the work asks itself. For what a body names (or
  `demand`), and for executions.

The schema's has_permission() decides, in one statement: a membership that is not active, or an organization that is
not, gives nothing. What the caller may not see is 404, as if it did not exist; what may be seen and not done is 403. Of
an organization its members and who is invited know, whatever the membership's state; its rows are seen by who has the
category's `.read`, and not by who made them and has left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import tokens
from api.backend import Backend, CurrentBackend
from api.errors import ApiError
from api.tokens import Caller
from database import access
from database.access import Kind
from database.pool import Connection

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The `access_token` of a sign-in")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


@dataclass(frozen=True)
class Access:
    """Who calls, and for which organization: None is the caller's own. `role` is the one there, if there is one."""

    user_id: UUID
    organization_id: UUID | None = None
    role: str | None = None


async def public() -> None:
    """Declares that a route is open to everybody."""


def current_caller(credentials: Bearer, backend: CurrentBackend) -> Caller:
    """The user of the request's bearer token."""
    if credentials is None:
        raise ApiError("authentication_error", "Send a bearer token in the Authorization header")
    return tokens.verify(backend.jwt_secret(), credentials.credentials)


Public = Depends(public)
CurrentCaller = Annotated[Caller, Depends(current_caller)]


def Needs(code: str, *, on: Kind | None = None, by_statement: bool = False) -> Any:
    """The declaration, for `Annotated[Access, Needs(…)]`."""
    if by_statement:
        return Depends(ByStatement(code))
    return Depends(OnRow(code, on) if on else InOrganization(code))


class Permission:
    """A permission that a route demands; FastAPI calls it for each request."""

    def __init__(self, code: str) -> None:
        self.code = code


class InOrganization(Permission):
    def __call__(self, credentials: Bearer, backend: CurrentBackend, organization_id: UUID | None = None) -> Access:
        caller = current_caller(credentials, backend)
        organization = organization_id or caller.org_id
        if organization is None:
            return Access(caller.user_id)
        return asked(backend, caller, self.code, "organization", organization)


class OnRow(Permission):
    def __init__(self, code: str, kind: Kind) -> None:
        super().__init__(code)
        self.kind = kind

    def __call__(self, request: Request, credentials: Bearer, backend: CurrentBackend) -> Access:
        caller = current_caller(credentials, backend)
        try:
            row = UUID(request.path_params[f"{self.kind}_id"])
        except ValueError:
            raise ApiError("validation_error", f"{self.kind}_id has to be a UUID", status=422) from None
        return asked(backend, caller, self.code, self.kind, row)


class ByStatement(Permission):
    def __call__(self, credentials: Bearer, backend: CurrentBackend) -> Access:
        caller = current_caller(credentials, backend)
        return Access(caller.user_id, caller.org_id, caller.org_role)


def asked(backend: Backend, caller: Caller, code: str, kind: Kind, id: UUID) -> Access:
    with backend.pool.connection() as connection:
        return demand(connection, caller.user_id, code, kind, id)


def demand(connection: Connection, user_id: UUID, code: str, kind: Kind, id: UUID) -> Access:
    """The user's access to this organization or row. Raises ApiError: 404 if it is not seen, 403 if only that."""
    found = access.standing(connection, user_id, code, kind, id)
    if found is None or not found.seen:
        raise ApiError("not_found", f"You have no such {kind}")
    if not found.permitted:
        raise not_permitted(code)
    return Access(user_id, found.organization_id, found.role)


def not_permitted(code: str) -> ApiError:
    text = f"You do not have the permission {code} here"
    return ApiError("authorization_error", text, details={"permission": code})


def declarations(route: APIRoute) -> list[str]:
    """What a route declares: `public`, `signed in` or the codes of permissions. There should be one."""
    calls: list[object] = [dependant.call for dependant in tree(route.dependant)]
    codes = [call.code for call in calls if isinstance(call, Permission)]
    signed_in = ["signed in"] if current_caller in calls and not codes else []
    return codes + signed_in + ["public"] * (public in calls)


def tree(dependant: Dependant) -> Iterator[Dependant]:
    for part in dependant.dependencies:
        yield part
        yield from tree(part)
