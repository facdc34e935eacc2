"""The real database behind an RDS instance: a role and a database on the embedded PostgreSQL, or on its own server.

Which instance owns which is in `<home>/secrets/rds.json`, with the password. Every step may be done again, so that a
cloud that died in the middle goes on where it was.
"""

import json
import logging
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud.aws.rds_servers import Server, Servers
from localcloud.files import write_whole
from localcloud.postgres_binaries import PostgresError

logger = logging.getLogger(__name__)

SUPERUSER_ROLE = "rds_superuser"
"""The group of RDS's master users: no superuser, and what RDS grants it that PostgreSQL has."""
DEFAULT_DATABASE = "postgres"
OWNED = "SELECT datname FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = %s"


@dataclass(frozen=True)
class Login:
    """How the master user of an instance gets in."""

    host: str
    port: int
    username: str
    password: str
    dbname: str
    own: bool = False
    """The instance has a server of its own."""
    moved_from: int = field(default=0, compare=False)
    """The port of the last time."""

    def __repr__(self) -> str:
        return f"Login({self.username!r} on {self.dbname!r} at {self.host}:{self.port})"


class Databases:
    """Roles and databases of RDS instances on their servers."""

    def __init__(self, server: Server, home: Path) -> None:
        self.servers = Servers(server, home)
        self._file = home / "secrets" / "rds.json"

    def logins(self) -> dict[str, Login]:
        """The login of each instance by its identifier."""
        if not self._file.exists():
            return {}
        return {identifier: Login(**login) for identifier, login in json.loads(self._file.read_text()).items()}

    def move(self) -> list[Login]:
        """Every login, with the port that its server has today; remembered so."""
        before = self.logins()
        for name in (name for name, login in before.items() if login.own):
            try:
                self.servers.start_own(name)
            except PostgresError as error:
                logger.warning("DB instance %r has no PostgreSQL behind it: %s", name, error)
        logins = {
            name: replace(login, port=self.servers.of(name).port, moved_from=login.port)
            for name, login in before.items()
        }
        if logins != before:
            self._write(logins)
        return list(logins.values())

    def ensure(self, identifier: str, *, username: str, password: str, dbname: str) -> None:
        """Make the role and the database, or bring them up to date."""
        own = self._needs_own(identifier, username, dbname)
        server = self.servers.start_own(identifier) if own else self.servers.shared
        with self._admin(identifier) as admin:
            self._ensure_role(admin, username, password)
            if dbname != DEFAULT_DATABASE:
                self._ensure_database(admin, dbname, username)
        login = Login("127.0.0.1", server.port, username, password, dbname, own)
        self._write({**self.logins(), identifier: login})

    def _needs_own(self, identifier: str, username: str, dbname: str) -> bool:
        """True if another instance has a role or a database of that name on the shared server."""
        logins = self.logins()
        if known := logins.get(identifier):
            return known.own
        return any(
            not other.own and (other.username == username or other.dbname == dbname != DEFAULT_DATABASE)
            for other in logins.values()
        )

    def open(self, identifier: str, *, allowed: bool) -> None:
        """Let the master user in, or shut it out and end its connections (a stopped instance)."""
        login = self.logins().get(identifier)
        if login is None:
            return
        with self._admin(identifier) as admin:
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
        self._drop(identifier, login)
        self._write(logins)

    def drop_all(self) -> None:
        """Drop every instance's database and role."""
        logins = self.logins()
        if not logins:
            return
        for identifier, login in logins.items():
            self._drop(identifier, login)
        self._write({})

    def owned(self, identifier: str) -> list[str]:
        """The databases that belong to the instance's master user."""
        if (login := self.logins().get(identifier)) is None:
            return []
        with self._admin(identifier) as admin:
            return [str(name) for (name,) in admin.execute(OWNED, [login.username]).fetchall()]

    def empty(self, identifier: str, dbname: str) -> None:
        """Have an empty database of the master user's, whatever was in it."""
        username = self.logins()[identifier].username
        with self._admin(identifier) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dbname)))
            self._ensure_database(admin, dbname, username)

    def _drop(self, identifier: str, login: Login) -> None:
        if login.own:
            self.servers.end_own(identifier)
            return
        with self._admin(identifier) as admin:
            self._drop_role(admin, login)

    def _drop_role(self, admin: psycopg.Connection[Any], login: Login) -> None:
        role = sql.Identifier(login.username)
        if login.dbname != DEFAULT_DATABASE:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(login.dbname)))
        for (name,) in admin.execute(OWNED, [login.username]).fetchall():
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

    def _admin(self, identifier: str) -> AbstractContextManager[psycopg.Connection[Any]]:
        return psycopg.connect(self.servers.of(identifier).dsn(), autocommit=True)

    def _write(self, logins: dict[str, Login]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, json.dumps({name: _kept(login) for name, login in logins.items()}, indent=1))


def _kept(login: Login) -> dict[str, Any]:
    return {name: value for name, value in asdict(login).items() if name != "moved_from"}


def _exists(admin: psycopg.Connection[Any], catalog: str, column: str, value: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalog), sql.Identifier(column))
    return admin.execute(query, [value]).fetchone() is not None
