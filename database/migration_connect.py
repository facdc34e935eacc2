"""A plain connection to PostgreSQL, tried again while the server is not there yet.

As sqlx's command does: a refused or broken connection is tried again with growing pauses up to ten seconds; a wrong
password or an unknown database is not. Messages never show the connection string, which holds the password.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from database.migration_errors import CannotConnect

PATIENCE = 10.0
NOT_THERE_YET = (
    "Connection refused",
    "Connection reset",
    "server closed the connection unexpectedly",
    "the database system is starting up",
    "the database system is shutting down",
)


def connect(
    dsn: str,
    *,
    patience: float = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> psycopg.Connection[Any]:
    """An autocommit connection in UTF-8. `patience` is in seconds. Raises CannotConnect."""
    deadline, pause = clock() + patience, 0.05
    options = settings(dsn, patience)
    while True:
        try:
            return psycopg.connect(dsn, autocommit=True, **options)
        except psycopg.OperationalError as error:
            if not any(text in str(error) for text in NOT_THERE_YET) or clock() + pause > deadline:
                raise CannotConnect(
                    f"{str(error).strip()}\nCheck that the database runs and that we may use it."
                ) from (error)
        sleep(pause)
        pause = min(pause * 2, 1.0)


def settings(dsn: str, patience: float) -> dict[str, Any]:
    """Ours, below what the connection string says itself."""
    try:
        said = conninfo_to_dict(dsn)
    except psycopg.Error:
        raise CannotConnect(
            "the connection string is not one of PostgreSQL's: write postgresql://user:password@host:port/database"
        ) from None
    defaults = {"connect_timeout": max(2, round(patience)), "application_name": "miyabi migrate"}
    ours = {name: value for name, value in defaults.items() if name not in said}
    return {**ours, "client_encoding": "utf8", "prepare_threshold": None}
