"""Snapshots that RDS keeps beside its automated backups: they outlive the instance, and are quick to restore.

They are kept as long as dumps are. S3 has rules for that, RDS does not, so those that are too old are taken away here;
the newest stays however old it is.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from tasks.backups.manifest import Kind, kept_for, kind_of
from tasks.changes import PENDING, Change, Rollout
from tasks.database_snapshots import (
    SeenSnapshot,
    Snapshot,
    apply_snapshot,
    delete_snapshot,
    observe_snapshot,
    observe_snapshots,
)
from tasks.steps import step

NAME_ENDS = r"-backup-(daily|weekly|monthly)-(\d{8}-\d{6})"
TIME = "%Y%m%d-%H%M%S"


def snapshot_name(database: str, at: datetime) -> str:
    """`miyabi-postgres-local-backup-daily-20261127-031500`."""
    return f"{database}-backup-{kind_of(at)}-{at.astimezone(UTC):{TIME}}"


def kind_and_time(identifier: str) -> tuple[Kind, datetime]:
    """Of a snapshot with such a name."""
    found = re.search(NAME_ENDS, identifier)
    assert found
    return found[1], datetime.strptime(found[2], TIME).replace(tzinfo=UTC)  # type: ignore[return-value]


@step("Snapshot database as a backup")
def take_backup_snapshot(rollout: Rollout, at: datetime) -> Snapshot:
    """Have a snapshot of this moment; wait until it can be restored."""
    name = snapshot_name(rollout.environment.names.database, at)
    seen = observe_snapshot(rollout, name)
    whole = seen is not None and seen.status == "available"
    return rollout.converge(
        f"snapshot {name}",
        [] if whole else [Change("create", f"snapshot {name}", why=f"kept as the {kind_of(at)} one")],
        apply=lambda: apply_snapshot(rollout, name),
        planned=lambda: Snapshot(name, seen.arn if seen else PENDING),
    )


@step("Delete expired snapshots")
def prune_backup_snapshots(rollout: Rollout, at: datetime) -> None:
    """Delete those of ours that are too old."""
    for snapshot, change in plan_expired(rollout, observe_snapshots(rollout, ends=NAME_ENDS), at):
        rollout.converge(
            f"absence of snapshot {snapshot.identifier}",
            [change],
            apply=partial(delete_snapshot, rollout, snapshot.identifier),
            planned=lambda: None,
        )


def plan_expired(rollout: Rollout, seen: Sequence[SeenSnapshot], at: datetime) -> list[tuple[SeenSnapshot, Change]]:
    """The deletion of each that is older than its kind is kept; never the newest of all."""
    settings, old = rollout.environment.backup, []
    for snapshot in sorted(seen, key=lambda one: kind_and_time(one.identifier)[1])[:-1]:
        kind, taken = kind_and_time(snapshot.identifier)
        if at - taken > kept_for(settings, kind):
            days = kept_for(settings, kind).days
            old.append((snapshot, Change("delete", f"snapshot {snapshot.identifier}", why=f"{kind}: kept {days} days")))
    return old
