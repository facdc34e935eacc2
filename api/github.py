"""Signing in with GitHub: to GitHub with a signed state, and back with a code that is exchanged for an account.

The mission's backend used the page to return to as the state: anybody could start a sign-in for somebody else, and
`@evil.example` as the page sent the token to another host. Here the state is signed, expires, counts only in the
browser that holds its cookie, and only once; the page is a path of our own site. GitHub's token is kept sealed.
"""

import secrets
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from api import PREFIX, github_client, sealing, sessions, tokens
from api.backend import Backend, CurrentBackend
from api.errors import ApiError, Misconfigured
from api.permissions import Public
from api.sessions import Tokens
from api.settings import Settings
from api.strictness import Lenient
from api.surroundings import is_https
from database import users
from database.sessions import use_state

router = APIRouter(prefix=f"{PREFIX}/auth/github", tags=["auth"], dependencies=[Public])
SCOPE = "read:user user:email"
COOKIE = "miyabi_oauth"
LIFETIME_S = 600
PAGE = r"^/([^/\\\s][^\\\s]*)?$"
"""A path of our own site: a browser takes `//x` and `/\\x` for another host."""
OFF = ApiError("not_found", "Signing in with GitHub is not set up here")


@router.get("", status_code=302, response_class=RedirectResponse, summary="To GitHub, to sign in")
def to_github(
    request: Request,
    backend: CurrentBackend,
    redirect: Annotated[str, Query(pattern=PAGE, max_length=500)] = "/",
) -> RedirectResponse:
    """`redirect` is the page of the site to come back to."""
    settings = set_up(backend)
    nonce = secrets.token_urlsafe(16)
    state = tokens.issue_state(backend.jwt_secret(), nonce, redirect, lifetime_s=LIFETIME_S)
    query = {
        "client_id": settings.github_client_id, "scope": SCOPE, "state": state,
        "redirect_uri": settings.github_callback_url,
    }  # fmt: skip
    answer = RedirectResponse(f"{settings.github_url}/login/oauth/authorize?{urlencode(query)}", status_code=302)
    # No path: the browser sends it back to where it came from, whatever a gateway has put before our path.
    answer.set_cookie(
        COOKIE, nonce, max_age=LIFETIME_S, path=None, httponly=True, samesite="lax", secure=is_https(request.scope)
    )
    return answer


@router.get(
    "/callback",
    status_code=302,
    response_class=RedirectResponse,
    dependencies=[Lenient],
    summary="From GitHub, to the site: with tokens in the fragment, or with an error",
)
def from_github(
    request: Request,
    backend: CurrentBackend,
    state: Annotated[str, Query(max_length=2000)] = "",
    code: Annotated[str, Query(max_length=500)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> RedirectResponse:
    """`access_token`, `refresh_token` and `expires_in`; or `error`, which is a code, and `error_description`."""
    site, page = set_up(backend).frontend_url, "/"
    try:
        page = tokens.verify_state(backend.jwt_secret(), state, request.cookies.get(COOKIE, ""))
        made = come_back(backend, state, code, error)
    except ApiError as refused:
        return to_site(site, page, {"error": refused.kind, "error_description": refused.message})
    values = {"access_token": made.access_token, "refresh_token": made.refresh_token, "expires_in": made.expires_in}
    answer = to_site(site, page, values)
    answer.delete_cookie(COOKIE, path=None)  # type: ignore[arg-type]
    return answer


def to_site(site: str, page: str, values: Mapping[str, object]) -> RedirectResponse:
    return RedirectResponse(f"{site}{page}#{urlencode(values)}", status_code=302)


def set_up(backend: Backend) -> Settings:
    """The settings, if all that this needs is among them. Raises ApiError 404 if nothing is, and `Misconfigured`."""
    settings = backend.settings
    if not any(settings.github.values()):
        raise OFF
    if problems := settings.github_problems():
        raise Misconfigured("; ".join(problems))
    return settings


def come_back(backend: Backend, state: str, code: str, error: str) -> Tokens:
    """The tokens for what GitHub has sent us. Raises ApiError."""
    if error or not code:
        raise ApiError("authentication_error", "GitHub did not sign you in; try again")
    with backend.pool.connection() as connection:
        if not use_state(connection, tokens.hashed(state), lifetime_s=LIFETIME_S):
            raise tokens.not_begun_here()
    return sign_in(backend, code)


def sign_in(backend: Backend, code: str) -> Tokens:
    """The account of whom GitHub gave this code, made or brought up to date."""
    person = github_client.person_of(backend.settings, backend.github_secret(), code)
    token = sealing.seal(backend.jwt_secret(), person.token, person.id)
    with backend.pool.connection() as connection:
        user = users.sign_in_github(
            connection, person.id, person.email, name=person.name, avatar_url=person.avatar_url, token=token
        )
        if user is None:
            raise ApiError("authorization_error", "This number belongs to an account that was made for trying out")
        return sessions.begin(backend, connection, user)
