"""A plain connection to PostgreSQL, tried again while the server is not there yet.

As sqlx's command does: a refused or broken connection is tried again with growing pauses up to ten seconds; a wrong
password or an unknown database is not. Messages say what was tried and never show the connection string, which holds
the password.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from database.migration_errors import BadConnectionString, CannotConnect

PATIENCE = 10.0
ONE_ATTEMPT_S = 3
"""The least that a single attempt waits for an answer, however little patience there is."""
NOT_THERE_YET = (
    "Connection refused",
    "Connection reset",
    "server closed the connection unexpectedly",
    "the database system is starting up",
    "the database system is shutting down",
)
BAD_VALUE = re.compile(r'invalid (?:(\w+) value: |integer value ".*" for connection option "(\w+)")')
"""libpq about an option that it cannot read; the value may be a misplaced password."""
IN_FRONT = re.compile(r"^connection (?:failed|is bad): (?:connection to server at .* failed: )?")


def connect(
    dsn: str,
    *,
    patience: float = PATIENCE,
    name: str = "the connection string",
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> psycopg.Connection[Any]:
    """An autocommit connection in UTF-8. `patience` is in seconds; 0 is one attempt. `name` is what messages call the
    DSN. Raises BadConnectionString, CannotConnect.
    """
    said = understood(dsn, name)
    options = settings(said, patience)
    began, pause = clock(), 0.05
    while True:
        try:
            return psycopg.connect(dsn, autocommit=True, **options)
        except psycopg.Error as error:
            refuse_bad_value(str(error), name)
            if not any(text in str(error) for text in NOT_THERE_YET) or clock() + pause > began + patience:
                raise CannotConnect(explained(error, said, seconds=clock() - began)) from error
        sleep(pause)
        pause = min(pause * 2, 1.0)


def understood(dsn: str, name: str) -> Mapping[str, Any]:
    """What the connection string says."""
    try:
        said = conninfo_to_dict(dsn)
    except psycopg.Error:
        raise BadConnectionString(
            f"{name} is not one that PostgreSQL understands: write postgresql://user:password@host:port/database"
        ) from None
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in str(said.get("port") or 5432).split(",") if port):
        raise BadConnectionString(f"{name} has no number between 1 and 65535 as its port")
    return said


def settings(said: Mapping[str, Any], patience: float) -> dict[str, Any]:
    """Ours, below what the connection string says itself."""
    defaults = {"connect_timeout": max(ONE_ATTEMPT_S, round(patience)), "application_name": "miyabi migrate"}
    ours = {option: value for option, value in defaults.items() if option not in said}
    return {**ours, "client_encoding": "utf8", "prepare_threshold": None}


def refuse_bad_value(text: str, name: str) -> None:
    """Raise BadConnectionString for an option that libpq cannot read, which shows only now."""
    if found := BAD_VALUE.search(text) or re.search(r"bad value for (connect_timeout)()", text):
        raise BadConnectionString(
            f"{name} has a value for {found[1] or found[2]} that PostgreSQL does not know"
        ) from None


def explained(error: psycopg.Error, said: Mapping[str, Any], *, seconds: float) -> str:
    """Where we knocked and what was said there, on one line."""
    reason = IN_FRONT.sub("", str(error).strip().splitlines()[0])
    tried = f" (tried for {seconds:.0f} s)" if seconds >= 1 else ""
    return f"no connection to {place(said)}: {reason}{tried}; check that PostgreSQL runs there and lets us in"


def place(said: Mapping[str, Any]) -> str:
    """`host 'h', port '5432', dbname 'x', user 'me'`: what was said of these, in its words."""
    given = (
        f"{option} {said[option]!r}" for option in ("host", "hostaddr", "port", "dbname", "user") if option in said
    )
    return ", ".join(given) or "the local server"
