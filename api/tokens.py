"""Bearer tokens: HS256 with the claims of the mission's backend, and `typ`, which tells the two kinds apart.

An access token lives an hour, a refresh token seven days, and neither passes for the other (in the mission's backend
both were the same and lived an hour). A token without `typ` is one of that backend's, and counts as an access token.
"""

import hmac
import time
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import jwt

from api.errors import ApiError
from database.users import User

STATE = "oauth-state"
TokenKind = Literal["access", "refresh"]
LEEWAY_S = 60


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for."""

    user_id: UUID
    github_id: int
    org_id: UUID | None = None
    org_role: str | None = None


def issue(secret: str, user: User, kind: TokenKind, *, lifetime_s: int, now: float | None = None) -> str:
    """A token that expires `lifetime_s` seconds after `now` (epoch)."""
    start = int(time.time() if now is None else now)
    claims = {
        "sub": str(user.id),
        "github_id": user.github_id,
        "iat": start,
        "exp": start + lifetime_s,
        "typ": kind,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(secret: str, token: str, kind: TokenKind) -> Caller:
    """Who holds the token. Raises `ApiError` of kind jwt_error: bad, expired, or of the other kind."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=["HS256"], leeway=LEEWAY_S, options={"require": ["exp", "sub", "github_id"]}
        )
        organization = claims.get("org_id")
        caller = Caller(
            UUID(claims["sub"]),
            int(claims["github_id"]),
            UUID(organization) if organization is not None else None,
            claims.get("org_role"),
        )
    except jwt.ExpiredSignatureError:
        raise ApiError("jwt_error", "The token has expired") from None
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise ApiError("jwt_error", "The token is not valid") from None
    if claims.get("typ", "access") != kind:
        raise ApiError("jwt_error", f"This is not {'an access' if kind == 'access' else 'a refresh'} token")
    return caller


def issue_state(secret: str, nonce: str, page: str, *, lifetime_s: int, now: float | None = None) -> str:
    """The state of a sign-in that has begun: for the browser that holds `nonce`, which then goes to `page`."""
    start = int(time.time() if now is None else now)
    claims = {"typ": STATE, "nonce": nonce, "page": page, "exp": start + lifetime_s}
    return jwt.encode(claims, secret, algorithm="HS256")


def verify_state(secret: str, state: str, nonce: str) -> str:
    """The page to go to. Raises `ApiError` if we did not sign the state, not for this browser, or too long ago."""
    try:
        claims = jwt.decode(state, secret, algorithms=["HS256"], options={"require": ["exp", "nonce", "page"]})
    except jwt.InvalidTokenError:
        claims = {}
    if claims.get("typ") != STATE or not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise ApiError("authentication_error", "This sign-in did not begin here, or too long ago; begin again")
    return str(claims["page"])
