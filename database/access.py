"""What a user may do with an organization, or with a row that belongs to one: asked of the schema in one statement."""

from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.queries import load

SQL = load("access.sql")
Kind = Literal["organization", "repository", "execution", "task", "workflow"]
STANDING = {kind: f"WITH place AS ({SQL[kind]}) {SQL['standing']}" for kind in get_args(Kind)}


@dataclass(frozen=True)
class Standing:
    """`role` is that of an active membership. `organization_id` is None for what belongs to no organization."""

    organization_id: UUID | None
    role: str | None
    permitted: bool
    seen: bool


def standing(connection: psycopg.Connection[Any], user_id: UUID, code: str, kind: Kind, id: UUID) -> Standing | None:
    """Whether the user has the permission there; None if there is no such row."""
    values = {"user_id": user_id, "code": code, "read": f"{code.partition('.')[0]}.read", "id": id}
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(STANDING[kind], values).fetchone()


def roles(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """The codes of the roles that have a permission, by its code."""
    return dict(connection.execute(SQL["roles"]).fetchall())
