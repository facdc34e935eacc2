"""A snapshot before migrations, for the case that one of them was a mistake.

Migrations only go forward, so this is the way back: restoring it makes a new instance. Its name comes from the schema
that it holds and the hour: a release that died is run again soon and takes no second one, and a later release does not
take an old one for its own. Nothing here deletes a snapshot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.changes import PENDING, Change, Rollout, tags_from
from tasks.errors import absent_as_none, unless_exists, when_settled
from tasks.steps import step
from tasks.waiting import wait_until

PATIENCE = 60 * 60.0


@dataclass(frozen=True)
class Snapshot:
    """A manual snapshot of the environment's database."""

    identifier: str
    arn: str


@dataclass(frozen=True)
class SeenSnapshot:
    """A snapshot as RDS has it."""

    arn: str
    status: str
    tags: dict[str, str]


def snapshot_name(database: str, schema: int, at: datetime) -> str:
    """`miyabi-postgres-local-schema-20251125000001-at-20261121-07`."""
    return f"{database}-schema-{schema}-at-{at:%Y%m%d-%H}"


def observe_snapshot(rollout: Rollout, name: str) -> SeenSnapshot | None:
    rds = rollout.aws("rds")
    found = absent_as_none(lambda: rds.describe_db_snapshots(DBSnapshotIdentifier=name))
    if not found or not found["DBSnapshots"]:
        return None
    snapshot = found["DBSnapshots"][0]
    return SeenSnapshot(snapshot["DBSnapshotArn"], snapshot["Status"], tags_from(snapshot.get("TagList", [])))


def plan_snapshot(name: str, seen: SeenSnapshot | None) -> list[Change]:
    return [] if seen else [Change("create", f"snapshot {name}", why="before migrations, which only go forward")]


def apply_snapshot(rollout: Rollout, name: str) -> Snapshot:
    """Take the snapshot once the instance allows it."""
    rds, database = rollout.aws("rds"), rollout.environment.names.database
    wanted = {"DBInstanceIdentifier": database, "DBSnapshotIdentifier": name, "Tags": rollout.tag_list}
    when_settled(lambda: unless_exists(lambda: rds.create_db_snapshot(**wanted)))
    return _wait_available(rollout, name)


@step("Snapshot database")
def snapshot_database(
    rollout: Rollout, *, schema: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Snapshot:
    """Have a snapshot of the database with this version of the schema; wait until it can be restored."""
    name = snapshot_name(rollout.environment.names.database, schema, now())
    seen = observe_snapshot(rollout, name)
    if seen:
        rollout.require_ours(f"snapshot {name}", seen.tags)
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
