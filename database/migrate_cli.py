"""What `miyabi migrate` does on one database, in the words of sqlx's command.

Everything is written line by line, errors too and to the same place, as sqlx does; the answer is the exit code:
0 done, 1 the work failed.
"""

from collections.abc import Callable
from pathlib import Path

from database import migrations
from database.migration_errors import MigrationError


def main(
    directory: str | Path,
    dsn: str,
    target_version: int | None = None,
    dry_run: bool = False,
    info: bool = False,
    *,
    ignore_missing: bool = False,
    write: Callable[[str], None] = print,
) -> int:
    """Apply a directory's migrations, or list them; the exit code."""
    try:
        files = migrations.load(directory)
        if info:
            for status in migrations.info(dsn, files):
                write(str(status))
            return 0
        done = migrations.run(
            dsn, files, target=target_version, dry_run=dry_run, ignore_missing=ignore_missing, log=write
        )
    except MigrationError as error:
        write(f"error: {error}")
        return 1
    if not done:
        write("No migrations to apply")
    return 0
