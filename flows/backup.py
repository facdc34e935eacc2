"""Backup: a dump of the database in S3, and a snapshot in RDS. Every night, or before something risky.

1. a private, encrypted, versioned bucket, where S3's lifecycle rules keep dumps as long as the environment says
2. the dump, with a manifest of the same moment: rows and checksums of every table, migrations, objects
3. the snapshot; those that are too old go, but never the newest

Restores are `restore`'s, and `verify-backup` proves every night that they would work.
"""

from datetime import UTC, datetime
from typing import Annotated

from prefect import flow

from flows.opening import opened, run_name
from flows.parameters import EnvironmentName, PlanOnly, Shown
from tasks.backups.bucket import ensure_backup_bucket
from tasks.backups.dumping import dump_database
from tasks.backups.listing import show_backups
from tasks.backups.snapshots import prune_backup_snapshots, take_backup_snapshot

OnlyList = Annotated[bool, Shown("Only list what there is to restore from.")]


@flow(name="backup", flow_run_name=run_name)
async def backup(
    environment: EnvironmentName = "local", only_list: OnlyList = False, plan_only: PlanOnly = False
) -> None:
    """Have a backup of the database as it is now."""
    async with opened(environment, plan_only=plan_only or only_list) as rollout:
        at, settings = datetime.now(UTC), rollout.environment.backup
        if only_list:
            show_backups(rollout, None, at)
            return
        ensure_backup_bucket(rollout)
        manifest = dump_database(rollout, at) if settings.dump else None
        if settings.snapshot:
            take_backup_snapshot(rollout, at)
            prune_backup_snapshots(rollout, at)
        if not plan_only:
            show_backups(rollout, manifest, at)
