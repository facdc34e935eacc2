"""What there is to restore from: dumps and snapshots, newest first, with when each expires and whether it is proven."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.backups.archive import Archive
from tasks.backups.comparing import age_words, plural
from tasks.backups.manifest import BadManifest, Kind, Manifest, kept_for, moment_of
from tasks.backups.page import grid, mark
from tasks.backups.proof import Verified, history
from tasks.backups.snapshots import NAME_ENDS, kind_and_time
from tasks.changes import Rollout
from tasks.database_snapshots import observe_snapshots
from tasks.reports import publish_page
from tasks.steps import step

SHOWN = 20
HEAD = ("backup", "kind", "age", "expires", "rows", "schema", "size, MB", "proven")


@step("List backups")
def show_backups(rollout: Rollout, taken: Manifest | None, at: datetime) -> None:
    """Publish the list. Reads only."""
    archive = Archive(rollout)
    known, past = archive.ids(), history(archive)
    rows = [dump_row(archive, backup, kind, past, rollout, at) for backup, kind in known[:SHOWN]]
    page = "\n\n".join([
        f"# Backups of {rollout.environment.name}: {len(known)} dump{plural(len(known), 'dump')} in `{archive.bucket}`",
        grid(HEAD, rows) if rows else "There is none.",
        "## Snapshots in RDS",
        grid(("snapshot", "kind", "age", "expires"), snapshot_rows(rollout, at)),
        "Restore one beside the database with `miyabi restore BACKUP` or `miyabi restore --snapshot SNAPSHOT`.",
    ])  # fmt: skip
    outcome = f"backup {taken.id}" if taken else "the backups"
    publish_page(rollout.environment.name, "backup", page + "\n", outcome)


def dump_row(
    archive: Archive, backup: str, kind: Kind, past: Sequence[Verified], rollout: Rollout, at: datetime
) -> tuple[str, ...]:
    """A dump's line; of one whose manifest cannot be read, that."""
    expires = moment_of(backup) + kept_for(rollout.environment.backup, kind)
    head = (backup, kind, age_words(at - moment_of(backup)), f"{expires:%Y-%m-%d}")
    try:
        manifest = archive.manifest(backup, kind)
    except BadManifest as error:
        return (*head, "", "", "", f"✗ {error}")
    last = [entry for entry in past if entry.backup == backup][-1:]
    proven = mark(last[0].passed) if last else "not yet"
    return (*head, f"{manifest.rows:,}", str(manifest.schema_version), f"{manifest.size / 1e6:,.1f}", proven)


def snapshot_rows(rollout: Rollout, at: datetime) -> list[tuple[str, ...]]:
    rows = list[tuple[str, ...]]()
    for snapshot in reversed(observe_snapshots(rollout, ends=NAME_ENDS)):
        kind, taken = kind_and_time(snapshot.identifier)
        expires: timedelta = kept_for(rollout.environment.backup, kind)
        rows.append((snapshot.identifier, kind, age_words(at - taken), f"{taken + expires:%Y-%m-%d}"))
    return rows
