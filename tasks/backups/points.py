"""What a restore begins with: a dump, a snapshot or a moment; and the name of the instance that it makes.

Everything is looked up before the first write, and what cannot be is refused with all that is wrong. The name follows
from what is restored, so a restore that died is run again and goes on with the same instance.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tasks.backups.archive import Archive
from tasks.backups.clients import find_client
from tasks.backups.manifest import Manifest
from tasks.changes import Rollout, tags_from
from tasks.database_snapshots import observe_snapshot
from tasks.databases import observe_database
from tasks.errors import Rejected, absent_as_none
from tasks.steps import step

IDENTIFIER = re.compile(r"[a-z](?!.*--)[a-z0-9-]{0,62}(?<!-)")
LATEST = "latest"
FROM = "RestoredFrom"
"""The tag that says what an instance was made from."""


@dataclass(frozen=True)
class Point:
    """What is restored, and into which instance."""

    kind: Literal["dump", "snapshot", "time"]
    name: str
    """The backup's or the snapshot's id, `latest`, or a time."""
    into: str
    manifest: Manifest | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        return {"dump": f"backup {self.name}", "snapshot": f"snapshot {self.name}", "time": f"time {self.name}"}[
            self.kind
        ]


@step("Find what to restore")
def find_point(rollout: Rollout, *, backup: str, snapshot: str, to_time: str, into: str) -> Point:
    """The point, and where it goes. Raises Rejected, NoBackup or BadManifest. Reads only."""
    if len(list(filter(None, (backup, snapshot, to_time)))) > 1:
        raise Rejected("restore", ["give one of a backup, a snapshot and a time"])
    if snapshot:
        point = snapshot_point(rollout, snapshot, into)
    elif to_time:
        point = time_point(rollout, to_time, into)
    else:
        point = dump_point(rollout, backup, into)
    if problems := list(filter(None, [name_wrong(point.into), taken(rollout, point)])):
        raise Rejected(f"restore into {point.into!r}", problems)
    return point


def dump_point(rollout: Rollout, backup: str, into: str) -> Point:
    archive = Archive(rollout)
    manifest = archive.manifest(*archive.find(backup))
    find_client("pg_restore", manifest.major)
    stored = archive.size(manifest)
    if stored != manifest.size:
        raise Rejected(f"backup {manifest.id}", [f"its dump has {stored or 0:,} bytes of {manifest.size:,}"])
    name = into or f"{rollout.environment.names.database}-{manifest.id.lower()}"
    return Point("dump", manifest.id, name, manifest)


def snapshot_point(rollout: Rollout, snapshot: str, into: str) -> Point:
    seen = observe_snapshot(rollout, snapshot)
    if seen is None:
        raise Rejected("restore", [f"there is no snapshot {snapshot!r}: `miyabi backup --list` names ours"])
    if seen.status != "available":
        raise Rejected("restore", [f"snapshot {snapshot!r} is {seen.status!r}, and cannot be restored yet"])
    return Point("snapshot", snapshot, into or f"{snapshot[:54].rstrip('-')}-restored")


def time_point(rollout: Rollout, to_time: str, into: str) -> Point:
    """A moment of the last days; RDS keeps the log of changes as long as `database.backup_days`."""
    database = rollout.environment.names.database
    if to_time == LATEST:
        return Point("time", LATEST, into or f"{database}-latest")
    try:
        at = datetime.fromisoformat(to_time).astimezone(UTC)
    except ValueError:
        raise Rejected("restore", [f"{to_time!r} is no time: write 2026-11-27T03:15:00Z, or {LATEST!r}"]) from None
    if at > datetime.now(UTC):
        raise Rejected("restore", [f"{to_time} has not come yet"])
    return Point("time", f"{at:%Y-%m-%dT%H:%M:%SZ}", into or f"{database}-at-{at:%Y%m%d-%H%M%S}", at=at)


def name_wrong(into: str) -> str:
    if IDENTIFIER.fullmatch(into):
        return ""
    return "an instance's name has at most 63 small letters, digits and single hyphens, and begins with a letter"


def taken(rollout: Rollout, point: Point) -> str:
    """Why the instance of that name is not this restore's; '' if there is none, or it is."""
    if point.into == rollout.environment.names.database:
        return "it is the environment's own database: a restore makes a new instance beside it"
    found = absent_as_none(lambda: rollout.aws("rds").describe_db_instances(DBInstanceIdentifier=point.into))
    if not found:
        return ""
    tags = tags_from(found["DBInstances"][0].get("TagList", []))
    if rollout.environment.owns(tags) and tags.get(FROM) == str(point):
        return ""
    return f"it exists already and is not from {point}: give another name"


def source_of(rollout: Rollout, point: Point) -> Mapping[str, Any]:
    """What RDS is told of a time: the instance, or the automated backups that it has left behind."""
    rds, name = rollout.aws("rds"), rollout.environment.names.database
    when = {"RestoreTime": point.at} if point.at else {"UseLatestRestorableTime": True}
    if observe_database(rollout):
        return {"SourceDBInstanceIdentifier": name, **when}
    left = rds.describe_db_instance_automated_backups(DBInstanceIdentifier=name)["DBInstanceAutomatedBackups"]
    if not left:
        raise Rejected("restore", [f"database {name!r} is gone, and so are its automated backups: restore a backup"])
    return {"SourceDBInstanceAutomatedBackupsArn": left[-1]["DBInstanceAutomatedBackupsArn"], **when}
