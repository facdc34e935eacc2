"""Accounts: who signs in, and the accounts for trying things out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.queries import load

SQL = load("users.sql")
MOCK_TOKEN = "mock-access-token"
"""What the mission's backend stores in place of a GitHub token; it marks an account made by mock login."""


@dataclass(frozen=True)
class User:
    """`email` is empty where another account has proved the address since."""

    id: UUID
    github_id: int
    email: str
    name: str | None
    avatar_url: str | None


def get(connection: psycopg.Connection[Any], user_id: UUID) -> User | None:
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(SQL["get"], {"user_id": user_id}).fetchone()


def grant(connection: psycopg.Connection[Any], user_id: UUID, permissions: Collection[str]) -> None:
    """Give an account these permissions, in all organizations and outside of them."""
    connection.execute(SQL["grant"], {"user_id": user_id, "codes": list(permissions)})


def is_granted(connection: psycopg.Connection[Any], user_id: UUID, permission: str) -> bool:
    """Whether the account itself has the permission, in whatever organization."""
    return connection.execute(SQL["is_granted"], {"user_id": user_id, "code": permission}).fetchone() == (True,)


def sign_in_mock(
    connection: psycopg.Connection[Any], github_id: int, email: str, *, name: str | None, avatar_url: str
) -> User | None:
    """Make a mock account, or find the one made before with the same number and address.

    None if either belongs to another account: nothing of an existing account is ever changed.
    """
    values = {"github_id": github_id, "email": email, "name": name, "avatar_url": avatar_url, "mock": MOCK_TOKEN}
    with connection.cursor(row_factory=class_row(User)) as cursor:
        made = cursor.execute(SQL["create_mock"], values).fetchone()
        return made or cursor.execute(SQL["find_mock"], values).fetchone()


def sign_in_github(
    connection: psycopg.Connection[Any],
    github_id: int,
    email: str,
    *,
    name: str | None,
    avatar_url: str | None,
    token: str,
) -> User | None:
    """Make the account of somebody on GitHub, or bring it up to date. `token` is GitHub's, sealed by the caller, and
    `email` is verified: another account that has it has none from now on.

    None if it is a mock account's number.
    """
    values = {"github_id": github_id, "email": email, "name": name, "avatar_url": avatar_url, "token": token}
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(SQL["sign_in_github"], values | {"mock": MOCK_TOKEN}).fetchone()
