"""What is asked of GitHub: a token for a code, and whose it is.

urllib is imported when it is needed first: a cold start does without it.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from api.errors import ApiError
from api.settings import Settings

logger = logging.getLogger(__name__)
ANSWER_S = 5.0
LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Person:
    """Somebody on GitHub."""

    id: int
    email: str
    name: str | None
    avatar_url: str | None
    token: str = field(repr=False)


def person_of(settings: Settings, secret: str, code: str) -> Person:
    """Whom GitHub gave the code. Raises ApiError: 401 for a code or an address that will not do, 502 for the rest."""
    form = {"client_id": settings.github_client_id, "client_secret": secret, "code": code}
    granted = ask(f"{settings.github_url}/login/oauth/access_token", data=urlencode(form).encode())
    token = granted.get("access_token") if isinstance(granted, Mapping) else None
    if not isinstance(token, str):
        logger.warning("GitHub gave no token: %s", granted.get("error") if isinstance(granted, Mapping) else "?")
        raise ApiError("authentication_error", "GitHub does not know this code any more; sign in again")
    user = ask(f"{settings.github_api_url}/user", token=token)
    email = primary(ask(f"{settings.github_api_url}/user/emails", token=token))
    if email is None:
        raise ApiError("authentication_error", "Your GitHub account has no verified primary address")
    try:
        return Person(int(user["id"]), email, user.get("name") or user.get("login"), user.get("avatar_url"), token)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise failed("its answer has no user") from None


def primary(emails: Any) -> str | None:
    """The verified primary address: another's could be claimed with one that is not verified."""
    known = emails if isinstance(emails, list) else []
    found = (entry["email"] for entry in known if entry.get("primary") and entry.get("verified"))
    return next(found, None)


def ask(url: str, *, data: bytes | None = None, token: str = "") -> Any:
    """GitHub's JSON. Raises ApiError 502; the log says what happened, without code, secret and token."""
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    headers = {"Accept": "application/json", "User-Agent": "miyabi"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with urlopen(Request(url, data=data, headers=headers), timeout=ANSWER_S) as answer:
            return json.loads(answer.read(LARGEST))
    except OSError as error:
        raise failed(f"{url} {type(error).__name__}: {error}") from None
    except (HTTPException, ValueError) as error:  # whose text may quote the token, or what was answered
        raise failed(f"{url} {type(error).__name__}") from None


def failed(what: str) -> ApiError:
    logger.error("GitHub cannot be asked: %s", what)
    return ApiError("external_api_error", "GitHub does not answer as it should; try again in a moment")
