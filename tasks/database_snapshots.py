"""A snapshot before migrations, for the case that one of them was a mistake.

Migrations only go forward, so this is the way back: restoring it makes a new instance. Its name comes from the schema
that it holds and the hour: a release that died is run again soon and takes no second one, and a later release does not
take an old one for its own. Those that are old are found here and deleted by tasks/pruning.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.changes import PENDING, Change, Rollout, tags_from
from tasks.errors import absent_as_none, unless_exists, when_settled
from tasks.steps import step
from tasks.waiting import wait_until

PATIENCE = 60 * 60.0
NAME_ENDS = r"-schema-\d+-at-\d{8}-\d{2}"
"""How the names that `snapshot_name` makes end."""


@dataclass(frozen=True)
class Snapshot:
    """A manual snapshot of the environment's database."""

    identifier: str
    arn: str


@dataclass(frozen=True)
class SeenSnapshot:
    """A snapshot as RDS has it."""

    identifier: str
    arn: str
    status: str
    tags: Mapping[str, str] = field(hash=False)
    taken: datetime | None = None
    """None while it is being taken."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "SeenSnapshot":
        tags, taken = tags_from(found.get("TagList", [])), found.get("SnapshotCreateTime")
        return cls(found["DBSnapshotIdentifier"], found["DBSnapshotArn"], found["Status"], tags, taken)


def snapshot_name(database: str, schema: int, at: datetime) -> str:
    """`miyabi-postgres-local-schema-20251125000001-at-20261121-07`."""
    return f"{database}-schema-{schema}-at-{at:%Y%m%d-%H}"


def observe_snapshot(rollout: Rollout, name: str) -> SeenSnapshot | None:
    rds = rollout.aws("rds")
    found = absent_as_none(lambda: rds.describe_db_snapshots(DBSnapshotIdentifier=name))
    if not found or not found["DBSnapshots"]:
        return None
    return SeenSnapshot.of(found["DBSnapshots"][0])


def observe_snapshots(rollout: Rollout, *, ends: str = NAME_ENDS) -> list[SeenSnapshot]:
    """Those of this environment's database that we have taken and that are whole, oldest first.

    `ends` is how their names end: without it, those before migrations.
    """
    database = rollout.environment.names.database
    pages = (
        rollout.aws("rds")
        .get_paginator("describe_db_snapshots")
        .paginate(DBInstanceIdentifier=database, SnapshotType="manual")
    )
    found = [SeenSnapshot.of(snapshot) for page in pages for snapshot in page["DBSnapshots"]]
    name = re.compile(re.escape(database) + ends)
    ours = [snapshot for snapshot in found if name.fullmatch(snapshot.identifier)]
    whole = [s for s in ours if s.status == "available" and s.taken and rollout.environment.owns(dict(s.tags))]
    return sorted(whole, key=lambda snapshot: (snapshot.taken, snapshot.identifier))


def plan_old_snapshots(seen: Sequence[SeenSnapshot], *, keep: int, planned: int = 0) -> dict[SeenSnapshot, Change]:
    """The deletion of each that is not among the newest; `planned` more are taken before that."""
    why = f"not one of the newest {keep} that were taken before migrations"
    old = seen[: max(0, len(seen) + planned - keep)]
    return {snapshot: Change("delete", f"snapshot {snapshot.identifier}", why=why) for snapshot in old}


def plan_snapshot(name: str, seen: SeenSnapshot | None) -> list[Change]:
    return [] if seen else [Change("create", f"snapshot {name}", why="before migrations, which only go forward")]


def apply_snapshot(rollout: Rollout, name: str) -> Snapshot:
    """Take the snapshot once the instance allows it."""
    rds, database = rollout.aws("rds"), rollout.environment.names.database
    wanted = {"DBInstanceIdentifier": database, "DBSnapshotIdentifier": name, "Tags": rollout.tag_list}
    when_settled(lambda: unless_exists(lambda: rds.create_db_snapshot(**wanted)))
    return _wait_available(rollout, name)


def delete_snapshot(rollout: Rollout, name: str) -> None:
    """Delete a snapshot; nothing happens if it is gone already."""
    absent_as_none(lambda: rollout.aws("rds").delete_db_snapshot(DBSnapshotIdentifier=name))


@step("Snapshot database")
def snapshot_database(
    rollout: Rollout, *, schema: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Snapshot:
    """Have a snapshot of the database with this version of the schema; wait until it can be restored."""
    name = snapshot_name(rollout.environment.names.database, schema, now())
    seen = observe_snapshot(rollout, name)
    if seen:
        rollout.require_ours(f"snapshot {name}", dict(seen.tags))
        if seen.status != "available" and not rollout.planning:
            _wait_available(rollout, name)
    return rollout.converge(
        f"snapshot {name}",
        plan_snapshot(name, seen),
        apply=lambda: apply_snapshot(rollout, name),
        planned=lambda: Snapshot(name, seen.arn if seen else PENDING),
    )


def _wait_available(rollout: Rollout, name: str) -> Snapshot:
    def poll() -> tuple[str, Snapshot | None]:
        seen = observe_snapshot(rollout, name)
        if seen is None:
            return "not seen yet", None
        return seen.status, Snapshot(name, seen.arn) if seen.status == "available" else None

    return wait_until(f"snapshot {name}", poll, patience=PATIENCE, expected=180, failed=frozenset({"failed"}))
