"""How much of the database server is in use, asked of the server itself."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from database.queries import load

SQL = load("server_use.sql")


@dataclass(frozen=True)
class Connections:
    """Connections at one moment."""

    here: int
    """To this database by the function's user, without the one that asked and without known tools."""
    used: int
    """To the whole server."""
    allowed: int


def count_connections(connection: psycopg.Connection[Any]) -> Connections:
    with connection.cursor(row_factory=class_row(Connections)) as cursor:
        found = cursor.execute(SQL["connections"]).fetchone()
    assert found is not None
    return found


def connection_ages(connection: psycopg.Connection[Any]) -> list[float]:
    """Of those that are `here`, in seconds."""
    return [age for (age,) in connection.execute(SQL["ages"]).fetchall()]


def count_sessions(connection: psycopg.Connection[Any]) -> int:
    """Connections to this database that there ever were, since its statistics began."""
    ((sessions,),) = connection.execute(SQL["sessions"]).fetchall()
    return int(sessions)
