"""What is in a DB snapshot: a dump of each of the instance's databases, in `<home>/snapshots/<identifier>/`.

RDS copies the volume; `pg_dump` reads what is committed at that moment, which is what comes back from either. The
automated backups of every instance hold nothing here, and no log of changes is kept: the only time to go to is now.
"""

import logging
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from localcloud.aws.rds_postgres import Databases
from localcloud.files import private_folder
from localcloud.postgres import environment
from localcloud.postgres_binaries import PostgresError, find_binaries

logger = logging.getLogger(__name__)


class Snapshots:
    """The dumps of one cloud's snapshots."""

    def __init__(self, databases: Databases, home: Path) -> None:
        self._databases = databases
        self._folder = home / "snapshots"

    def holds(self, snapshot: str) -> bool:
        return (self._folder / snapshot).is_dir()

    def take(self, snapshot: str, identifier: str) -> None:
        """Dump the instance's databases as they are now; all of them are there or none."""
        making = private_folder(self._folder / f".{snapshot}.new")
        for name in self._databases.owned(identifier):
            self._run("pg_dump", identifier, name, "--format=custom", "--compress=1", f"--file={making / name}")
        self.forget(snapshot)
        making.rename(self._folder / snapshot)

    def put_back(self, snapshot: str, identifier: str) -> None:
        """Have in the instance what the snapshot holds, and nothing else; may be done again."""
        for dump in sorted((self._folder / snapshot).iterdir()):
            self._databases.empty(identifier, dump.name)
            self._run("pg_restore", identifier, dump.name, "--exit-on-error", f"--dbname={dump.name}", str(dump))

    def forget(self, snapshot: str) -> None:
        shutil.rmtree(self._folder / snapshot, ignore_errors=True)

    def forget_all(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, identifier: str, dbname: str, *arguments: str) -> None:
        """One of PostgreSQL's programs on the instance's server, as the superuser; the password is not an argument."""
        dsn = self._databases.servers.of(identifier).dsn(dbname)
        done = subprocess.run(
            [program_for(dsn, program), *arguments], env=client_environment(dsn), capture_output=True, text=True
        )
        if done.returncode:
            raise PostgresError(f"{program} of {identifier!r} ended with {done.returncode}:\n{done.stderr.strip()}")


def program_for(dsn: str, program: str) -> str:
    """The client program of the server's own version, which lies beside the server. Raises NotImplementedError."""
    with psycopg.connect(dsn) as connection:
        major = connection.info.server_version // 10_000
    found = _folder_of(major) / program
    if not os.access(found, os.X_OK):
        raise NotImplementedError(f"a snapshot needs {program} of PostgreSQL {major}, and {found} is not there")
    return str(found)


@cache
def _folder_of(major: int) -> Path:
    return find_binaries("auto", major=major).folder


def client_environment(dsn: str) -> dict[str, str]:
    """libpq's variables that lead to the server, and no other PG variable."""
    said = conninfo_to_dict(dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    return environment() | {names[key]: str(value) for key, value in said.items() if key in names}
