"""The version of a row: the time of its last change, or of its making where it never changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import psycopg

from database.queries import load

SQL = load("versions.sql")
Kind = Literal[
    "organization", "member", "invitation", "team", "team_member", "repository", "execution", "task", "dependency",
    "workflow", "run",
]  # fmt: skip


def lock(connection: psycopg.Connection[Any], kind: Kind, path: Mapping[str, Any]) -> datetime | None:
    """The version of the row that these ids name, which nobody else changes until the transaction ends; None if there
    is none."""
    found: tuple[datetime] | None = connection.execute(SQL[kind], path).fetchone()
    return found[0] if found else None


assert set(get_args(Kind)) <= set(SQL)
