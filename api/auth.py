"""Signing in, staying signed in and signing out; and for which organization one acts.

Mock login makes an account, or opens the one it made before with the same number and address. It never changes an
account, and never opens one that signs in with GitHub: the mission's backend did both, in production too.
"""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from api import PREFIX, sessions, tokens
from api.backend import Backend, CurrentBackend
from api.bodies import Body, Id
from api.errors import ApiError
from api.permissions import Bearer, CurrentCaller, Public, asked
from api.sessions import Tokens
from api.tokens import Caller
from database import sessions as session_store
from database import users
from database.sessions import Account
from database.users import User

router = APIRouter(prefix=f"{PREFIX}/auth", tags=["auth"])
AVATAR = "https://avatars.githubusercontent.com/u/0"
TERMINAL = 900_000_000_001
"""The mock account of `miyabi agents` (deployments/api_client.py): it operates the embedded cloud."""
OPERATES = ("agents.read", "agents.execute", "agents.stop", "agents.manage", "deployments.execute")


class MockLogin(Body):
    github_id: int = Field(ge=1, le=2**63 - 1)
    email: str = Field(max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")
    name: str | None = Field(None, max_length=255)


class Refresh(Body):
    refresh_token: str = Field(max_length=2000)


class Logout(Body):
    """`token` is an access token, for who cannot send it as the bearer's."""

    token: str | None = Field(None, max_length=5000)
    refresh_token: str | None = Field(None, max_length=2000)


class Switch(Body):
    organization_id: Id | None


@dataclass(frozen=True)
class Switched:
    """The refresh token stays as it is, and gives tokens for this organization from now on."""

    access_token: str
    expires_in: int
    organization_id: UUID | None
    organization_role: str | None


@dataclass(frozen=True)
class Me(User):
    """Who is signed in, and for which organization this token acts, if the membership is active."""

    organization_id: UUID | None
    organization_role: str | None


@dataclass(frozen=True)
class Ways:
    """`github` is GET /auth/github, `mock` is POST /auth/mock."""

    github: bool
    mock: bool


@router.get("", dependencies=[Public], summary="The ways to sign in here")
async def ways_in(backend: CurrentBackend) -> Ways:
    settings = backend.settings
    is_set_up = any(settings.github.values()) and not settings.github_problems()
    return Ways(github=is_set_up, mock=settings.mock_login)


@router.post("/mock", dependencies=[Public], summary="Sign in without GitHub, where people only try things out")
def mock_login(login: MockLogin, backend: CurrentBackend) -> Tokens:
    if not backend.settings.mock_login:
        raise ApiError("authorization_error", "Mock login is off here: only GitHub says who you are")
    with backend.pool.connection() as connection:
        user = users.sign_in_mock(connection, login.github_id, login.email, name=login.name, avatar_url=AVATAR)
        if user is None:
            raise ApiError("authorization_error", "This number or address belongs to another account")
        if backend.settings.environment == "local" and user.github_id == TERMINAL:
            users.grant(connection, user.id, OPERATES)
        return sessions.begin(backend, connection, user)


@router.post("/refresh", dependencies=[Public], summary="New tokens for a refresh token, which is good once")
def refresh(body: Refresh, backend: CurrentBackend) -> Tokens:
    return sessions.renew(backend, body.refresh_token)


@router.post(
    "/logout",
    status_code=204,
    dependencies=[Public],
    summary="End the session of a refresh token, or of the bearer token",
)
def logout(backend: CurrentBackend, credentials: Bearer, body: Logout | None = None) -> None:
    """No refresh token of the session is good any more; its access tokens are, for the minutes that they live."""
    token = credentials.credentials if credentials else body and body.token
    session_id = tokens.verify(backend.jwt_secret(), token).session_id if token else None
    hash = tokens.hashed(body.refresh_token) if body and body.refresh_token else None
    with backend.pool.connection() as connection:
        session_store.revoke(connection, hash=hash, session_id=session_id)


@router.get("/me", summary="Who is signed in")
def get_me(caller: CurrentCaller, backend: CurrentBackend) -> Me:
    account = acting(backend, caller, caller.org_id)
    organization, role = account.organization or (None, None)
    return Me(**vars(account.user), organization_id=organization, organization_role=role)


@router.post("/switch-organization", summary="A token for an organization that you are a member of, or for none")
def switch_organization(body: Switch, caller: CurrentCaller, backend: CurrentBackend) -> Switched:
    if body.organization_id:
        asked(backend, caller, "organization.read", "organization", body.organization_id)
    account = switched(backend, caller, body.organization_id)
    organization, role = account.organization or (None, None)
    token = sessions.access_token(backend, account.user, account.session_id, account.organization)
    return Switched(token, backend.settings.access_s, organization, role)


def switched(backend: Backend, caller: Caller, organization_id: UUID | None) -> Account:
    """All or nothing. Who has signed out, or whose session was ended, gets no newer token by the last one."""
    with backend.pool.connection() as connection, connection.transaction():
        account = session_store.switch(connection, caller.session_id, caller.user_id, organization_id)
        if account is None:
            raise ApiError("authentication_error", "This session is over; sign in again")
        if organization_id and not account.organization:
            raise ApiError("authorization_error", "You are not an active member of this organization")
        return account


def acting(backend: Backend, caller: Caller, organization_id: UUID | None) -> Account:
    with backend.pool.connection() as connection:
        account = session_store.acting(connection, caller.user_id, organization_id)
    if account is None:
        raise ApiError("authentication_error", "The account no longer exists")
    return account
