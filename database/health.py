"""What the store can say of itself: does it answer, and which schema does it hold."""

from typing import Any

import psycopg

from database.queries import load

SQL = load("health.sql")


def schema_version(connection: psycopg.Connection[Any]) -> int | None:
    """The version of the newest migration; None on a database that was never migrated."""
    try:
        row = connection.execute(SQL["schema_version"]).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None
