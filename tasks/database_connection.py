"""Does the database answer? TCP, TLS as asked, password, `SELECT 1`.

RDS says "available" of an instance that this worker may not reach, or whose password is another one; the first
migration would fail with less to go by.
"""

from collections.abc import Callable

import psycopg
from pydantic import SecretStr

from tasks.errors import Permanent, Temporary
from tasks.waiting import wait_until

Connect = Callable[[SecretStr], None]

PATIENCE = 120.0
CONNECT_TIMEOUT = 5
"""Seconds for one attempt; a security group that does not let us in swallows packets."""


def select_one(dsn: SecretStr) -> None:
    """Connect and ask something. Raises psycopg.OperationalError; its text has host and user, not the password."""
    with psycopg.connect(dsn.get_secret_value(), connect_timeout=CONNECT_TIMEOUT) as connection:
        connection.execute("SELECT 1")


def wait_connected(
    database: str, dsn: SecretStr, *, connect: Connect = select_one, settling: bool = False, patience: float = PATIENCE
) -> None:
    """Wait until the database answers. `settling`: its password was just changed and may be refused for a while."""

    def poll() -> tuple[str, bool | None]:
        try:
            connect(dsn)
        except psycopg.OperationalError as error:
            if _refused(error) and not settling:
                raise Permanent(
                    f"database {database!r} refuses the password of its secret. Write the right one into the secret, "
                    "or run provision with reset_password=true to give the database the secret's."
                ) from None
            if _distrusted(error):
                raise Permanent(
                    f"database {database!r} cannot be reached as database.sslmode wants it: {_last_line(error)}. Look "
                    "at database.ca_bundle; with database_address, give an IP address there and no other name"
                ) from None
            return f"not answering ({_last_line(error)})", None
        return "answering", True

    try:
        wait_until(f"database {database}", poll, patience=patience)
    except Temporary as error:
        raise Permanent(
            f"{error}. RDS has it as available, so this worker cannot reach it: let its address in with "
            "database.ingress_cidrs, or say where it is reached with database_address"
        ) from error


def _last_line(error: psycopg.OperationalError) -> str:
    return str(error).strip().splitlines()[-1]


def _distrusted(error: psycopg.OperationalError) -> bool:
    """No TLS where it is wanted, or a certificate that does not do: time does not mend that."""
    texts = ("does not support SSL", "certificate verify failed", "does not match host name", "root certificate file")
    return any(text in str(error) for text in texts)


def _refused(error: psycopg.OperationalError) -> bool:
    """libpq gives no SQLSTATE for a failed connection, so the server's words have to do."""
    return "authentication failed" in str(error)
