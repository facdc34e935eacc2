"""What `miyabi migrate` does on the database of DATABASE_URL, in the words of sqlx's command.

Everything is written line by line, errors too and to the same place, as sqlx does; the answer is the exit code:
0 done, 1 the work failed, 2 wrong usage. Unlike sqlx it does not wait for a server that is not there: a person does.
"""

from collections.abc import Callable
from pathlib import Path

from database import migrations
from database.migration_connect import connect
from database.migration_errors import MigrationError, NoDirectory, VersionNotPresent, WrongUsage

DONE, FAILED, USAGE = 0, 1, 2


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
        files = read(directory, target_version)
        with connect(dsn, patience=0, name="DATABASE_URL") as database:
            if info:
                for status in migrations.info(database, files):
                    write(str(status))
                return DONE
            done = migrations.run(
                database, files, target=target_version, dry_run=dry_run, ignore_missing=ignore_missing, log=write
            )
    except MigrationError as error:
        write(f"error: {error}")
        return exit_code(error)
    if not done:
        write("No migrations to apply")
    return DONE


def exit_code(error: MigrationError) -> int:
    return USAGE if isinstance(error, WrongUsage) else FAILED


def read(directory: str | Path, target_version: int | None) -> list[migrations.Migration]:
    """The files. Raises WrongUsage when the directory or the target is not there, BadDirectory for bad files."""
    if not Path(directory).is_dir():
        raise NoDirectory(str(directory))
    files = migrations.load(directory)
    if target_version is not None and all(file.version != target_version for file in files):
        raise VersionNotPresent(target_version)
    return files
