"""What clients hold. Access tokens are JWTs (HS256) with the claims of the mission's backend; they live for minutes and
are not looked up anywhere. Refresh tokens are opaque, live for days, are good once and are kept as hashes.

`typ` tells our access tokens from other JWTs signed with the same key, and `sid` names the session. A token without
`typ` is one of the mission's backend, and counts as an access token.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

import jwt

from api.errors import ApiError
from database.users import User

Organization = tuple[UUID, str]
"""Which, and the role there."""
STATE = "oauth-state"
LEEWAY_S = 60


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for, and for which organization."""

    user_id: UUID
    github_id: int
    org_id: UUID | None = None
    org_role: str | None = None
    session_id: UUID | None = None


def issue(
    secret: str,
    user: User,
    *,
    lifetime_s: int,
    organization: Organization | None = None,
    session_id: UUID | None = None,
    now: float | None = None,
) -> str:
    """A token that expires `lifetime_s` seconds after `now` (epoch)."""
    start = int(time.time() if now is None else now)
    claims = {
        "sub": str(user.id),
        "github_id": user.github_id,
        "iat": start,
        "exp": start + lifetime_s,
        "typ": "access",
    }
    if organization:
        claims |= {"org_id": str(organization[0]), "org_role": organization[1]}
    if session_id:
        claims["sid"] = str(session_id)
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(secret: str, token: str) -> Caller:
    """Who holds the access token. Raises `ApiError` of kind jwt_error: bad, expired, or for something else."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=["HS256"], leeway=LEEWAY_S, options={"require": ["exp", "sub", "github_id"]}
        )
        caller = Caller(
            UUID(claims["sub"]),
            int(claims["github_id"]),
            optional_id(claims.get("org_id")),
            claims.get("org_role"),
            optional_id(claims.get("sid")),
        )
    except jwt.ExpiredSignatureError:
        raise ApiError("jwt_error", "The token has expired") from None
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise ApiError("jwt_error", "The token is not valid") from None
    if claims.get("typ", "access") != "access":
        raise ApiError("jwt_error", "This is not an access token")
    return caller


def optional_id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def new_refresh_token() -> str:
    """256 bits."""
    return secrets.token_urlsafe(32)


def next_refresh_token(secret: str, token: str) -> str:
    """What takes its place. Always the same, so that who did not hear the answer can be told again; and nobody can
    work it out without our key."""
    made = hmac.digest(secret.encode(), b"refresh token after " + token.encode(), hashlib.sha256)
    return urlsafe_b64encode(made).decode().rstrip("=")


def hashed(token: str) -> bytes:
    """As it is kept. It needs no salt: nobody guesses 256 bits."""
    return hashlib.sha256(token.encode()).digest()


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
        raise not_begun_here()
    return str(claims["page"])


def not_begun_here() -> ApiError:
    return ApiError("authentication_error", "This sign-in did not begin here, or too long ago; begin again")
