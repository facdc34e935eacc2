"""Migrations of an environment's database, as steps of a flow. The runner itself is database/migrations.py.

Files are read and checked before anything is provisioned; the ledger is compared before anything is applied. A plan on
a database that does not exist yet shows every file as pending.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from database import migrations as runner
from database.migration_connect import connect
from database.migration_errors import CannotConnect, MigrationError, VersionNotPresent
from database.migration_files import Migration, load
from tasks.changes import Change, Rollout
from tasks.errors import Permanent, Temporary, absent_as_none
from tasks.secrets import database_dsn
from tasks.steps import step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schema:
    """How a database stands to a directory of migrations. Versions are those of the newest migration; 0 is empty."""

    version: int
    """Applied now."""
    pending: tuple[Migration, ...]
    """To be applied, in order."""

    @property
    def after(self) -> int:
        """The version once all pending ones are applied."""
        return max([self.version, *(migration.version for migration in self.pending)])


def read_migrations(directory: Path) -> list[Migration]:
    """The files of a directory, checked. Raises Permanent with every problem of every file."""
    with explained():
        return load(directory)


@step("Compare the schema", retries=2)
def compare_schema(
    rollout: Rollout, files: Sequence[Migration], target: int | None = None, *, ignore_missing: bool = False
) -> Schema:
    """What the database has not seen, up to a target. Refuses whatever the runner would refuse; writes nothing."""
    with explained():
        if target is not None and all(migration.version != target for migration in files):
            raise VersionNotPresent(target)
        if rollout.planning and not database_exists(rollout):
            forward = [migration for migration in files if not migration.is_down]
            return Schema(0, tuple(m for m in forward if target is None or m.version <= target))
        with connect(database_dsn(rollout).get_secret_value()) as connection:
            pending = runner.outstanding(connection, files, target=target, ignore_missing=ignore_missing)
            applied = [s.migration.version for s in runner.info(connection, files) if s.applied_checksum is not None]
        return Schema(max(applied, default=0), tuple(m for m in pending if target is None or m.version <= target))


@step("Apply migrations", retries=2)
def ensure_schema(
    rollout: Rollout,
    files: Sequence[Migration],
    schema: Schema,
    target: int | None = None,
    *,
    ignore_missing: bool = False,
) -> Schema:
    """Apply what is pending, by sqlx's contract; the schema afterwards."""

    def apply() -> Schema:
        dsn = database_dsn(rollout).get_secret_value()
        runner.run(dsn, files, target=target, ignore_missing=ignore_missing, log=logger.info)
        return Schema(schema.after, ())

    with explained():
        return rollout.converge("schema", plan_schema(rollout, schema), apply=apply, planned=lambda: schema)


def plan_schema(rollout: Rollout, schema: Schema) -> list[Change]:
    """One line for each migration that would run."""
    why = f"{rollout.environment.names.database} has not seen it"
    return [Change("run", f"migration {m.version} {m.description}", why=why) for m in schema.pending]


@step("List migrations")
def list_migrations(rollout: Rollout, files: Sequence[Migration]) -> None:
    """Log every migration with its state, in sqlx's words."""
    with explained():
        for status in runner.info(database_dsn(rollout).get_secret_value(), files):
            logger.info("%s", status)


def database_exists(rollout: Rollout) -> bool:
    """True when there is an instance to ask; a plan may come before it."""
    identifier, rds = rollout.environment.names.database, rollout.aws("rds")
    return absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=identifier)) is not None


@contextmanager
def explained() -> Iterator[None]:
    """A database that does not answer may answer in a moment; every other MigrationError needs a person."""
    try:
        yield
    except CannotConnect as error:
        raise Temporary(str(error)) from error
    except MigrationError as error:
        raise Permanent(str(error)) from error
