"""A sign-in from its first tokens to its last: every way to sign in ends in `begin`.

A refresh token is good once: `renew` gives another in its place. One that comes again ends the session, for then two
hold what one should; except within ten seconds, when who did not hear the answer is told the same again.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from api import tokens
from api.backend import Backend
from api.errors import ApiError
from api.tokens import Organization
from database import sessions
from database.pool import Connection
from database.sessions import Reused
from database.users import User

logger = logging.getLogger(__name__)
OVER = ApiError("authentication_error", "The refresh token is not valid any more; sign in again")


@dataclass(frozen=True)
class Tokens:
    """`expires_in` is in seconds and of the access token. The refresh token is good once."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


def begin(backend: Backend, connection: Connection, user: User) -> Tokens:
    """The tokens of a new sign-in."""
    refresh = tokens.new_refresh_token()
    lifetime_s = backend.settings.refresh_s
    session_id = sessions.begin(connection, user.id, tokens.hashed(refresh), lifetime_s=lifetime_s)
    return made(backend, user, refresh, session_id=session_id)


def renew(backend: Backend, refresh: str) -> Tokens:
    """New tokens for a refresh token. Raises ApiError 401."""
    follower = tokens.next_refresh_token(backend.jwt_secret(), refresh)
    hashes, lifetime_s = (tokens.hashed(refresh), tokens.hashed(follower)), backend.settings.refresh_s
    try:
        with backend.pool.connection() as connection:
            account = sessions.rotate(connection, *hashes, lifetime_s=lifetime_s)
    except Reused:
        logger.warning("a refresh token came again: its session is revoked")
        raise OVER from None
    if account is None or account.session_id is None:
        raise OVER
    return made(backend, account.user, follower, session_id=account.session_id, organization=account.organization)


def made(
    backend: Backend, user: User, refresh: str, *, session_id: UUID, organization: Organization | None = None
) -> Tokens:
    return Tokens(access_token(backend, user, session_id, organization), refresh, backend.settings.access_s, user)


def access_token(backend: Backend, user: User, session_id: UUID | None, organization: Organization | None) -> str:
    return tokens.issue(
        backend.jwt_secret(),
        user,
        lifetime_s=backend.settings.access_s,
        organization=organization,
        session_id=session_id,
    )
