"""Migrate: apply the SQL migrations that the environment's database has not seen. Run by hand, or in a release.

Files are checked before the database is touched, the ledger before anything is applied; a snapshot is taken before a
database that holds something is changed. Migrations go forward only: expand now, contract in a later release.
"""

from collections.abc import Sequence
from typing import Annotated

from prefect import flow
from pydantic import Field

from database.migration_files import Migration
from flows.opening import ROOT, opened, run_name, turns
from flows.parameters import EnvironmentName, PlanOnly, Shown
from tasks.changes import Rollout
from tasks.database_snapshots import snapshot_database
from tasks.migrations import Schema, compare_schema, ensure_schema, list_migrations, read_migrations

Directory = Annotated[str, Shown("Folder of migrations; a relative one counts from the repository.")]
Target = Annotated[int | None, Field(ge=0), Shown("Stop at this version. Empty: apply all.")]
IgnoreMissing = Annotated[bool, Shown("Pass over applied migrations whose files are not there.")]
Info = Annotated[bool, Shown("Only list all migrations with their state.")]


@flow(name="migrate", flow_run_name=run_name)
async def migrate(
    environment: EnvironmentName = "local",
    directory: Directory = "migrations",
    target_version: Target = None,
    plan_only: PlanOnly = False,
    info: Info = False,
    ignore_missing: IgnoreMissing = False,
) -> None:
    """Apply what the database has not seen, or list it."""
    files = read_migrations(ROOT / directory)
    async with opened(environment, plan_only=plan_only or info) as rollout:
        if info:
            list_migrations(rollout, files)
            return
        async for turn in turns(rollout):
            migrate_database(turn, files, target=target_version, ignore_missing=ignore_missing)


def migrate_database(
    rollout: Rollout, files: Sequence[Migration], *, target: int | None = None, ignore_missing: bool = False
) -> Schema:
    """Compare; take a snapshot where there is something to lose; apply."""
    schema = compare_schema(rollout, files, target, ignore_missing=ignore_missing)
    if schema.pending and schema.version:
        snapshot_database(rollout, schema=schema.version)
    return ensure_schema(rollout, files, schema, target, ignore_missing=ignore_missing)
