"""Repositories that a user has registered, for himself or for an organization.

`github_repo_id` is unique and required, but GitHub is not asked here. Until its number is known a row carries a
negative one, made from its owner here and the name: the same registration twice is the same row, and no two rows clash
(the mission's backend wrote 0 each time and failed on the second repository). Whether the user may do what is asked is
decided before (api/permissions.py).
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.organizations import locked
from database.queries import load
from database.refusals import Absent, Conflict, Invalid

SQL = load("repositories.sql")
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Repository:
    id: UUID
    user_id: UUID | None
    github_repo_id: int
    owner: str
    name: str
    full_name: str
    default_branch: str | None
    is_active: bool
    organization_id: UUID | None
    team_id: UUID | None
    created_at: datetime
    updated_at: datetime


def page(
    connection: Connection, user_id: UUID, organization_id: UUID | None = None, *,
    after: tuple[str, UUID] | None = None, limit: int = 1000,
) -> list[Repository]:  # fmt: skip
    """By name: those that the user has registered and may see, or all of an organization."""
    name, repository_id = after or (None, None)
    values = {
        "user_id": user_id, "organization_id": organization_id, "after_name": name, "after_id": repository_id,
        "limit": limit,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return cursor.execute(SQL["list"], values, prepare=False).fetchall()


def places(connection: Connection, organization_id: UUID | None) -> list[UUID] | None:
    """The organization's repositories; None without one. As values they tell the planner how many there are."""
    if organization_id is None:
        return None
    return [id for (id,) in connection.execute(SQL["places"], {"organization_id": organization_id})]


def get(connection: Connection, repository_id: UUID) -> Repository:
    """Raises Absent."""
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        if found := cursor.execute(SQL["get"], {"repository_id": repository_id}).fetchone():
            return found
    raise absent()


def absent() -> Absent:
    return Absent("You have no such repository")


def register(
    connection: Connection, user_id: UUID, full_name: str, organization_id: UUID | None = None
) -> tuple[Repository, bool]:
    """The repository `owner/name` of the user or the organization, and whether it is new. GitHub's names ignore case,
    so do we. Raises Conflict if the organization's plan has no more, and psycopg's `ForeignKeyViolation` if the user
    is gone.
    """
    owner, _slash, name = full_name.partition("/")
    values = {
        "user_id": user_id,
        "organization_id": organization_id,
        "full_name": full_name,
        "owner": owner,
        "name": name,
        "github_repo_id": provisional_id(organization_id or user_id, full_name),
    }
    with within_limits(connection, organization_id), connection.cursor(row_factory=class_row(Repository)) as cursor:
        for query, is_new in (("find", False), ("create", True), ("find", False)):
            if found := cursor.execute(SQL[query], values).fetchone():
                again = {"repository_id": found.id}
                return found if found.is_active else cursor.execute(
                    SQL["reactivate"], again
                ).fetchone() or found, is_new
    raise LookupError(f"the number made for repository {full_name!r} belongs to another repository")


@contextlib.contextmanager
def within_limits(connection: Connection, organization_id: UUID | None) -> Iterator[None]:
    """Take back what the block adds to an organization beyond its plan."""
    if organization_id is None:
        yield
        return
    with locked(connection, organization_id) as limits:
        yield
        (count,) = connection.execute(SQL["count"], {"organization_id": organization_id}).fetchone() or (0,)
        if limits.max_repositories is not None and count > limits.max_repositories:
            most = limits.max_repositories
            raise Conflict(f"The plan has {most} repositories", {"max_repositories": most})


def update(connection: Connection, repository_id: UUID, changes: Mapping[str, Any]) -> Repository:
    """Write `default_branch` and `team_id`, those that are given. Raises Invalid and Absent."""
    values = dict.fromkeys(("default_branch", "team_id")) | dict(changes)
    values |= {"repository_id": repository_id, "given": list(changes)}
    if values["team_id"] and connection.execute(SQL["has_team"], values).fetchone() != (True,):
        raise Invalid("The organization of this repository has no such team")
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        if changed := cursor.execute(SQL["update"], values).fetchone():
            return changed
    raise absent()


def deactivate(connection: Connection, repository_id: UUID) -> None:
    """No agent begins to work there until it is registered again; what is under way is cancelled, by a trigger."""
    connection.execute(SQL["deactivate"], {"repository_id": repository_id})


def provisional_id(owner: UUID, full_name: str) -> int:
    """A stable number below zero, which GitHub never gives: 63 bits of a hash."""
    digest = blake2b(f"{owner}/{full_name.lower()}".encode(), digest_size=8).digest()
    return -1 - (int.from_bytes(digest, "big") >> 1)
