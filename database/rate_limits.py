"""How much somebody has asked: buckets that fill with each request and leak as the quota allows.

A bucket holds `quota` requests and is empty again after `window_s`; in a full one there is room for the next request
after `window_s / quota` seconds, not only when an hour is over. It is one statement, whatever the number of processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg

from database.queries import load

SQL = load("rate_limits.sql")
How = Literal["count", "look"]


@dataclass(frozen=True)
class Bucket:
    key: bytes
    quota: int
    window_s: int


@dataclass(frozen=True)
class Level:
    """How full a bucket is, in requests, and whether the request found room."""

    level: float
    allowed: bool


def ask(
    connection: psycopg.Connection[Any],
    buckets: Sequence[Bucket],
    user_id: UUID | None,
    *,
    how: How = "count",
) -> dict[bytes, Level]:
    """The buckets' levels, with this request counted, or as they are. Empty for an account that is not limited."""
    values = {
        "keys": [bucket.key for bucket in buckets],
        "quotas": [bucket.quota for bucket in buckets],
        "windows": [bucket.window_s for bucket in buckets],
        "user_id": user_id,
    }
    return {bytes(key): Level(float(level), allowed) for key, level, allowed in connection.execute(SQL[how], values)}


def tidy(connection: psycopg.Connection[Any]) -> None:
    """Forget the buckets that are empty."""
    connection.execute(SQL["tidy"])
