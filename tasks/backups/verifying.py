"""The steps of a verification. Each writes what it found into the proof, and none of them changes the original.

What the manifest alone shows to be wrong ends a verification before an instance is paid for.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from database import migrations as runner
from database.migration_errors import MigrationError
from database.migration_files import Migration
from tasks.backups.archive import Archive, NoBackup
from tasks.backups.bucket import EARLIER_DAYS
from tasks.backups.clients import find_client
from tasks.backups.comparing import Check, age_words, checks_after, checks_before, held, judged, snapshot_wrong
from tasks.backups.instances import dsn_of
from tasks.backups.manifest import BadManifest, Manifest, moment_of
from tasks.backups.page import page_of
from tasks.backups.points import Point
from tasks.backups.proof import AFTER, SNAPSHOT, Proof, VerificationFailed, Verified, history, keep, rpo_s, verified
from tasks.backups.restoring import NotRestorable, contents_of, restore_dump
from tasks.backups.smoking import smoke_on
from tasks.backups.snapshots import snapshot_name
from tasks.bundling.sources import Source
from tasks.changes import Rollout
from tasks.database_snapshots import observe_snapshot
from tasks.databases import Database
from tasks.events import tell, words
from tasks.reports import publish_page
from tasks.steps import step

logger = logging.getLogger(__name__)
RESTORED, LATER, *_ = AFTER


@step("Examine backup")
def examine_backup(rollout: Rollout, proof: Proof, backup: str, files: Sequence[Migration]) -> None:
    """Choose the backup, the newest unless one is named, and look at what is known of it. Reads only."""
    archive = Archive(rollout)
    try:
        proof.backup, proof.kind = archive.find(backup)
        manifest = archive.manifest(proof.backup, proof.kind)
    except (BadManifest, NoBackup) as error:
        proof.note([Check("manifest", False, str(error))])
        return
    proof.manifest = manifest
    find_client("pg_restore", manifest.major)  # before an instance is paid for
    stored = archive.size(manifest)
    if stored is not None and (now := archive.replaced(manifest)):
        tell_replaced(rollout, replaced_words(archive, manifest, now))
    proof.note(checks_before(
        manifest, stored=stored, previous=archive.before(manifest), files=files,
        settings=rollout.environment.backup, at=proof.at, newest=proof.backup == archive.find()[0],
    ))  # fmt: skip


def tell_replaced(rollout: Rollout, said: str) -> None:
    """In the run's page, and to people: the proof may pass all the same."""
    rollout.find("backups", said)
    where = rollout.environment.name
    tell(where, "backup.replaced", f"a backup of {where} was replaced: {words(said, 200)}", said)


def replaced_words(archive: Archive, manifest: Manifest, now: str) -> str:
    return (
        f"{archive.bucket}/{manifest.key}: {now}. What is verified and restored is the version that the manifest names,"
        f" {manifest.version}; S3 deletes it {EARLIER_DAYS} days after that. Find out who did it, and take a new backup"
    )


@step("Restore backup")
def restore_backup(target: Rollout, proof: Proof, database: Database) -> None:
    """Put the dump into the instance beside."""
    assert proof.manifest
    try:
        with proof.timed("restored"):
            restore_dump(Archive(target), proof.manifest, dsn_of(target, database))
    except NotRestorable as error:
        proof.note([Check(RESTORED, False, str(error))])
    else:
        proof.note([Check(RESTORED, True, f"{proof.manifest.size:,} bytes in {proof.seconds['restored']:.1f} s")])


@step("Compare with the manifest")
def compare_restored(target: Rollout, proof: Proof, database: Database) -> None:
    """Hold what was restored against what the original held."""
    assert proof.manifest
    with proof.timed("compared"):
        proof.note(checks_after(proof.manifest, contents_of(dsn_of(target, database))))


@step("Apply later migrations")
def migrate_restored(target: Rollout, proof: Proof, database: Database, files: Sequence[Migration]) -> None:
    """What was released since the backup was taken has to apply to it, or it is of no use to what runs now."""
    try:
        with proof.timed("migrated"):
            done = runner.run(dsn_of(target, database).get_secret_value(), files)
    except MigrationError as error:
        proof.note([judged(LATER, [str(error)], "")])
    else:
        proof.note([judged(LATER, [], f"{len(done)} applied" if done else "there are none")])


@step("Smoke-test the restored database")
def smoke_restored(target: Rollout, proof: Proof, database: Database, source: Source) -> None:
    """Start the application on it and ask its suite."""
    with proof.timed("smoke-tested"):
        proof.note([smoke_on(target, source, dsn_of(target, database))])


@step("Find the snapshot")
def find_snapshot(rollout: Rollout, proof: Proof, into: str) -> Point | None:
    """The one that was taken with the dump; None, and said to be left out, where there is none."""
    assert proof.manifest
    name = snapshot_name(rollout.environment.names.database, moment_of(proof.manifest.id))
    if observe_snapshot(rollout, name):
        return Point("snapshot", name, into)
    proof.note([Check(SNAPSHOT, None, f"there is no {name}")])
    return None


@step("Compare the snapshot")
def compare_snapshot(target: Rollout, proof: Proof, database: Database, files: Sequence[Migration]) -> None:
    """Read all of what RDS has made of it."""
    assert proof.manifest
    found = contents_of(dsn_of(target, database))
    problems = snapshot_wrong(proof.manifest, found, files, target.environment.backup)
    proof.note([judged(SNAPSHOT, problems, f"{held(found)}, all read")])


@step("Conclude verification")
def conclude(rollout: Rollout, proof: Proof) -> Verified:
    """Keep the result, publish the page, say what is open. Raises VerificationFailed."""
    entry, settings = verified(proof), rollout.environment.backup
    keep(Archive(rollout), entry)
    past = history(Archive(rollout))
    rpo = rpo_s(past, proof.at)
    rollout.facts |= {"backup": entry.backup, "rpo_s": rpo, "rto_s": entry.rto_s, "rows": entry.rows}
    for text in shortfalls(rpo, entry.rto_s, settings.rpo_hours, settings.rto_minutes):
        rollout.find("backups", text)
    page = page_of(rollout.environment, proof, past, rpo)
    publish_page(rollout.environment.name, "backup-verified", page, outcome(entry))
    if not entry.passed:
        problems = entry.problems or ["it ended before everything was looked at"]
        raise VerificationFailed("\n".join([f"backup {proof.kind}/{proof.backup} is not proven:",
                                            *(f"  - {problem}" for problem in problems)]))  # fmt: skip
    logger.info("backup %s is restorable: RPO %s, RTO %.0f s", proof.backup, loss_words(rpo), entry.rto_s or 0.0)
    return entry


def shortfalls(rpo: float | None, rto: float | None, rpo_hours: float, rto_minutes: float) -> list[str]:
    """Where the measured figures miss what the environment asks for."""
    found = []
    if rpo is None:
        found.append("no backup is proven to be restorable: a disaster would cost everything")
    elif rpo > rpo_hours * 3600:
        found.append(f"a disaster would cost {loss_words(rpo)} of work; backup.rpo_hours is {rpo_hours:g}")
    if rto is not None and rto > rto_minutes * 60:
        found.append(f"a restore takes {rto / 60:.0f} minutes; backup.rto_minutes is {rto_minutes:g}")
    return found


def loss_words(seconds: float | None) -> str:
    return age_words(timedelta(seconds=seconds)) if seconds is not None else "everything"


def outcome(entry: Verified) -> str:
    return f"backup {entry.backup or 'none'}: {'restorable' if entry.passed else 'not proven'}"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
