"""How much one may ask: RATE_LIMIT requests an hour for each user, and for each address that is not signed in;
LOGIN_RATE_LIMIT sign-ins a minute for each address. 0 is no limit.

Counted is what costs the database something: whatever is asked with a token, and signing in, refreshing and signing
out. Not counted is /health, what is refused or answered without the database (a missing token, the list of agents), and
what the caller has already (304): a page that asks every few seconds costs nothing while nothing changes. An account
with the grant api.unlimited is not limited: for load tests.

Told is the IETF's `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), and the `X-RateLimit-*` of
the mission's description, for clients of today; 429 says `Retry-After`. If the database does not answer, nobody is
refused here. The address is that of the connection: API Gateway's sourceIp, or what uvicorn takes from the proxies that
it is told to trust (`--forwarded-allow-ips`); never a header that the caller wrote.
"""

import logging
import math
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

import psycopg
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import PREFIX, tokens
from api.backend import Backend
from api.errors import ApiError, Misconfigured, log_database_error, response
from database import rate_limits
from database.connection import BadAddress
from database.pool import Unavailable
from database.rate_limits import Bucket, How, Level

logger = logging.getLogger(__name__)
HOUR_S, MINUTE_S = 3600, 60
REST_S = 5.0
"""How long the database is left alone after it did not answer."""
TIDY_EVERY = 1000
LOGINS = {("POST", f"{PREFIX}/auth/mock"), ("GET", f"{PREFIX}/auth/github"), ("GET", f"{PREFIX}/auth/github/callback")}


@dataclass(frozen=True)
class Question:
    """What a request is counted in, by the policies' names. `only_looks`: the answer may be that nothing is new."""

    buckets: dict[str, Bucket]
    user_id: UUID | None
    only_looks: bool


@dataclass(frozen=True)
class Standing:
    """A bucket after the request."""

    bucket: Bucket
    level: Level

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self.bucket.quota - self.level.level))

    @property
    def reset_s(self) -> int:
        """Until it is empty, or until there is room for one more if it is full."""
        waits_for = self.level.level if self.level.allowed else self.level.level + 1 - self.bucket.quota
        return math.ceil(waits_for * self.bucket.window_s / self.bucket.quota)


class Limits:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self.backend, self.clock = app, backend, clock
        self.rests_until = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = self.question(scope) if scope["type"] == "http" else None
        if question is None:
            await self.app(scope, receive, send)
            return
        found = await run_in_threadpool(self.ask, question)
        if not all(standing.level.allowed for standing in found.values()):
            await response(too_many(found), described(found))(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(described(found))
                if question.only_looks and message["status"] != 304:
                    await run_in_threadpool(self.ask, question, counts=True)
            await send(message)

        await self.app(scope, receive, answer)

    def question(self, scope: Scope) -> Question | None:
        """None if the request is not counted."""
        path, method, headers = scope["path"], scope["method"], Headers(scope=scope)
        settings = self.backend.settings
        if path == f"{PREFIX}/health" or method == "OPTIONS":
            return None
        buckets, user_id = {}, None
        if settings.rate_limit and ("authorization" in headers or path.startswith(f"{PREFIX}/auth/")):
            user_id = self.user_of(headers.get("authorization", ""))
            who = f"user {user_id}" if user_id else f"address {network(scope)}"
            buckets["hour"] = Bucket(key(who), settings.rate_limit, HOUR_S)
        if settings.login_rate_limit and (method, path) in LOGINS:
            buckets["login"] = Bucket(key(f"login {network(scope)}"), settings.login_rate_limit, MINUTE_S)
        return Question(buckets, user_id, method == "GET" and "if-none-match" in headers) if buckets else None

    def user_of(self, authorization: str) -> UUID | None:
        """Whose token it is; None if it is nobody's, so that nobody uses up what another may ask."""
        try:
            return tokens.verify(self.backend.jwt_secret(), authorization.partition(" ")[2]).user_id
        except (ApiError, Misconfigured):
            return None

    def ask(self, question: Question, *, counts: bool = False) -> dict[str, Standing]:
        """Where the buckets stand; empty if there is no limit, or if the database cannot be asked."""
        if self.clock() < self.rests_until:
            return {}
        how: How = "look" if question.only_looks and not counts else "count"
        try:
            with self.backend.pool.connection() as connection:
                if random.randrange(TIDY_EVERY) == 0:
                    rate_limits.tidy(connection)
                found = rate_limits.ask(connection, [*question.buckets.values()], question.user_id, how=how)
        except (Unavailable, psycopg.Error, BadAddress, Misconfigured) as error:
            log_database_error(error)
            logger.warning("requests are not counted for %d s", REST_S)
            self.rests_until = self.clock() + REST_S
            return {}
        buckets = question.buckets.items()
        return {name: Standing(bucket, found[bucket.key]) for name, bucket in buckets if bucket.key in found}


def key(text: str) -> bytes:
    """An address is a person's: what is kept is a hash."""
    return blake2b(text.encode(), digest_size=16).digest()


def network(scope: Scope) -> str:
    """The address; of an IPv6 one the first half, which is what a household has."""
    address = (scope.get("client") or ("unknown",))[0] or "unknown"
    try:
        return socket.inet_pton(socket.AF_INET6, address)[:8].hex()
    except (OSError, ValueError):
        return str(address)


def described(found: dict[str, Standing]) -> dict[str, str]:
    """The headers, for every policy that the request was counted by."""
    if not found:
        return {}
    tightest = min(found.values(), key=lambda standing: (standing.level.allowed, standing.remaining))
    policies = [f'"{name}";q={one.bucket.quota};w={one.bucket.window_s}' for name, one in found.items()]
    limits = [f'"{name}";r={one.remaining};t={one.reset_s}' for name, one in found.items()]
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(limits),
        "X-RateLimit-Limit": str(tightest.bucket.quota),
        "X-RateLimit-Remaining": str(tightest.remaining),
        "X-RateLimit-Reset": str(tightest.reset_s),
        **({} if tightest.level.allowed else {"Retry-After": str(longest_wait(found))}),
    }


def longest_wait(found: dict[str, Standing]) -> int:
    """In seconds, until there is room in all buckets that are full."""
    return max(standing.reset_s for standing in found.values() if not standing.level.allowed)


def too_many(found: dict[str, Standing]) -> ApiError:
    wait = longest_wait(found)
    return ApiError("rate_limited", f"Too many requests; try again in {wait} s", details={"retry_after_s": wait})
