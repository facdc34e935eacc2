"""Restore: a backup, a snapshot or a moment, in a new instance beside the database. After a disaster, or to look.

1. find it, refuse what cannot be restored, and a name that is taken: the environment's own database is never touched
2. have what an instance stands on; where a person has to approve, the plan is shown first
3. from a snapshot or a time, RDS makes the instance; for a dump, an empty one is made and filled in one transaction
4. check what is in it, and leave a page that says where it is and how to go over to it

Nothing that serves is moved. Run again, it goes on where it was.
"""

from collections.abc import Sequence
from typing import Annotated

from prefect import flow

from database.migration_files import Migration
from flows.opening import ROOT, opened, run_name, turns
from flows.parameters import EnvironmentName, PlanOnly, Shown
from flows.verify_backup import BackupId, Directory
from tasks.backups.instances import restoring
from tasks.backups.points import Point, find_point
from tasks.backups.remaking import check_restored, fill_instance, make_instance
from tasks.changes import Rollout
from tasks.database_engine import choose_engine
from tasks.database_groups import ensure_database_groups
from tasks.databases import ensure_database
from tasks.migrations import read_migrations
from tasks.network import ensure_network
from tasks.secrets import ensure_secrets

SnapshotId = Annotated[str, Shown("A snapshot's name, instead of a backup.")]
Moment = Annotated[str, Shown("`latest`, or a time such as 2026-11-27T03:15:00Z, instead of a backup.")]
Into = Annotated[str, Shown("The new instance's name. Empty: it follows from what is restored.")]


@flow(name="restore", flow_run_name=run_name)
async def restore(
    environment: EnvironmentName = "local",
    backup: BackupId = "",
    snapshot: SnapshotId = "",
    to_time: Moment = "",
    into: Into = "",
    directory: Directory = "migrations",
    plan_only: PlanOnly = False,
) -> None:
    """Have a backup in a new instance, beside the database."""
    files = read_migrations(ROOT / directory)
    async with opened(environment, plan_only=plan_only) as rollout:
        point = find_point(rollout, backup=backup, snapshot=snapshot, to_time=to_time, into=into)
        async for turn in turns(rollout):
            restore_beside(turn, point, files)


def restore_beside(rollout: Rollout, point: Point, files: Sequence[Migration]) -> None:
    """The instance, with what it stands on and what is in it."""
    target, by_rds = restoring(rollout, point), point.kind != "dump"
    network = ensure_network(target)
    ensure_secrets(target, reset_password=by_rds)
    engine = choose_engine(target)
    ensure_database_groups(target, network, engine)
    if by_rds and make_instance(target, rollout, point, network, engine.version) is None:
        return  # a plan
    database = ensure_database(target, network, engine, reset_password=by_rds)
    if not by_rds:
        fill_instance(target, point, database)
    check_restored(target, point, database, files, original=rollout.environment.names.database)
