"""The real database behind an RDS instance: a role and a database on the one embedded PostgreSQL.

Which instance owns which is in `<home>/secrets/rds.json`, with the password. Every step may be done again, so that a
cloud that died in the middle goes on where it was.
"""

import json
import logging
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql

from localcloud.files import write_whole

logger = logging.getLogger(__name__)

SUPERUSER_ROLE = "rds_superuser"
"""The group of RDS's master users: no superuser, and what RDS grants it that PostgreSQL has."""
DEFAULT_DATABASE = "postgres"


class Server(Protocol):
    """The embedded PostgreSQL."""

    @property
    def port(self) -> int: ...

    def dsn(self, dbname: str = "postgres") -> str: ...


@dataclass(frozen=True)
class Login:
    """How the master user of an instance gets in."""

    host: str
    port: int
    username: str
    password: str
    dbname: str

    def __repr__(self) -> str:
        return f"Login({self.username!r} on {self.dbname!r} at {self.host}:{self.port})"


class Databases:
    """Roles and databases of RDS instances on one server."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server = server
        self._file = home / "secrets" / "rds.json"

    def logins(self) -> dict[str, Login]:
        """The login of each instance by its identifier."""
        if not self._file.exists():
            return {}
        return {identifier: Login(**login) for identifier, login in json.loads(self._file.read_text()).items()}

    def move(self) -> list[Login]:
        """Every login, with the port that the server has today; remembered so."""
        logins = {name: replace(login, port=self.server.port) for name, login in self.logins().items()}
        if logins != self.logins():
            self._write(logins)
        return list(logins.values())

    def ensure(self, identifier: str, *, username: str, password: str, dbname: str) -> None:
        """Make the role and the database, or bring them up to date."""
        with self._admin() as admin:
            self._ensure_role(admin, username, password)
            if dbname != DEFAULT_DATABASE:
                self._ensure_database(admin, dbname, username)
        login = Login("127.0.0.1", self.server.port, username, password, dbname)
        self._write({**self.logins(), identifier: login})

    def open(self, identifier: str, *, allowed: bool) -> None:
        """Let the master user in, or shut it out and end its connections (a stopped instance)."""
        login = self.logins().get(identifier)
        if login is None:
            return
        with self._admin() as admin:
            word = sql.SQL("LOGIN" if allowed else "NOLOGIN")
            admin.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(login.username), word))
            if not allowed:
                self._end_connections(admin, login)

    def drop(self, identifier: str) -> None:
        """Drop an instance's database and role, and forget its login. Nothing happens if there is none."""
        logins = self.logins()
        login = logins.pop(identifier, None)
        if login is None:
            return
        with self._admin() as admin:
            self._drop(admin, login)
        self._write(logins)

    def drop_all(self) -> None:
        """Drop every instance's database and role."""
        logins = self.logins()
        if not logins:
            return
        with self._admin() as admin:
            for login in logins.values():
                self._drop(admin, login)
        self._write({})

    def _drop(self, admin: psycopg.Connection[Any], login: Login) -> None:
        role = sql.Identifier(login.username)
        if login.dbname != DEFAULT_DATABASE:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(login.dbname)))
        owned = "SELECT datname FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = %s"
        for (name,) in admin.execute(owned, [login.username]).fetchall():
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        if _exists(admin, "pg_roles", "rolname", login.username):
            self._end_connections(admin, login)
            admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))

    def _ensure_role(self, admin: psycopg.Connection[Any], username: str, password: str) -> None:
        verifier = admin.pgconn.encrypt_password(password.encode(), username.encode())  # the server never sees it
        role, secret = sql.Identifier(username), sql.Literal(verifier.decode())
        if not _exists(admin, "pg_roles", "rolname", SUPERUSER_ROLE):
            group = sql.Identifier(SUPERUSER_ROLE)
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(group))
            admin.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {} WITH ADMIN OPTION").format(group))
        verb = sql.SQL("ALTER" if _exists(admin, "pg_roles", "rolname", username) else "CREATE")
        admin.execute(sql.SQL("{} ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(verb, role, secret))
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(SUPERUSER_ROLE), role))

    def _ensure_database(self, admin: psycopg.Connection[Any], dbname: str, username: str) -> None:
        database, role = sql.Identifier(dbname), sql.Identifier(username)
        if not _exists(admin, "pg_database", "datname", dbname):
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
        admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))

    def _end_connections(self, admin: psycopg.Connection[Any], login: Login) -> None:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = %s OR (datname = %s AND datname <> %s AND pid <> pg_backend_pid())",
            [login.username, login.dbname, DEFAULT_DATABASE],
        )

    def _admin(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        return psycopg.connect(self.server.dsn(), autocommit=True)

    def _write(self, logins: dict[str, Login]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, json.dumps({name: asdict(login) for name, login in logins.items()}, indent=1))


def _exists(admin: psycopg.Connection[Any], catalog: str, column: str, value: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalog), sql.Identifier(column))
    return admin.execute(query, [value]).fetchone() is not None
