"""What the tests of migrations share: a directory of files, and a look into a database."""

from pathlib import Path
from typing import Any

import psycopg

from database import migrations
from database.migrations import Applied


class Project:
    """A directory of migrations on one database: `project.write("1_a.sql", "SELECT 1")`, `project.run()`."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn
        self.log: list[str] = []

    def write(self, name: str, sql: str | bytes) -> None:
        (self.directory / name).write_bytes(sql.encode() if isinstance(sql, str) else sql)

    def run(self, **options: Any) -> list[Applied]:
        return migrations.run(self.dsn, migrations.load(self.directory), log=self.log.append, **options)

    def versions(self, **options: Any) -> list[int]:
        """Runs, and says which versions were applied."""
        return [entry.version for entry in self.run(**options) if entry.outcome == "Applied"]

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            cursor = conn.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def ledger(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT version, description, success, encode(checksum, 'hex') FROM _sqlx_migrations")

    def tables(self) -> list[str]:
        return [
            name for (name,) in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ]
