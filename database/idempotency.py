"""Requests that make something and may be sent twice: the first is done, the next ones hear what it heard.

The key is claimed in the transaction that does the work. A twin at the same moment waits for it to end; what dies or
fails in between leaves neither the work nor the key. A key is kept for a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.queries import load

SQL = load("idempotency.sql")
Connection = psycopg.Connection[Any]


class KeyReused(Exception):
    """The idempotency key belongs to an earlier, different request of this user."""


@dataclass(frozen=True)
class Request:
    """`fingerprint` is a hash of all that is asked."""

    user_id: UUID
    key: str
    fingerprint: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Answered(Answer):
    same: bool


def claim(connection: Connection, request: Request) -> Answer | None:
    """None if the work is to be done now, in this transaction; else what was answered. Raises `KeyReused`."""
    connection.execute(SQL["forget"], vars(request))
    if connection.execute(SQL["claim"], vars(request)).fetchone():
        return None
    with connection.cursor(row_factory=class_row(Answered)) as cursor:
        found = cursor.execute(SQL["answered"], vars(request)).fetchone()
    if found is None or not found.same:
        raise KeyReused
    return found


def answer(connection: Connection, request: Request, *, status: int, headers: Mapping[str, str], body: str) -> None:
    """Keep what is answered."""
    values = {"status": status, "headers": Jsonb(dict(headers)), "body": body}
    connection.execute(SQL["answer"], vars(request) | values)
