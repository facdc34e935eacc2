"""Organizations: what people share. Who makes one is its owner; deleting one makes it inactive, with all that is in it.

Whether the user may do what is asked is decided before (api/permissions.py). What is inactive is the same as nothing.
"""

import contextlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.queries import load
from database.refusals import Absent, Conflict, Invalid

SQL = load("organizations.sql")
LONGEST_SLUG = 100
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Organization:
    """`role` is that of the user who asks."""

    id: UUID
    name: str
    slug: str
    description: str | None
    avatar_url: str | None
    github_org_id: int | None
    github_org_login: str | None
    settings: Any
    plan: str | None
    max_members: int | None
    max_repositories: int | None
    is_active: bool
    owner_id: UUID | None
    created_at: datetime
    updated_at: datetime
    role: str | None


@dataclass(frozen=True)
class Membership:
    """An organization as its member's list shows it; `status` is `invited`, `active` or `suspended`."""

    user_id: UUID
    organization_id: UUID
    organization_name: str
    organization_slug: str
    avatar_url: str | None
    role: str
    status: str
    joined_at: datetime


@dataclass(frozen=True)
class Limits:
    """Of the plan; None is none."""

    max_members: int | None
    max_repositories: int | None


def slug_of(text: str) -> str:
    """Letters, of any script, and digits in lower case, a hyphen for each space; empty if the text has none."""
    words = re.split(r"[\s_-]+", unicodedata.normalize("NFKC", text).lower())
    kept = ("".join(filter(str.isalnum, word)) for word in words)
    return "-".join(filter(None, kept))[:LONGEST_SLUG].rstrip("-")


def chosen_slug(name: str, slug: str | None) -> str:
    """The slug that was given, or the name's. Raises Invalid."""
    if slug is not None and slug != slug_of(slug):
        raise Invalid("A slug has letters and digits in lower case, with single hyphens between them")
    if not (chosen := slug or slug_of(name)):
        raise Invalid("No slug can be made of this name: give one of letters, digits and hyphens")
    return chosen


def page(
    connection: Connection, user_id: UUID, *, after: tuple[str, UUID] | None = None, limit: int = 50
) -> list[Membership]:
    name, organization_id = after or (None, None)
    values = {"user_id": user_id, "after_name": name, "after_id": organization_id, "limit": limit}
    with connection.cursor(row_factory=class_row(Membership)) as cursor:
        return cursor.execute(SQL["list"], values).fetchall()


def get(connection: Connection, user_id: UUID, organization_id: UUID) -> Organization:
    """Raises Absent."""
    values = {"user_id": user_id, "organization_id": organization_id}
    with connection.cursor(row_factory=class_row(Organization)) as cursor:
        if found := cursor.execute(SQL["get"], values).fetchone():
            return found
    raise absent()


def absent() -> Absent:
    return Absent("You have no such organization")


def create(
    connection: Connection,
    user_id: UUID,
    *,
    name: str,
    slug: str | None = None,
    description: str | None = None,
    avatar_url: str | None = None,
    github_org_login: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Organization:
    """Raises Invalid, Conflict if the slug is taken, and psycopg's ForeignKeyViolation if the user is gone."""
    chosen = chosen_slug(name, slug)
    values = {
        "user_id": user_id, "name": name, "slug": chosen, "description": description, "avatar_url": avatar_url,
        "github_org_login": github_org_login, "settings": Jsonb(dict(settings or {})),
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Organization)) as cursor:
        if made := cursor.execute(SQL["create"], values).fetchone():
            return made
    raise Conflict(f"The slug {chosen!r} is taken; give another one", {"slug": chosen})


def update(
    connection: Connection,
    user_id: UUID,
    organization_id: UUID,
    changes: Mapping[str, Any],
) -> Organization:
    """Write `name`, `description`, `avatar_url` and `settings`, those given. Raises Absent."""
    values = dict.fromkeys(("name", "description", "avatar_url", "settings")) | dict(changes)
    if values["settings"] is not None:
        values["settings"] = Jsonb(values["settings"])
    values |= {"organization_id": organization_id, "given": list(changes)}
    connection.execute(SQL["update"], values)
    return get(connection, user_id, organization_id)


def deactivate(connection: Connection, organization_id: UUID) -> None:
    """With its repositories, and so all work there, by a trigger. Raises Absent."""
    if connection.execute(SQL["deactivate"], {"organization_id": organization_id}).fetchone() is None:
        raise absent()


@contextlib.contextmanager
def locked(connection: Connection, organization_id: UUID) -> Iterator[Limits]:
    """A transaction that has the organization's members and limits for itself. Raises Absent."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Limits)) as cursor:
        limits = cursor.execute(SQL["lock"], {"organization_id": organization_id}).fetchone()
        if limits is None:
            raise absent()
        yield limits
