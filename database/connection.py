"""How a connection is made: the DSN from what an environment knows, with limits on every wait.

A DSN comes from a secret (the JSON that the release keeps in Secrets Manager, in the form that RDS itself uses) or from
a URL. Both get the same limits, unless the URL sets its own.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

LIMITS: dict[str, str] = {
    "connect_timeout": "3",
    "tcp_user_timeout": "5000",
    "application_name": "miyabi-api",
    "gssencmode": "disable",  # one round trip less, and no Kerberos here
    "options": "-c timezone=UTC -c statement_timeout=10000 -c idle_in_transaction_session_timeout=15000",
}
"""API Gateway waits 30 s: a statement has to give up (milliseconds) well before."""

FROM_SECRET = {
    "host": "host",
    "port": "port",
    "username": "user",
    "password": "password",
    "dbname": "dbname",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
}
REQUIRED = ("host", "username", "password", "dbname")


class BadAddress(Exception):
    """What should say where the database is does not. The message holds no part of a password."""


def dsn_from_secret(secret: Mapping[str, Any]) -> str:
    """The DSN of a secret with `host, port, username, password, dbname, sslmode`."""
    if missing := [key for key in REQUIRED if not secret.get(key)]:
        raise BadAddress(f"the database secret lacks {missing!r}")
    given = {name: str(secret[key]) for key, name in FROM_SECRET.items() if secret.get(key) is not None}
    return make_conninfo(**(LIMITS | {"port": "5432", "sslmode": "require"} | given))


def dsn_from_url(url: str) -> str:
    """The DSN of a `postgres://` URL or of libpq's `key=value` form."""
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        # libpq quotes the text it cannot read, and that holds the password
        raise BadAddress("the database URL is not a connection string") from None
    return make_conninfo(**(LIMITS | given))


@contextlib.contextmanager
def deadline(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cut the connection if the block takes longer: libpq itself waits for ever on a server that has stopped."""

    def cut() -> None:
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
