"""Repositories that a user has registered.

`github_repo_id` is unique and required, but GitHub is not asked here. Until its number is known a row carries a
negative one, made from the user and the name: the same registration twice is the same row, and no two rows clash
(the mission's backend wrote 0 each time and failed on the second repository).
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.queries import load

SQL = load("repositories.sql")


@dataclass(frozen=True)
class Repository:
    id: UUID
    user_id: UUID
    github_repo_id: int
    owner: str
    name: str
    full_name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


def list_all(connection: psycopg.Connection[Any], user_id: UUID) -> list[Repository]:
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return cursor.execute(SQL["list"], {"user_id": user_id}).fetchall()


def get(connection: psycopg.Connection[Any], user_id: UUID, repository_id: UUID) -> Repository | None:
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return cursor.execute(SQL["get"], {"user_id": user_id, "repository_id": repository_id}).fetchone()


def register(connection: psycopg.Connection[Any], user_id: UUID, full_name: str) -> tuple[Repository, bool]:
    """The user's repository `owner/name`, and whether it is new. GitHub's names ignore case, so do we.

    Raises psycopg's `ForeignKeyViolation` if the user is gone.
    """
    owner, _slash, name = full_name.partition("/")
    values = {
        "user_id": user_id,
        "full_name": full_name,
        "owner": owner,
        "name": name,
        "github_repo_id": provisional_id(user_id, full_name),
    }
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        for query, is_new in (("find", False), ("create", True), ("find", False)):
            if found := cursor.execute(SQL[query], values).fetchone():
                return found, is_new
    raise LookupError(f"the number made for repository {full_name!r} belongs to another repository")


def provisional_id(user_id: UUID, full_name: str) -> int:
    """A stable number below zero, which GitHub never gives: 63 bits of a hash."""
    digest = blake2b(f"{user_id}/{full_name.lower()}".encode(), digest_size=8).digest()
    return -1 - (int.from_bytes(digest, "big") >> 1)
