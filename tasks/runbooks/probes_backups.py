"""What there is to restore from: the log of changes, snapshots, dumps, and whether one is proven."""

from datetime import UTC, datetime

from tasks.backups.archive import Archive
from tasks.backups.proof import observe_backups
from tasks.backups.snapshots import NAME_ENDS
from tasks.database_snapshots import observe_snapshots
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look
from tasks.runbooks.facts import BackupsSeen
from tasks.runbooks.probes_database import instance_of


def see_backups(look: Look, facts: Facts) -> BackupsSeen:
    """The instance and everything that it could be restored from."""
    instance, archive = instance_of(look), Archive(look.rollout)
    dumps, at = archive.ids(), datetime.fromtimestamp(look.now(), UTC)
    snapshots = observe_snapshots(look.rollout, ends=NAME_ENDS)
    latest = instance.get("LatestRestorableTime") if instance else None
    return BackupsSeen(
        status=str(instance["DBInstanceStatus"]) if instance else "",
        latest=f"{latest:%Y-%m-%dT%H:%M:%SZ}" if latest else "",
        dump=dumps[0][0] if dumps else "",
        snapshot=snapshots[-1].identifier if snapshots else "",
        rpo_s=observe_backups(archive, at).rpo_s,
        rpo_hours=look.rollout.environment.backup.rpo_hours,
    )
