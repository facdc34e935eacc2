"""Signing in: mock login outside production, and new tokens for a refresh token.

Mock login makes an account, or opens the one it made before with the same number and address. It never changes an
account, and never opens one that signs in with GitHub: the mission's backend did both, in production too.
"""

from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api import PREFIX, tokens
from api.backend import Backend, CurrentBackend
from api.errors import ApiError
from api.permissions import Public
from database import users
from database.users import User

router = APIRouter(prefix=f"{PREFIX}/auth", tags=["auth"], dependencies=[Public])
AVATAR = "https://avatars.githubusercontent.com/u/0"
TERMINAL = 900_000_000_001
"""The mock account of `miyabi agents` (deployments/api_client.py): it operates the embedded cloud."""
OPERATES = ("agents.read", "agents.execute", "agents.stop", "agents.manage", "deployments.execute")


class MockLogin(BaseModel):
    github_id: int = Field(ge=1, le=2**63 - 1)
    email: str = Field(max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")
    name: str | None = Field(None, max_length=255)


class Refresh(BaseModel):
    refresh_token: str


@dataclass(frozen=True)
class Tokens:
    """`expires_in` is in seconds and of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


@dataclass(frozen=True)
class Ways:
    """`github` is GET /auth/github, `mock` is POST /auth/mock."""

    github: bool
    mock: bool


@router.get("", summary="The ways to sign in here")
async def ways_in(backend: CurrentBackend) -> Ways:
    settings = backend.settings
    return Ways(github=bool(settings.github_client_id), mock=not settings.is_production)


@router.post("/mock", summary="Sign in without GitHub; not in production")
def mock_login(login: MockLogin, backend: CurrentBackend) -> Tokens:
    if backend.settings.is_production:
        raise ApiError("authorization_error", "Mock login is off in production")
    with backend.pool.connection() as connection:
        user = users.sign_in_mock(connection, login.github_id, login.email, name=login.name, avatar_url=AVATAR)
    if user is None:
        raise ApiError("authorization_error", "This number or address belongs to another account")
    if backend.settings.environment == "local" and user.github_id == TERMINAL:
        with backend.pool.connection() as connection:
            users.grant(connection, user.id, OPERATES)
    return new_tokens(backend, user)


@router.post("/refresh", summary="New tokens for a refresh token")
def refresh(body: Refresh, backend: CurrentBackend) -> Tokens:
    caller = tokens.verify(backend.jwt_secret(), body.refresh_token, "refresh")
    with backend.pool.connection() as connection:
        user = users.get(connection, caller.user_id)
    if user is None:
        raise ApiError("authentication_error", "The account no longer exists")
    return new_tokens(backend, user)


def new_tokens(backend: Backend, user: User) -> Tokens:
    secret, settings = backend.jwt_secret(), backend.settings
    return Tokens(
        tokens.issue(secret, user, "access", lifetime_s=settings.access_s),
        tokens.issue(secret, user, "refresh", lifetime_s=settings.refresh_s),
        settings.access_s,
        user,
    )
