"""Verify a backup: restore it into an instance of its own, and prove that it is what it says. Every night.

1. look at the manifest: stored whole, young enough, of this schema, not empty, not shrunk; what is wrong ends it here
2. a small instance beside the environment's own; the one that a run left behind which died is taken away first
3. restore the dump, compare rows, checksums, objects, sequences and migrations; apply later migrations; start the
   application on it and ask its smoke suite
4. the same with the snapshot of the same night, which RDS makes an instance of: it has to come up and be read whole
5. take each instance away, whatever happened; keep the result in the bucket of backups, publish RPO, RTO and history
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow

from database.migration_files import Migration
from flows.opening import ROOT, opened, planning_twin, run_name
from flows.parameters import EnvironmentName, Shown, SourceSpec
from tasks.backups.bucket import ensure_backup_bucket
from tasks.backups.comparing import Check
from tasks.backups.instances import proving
from tasks.backups.proof import EARLY, SNAPSHOT, Proof
from tasks.backups.remaking import make_instance
from tasks.backups.verifying import (
    compare_restored,
    compare_snapshot,
    conclude,
    examine_backup,
    find_snapshot,
    migrate_restored,
    restore_backup,
    smoke_restored,
)
from tasks.bundling.sources import Source, load_manifest, parse_source
from tasks.changes import Rollout
from tasks.database_engine import choose_engine
from tasks.databases import Database, destroy_database, ensure_database
from tasks.errors import MiyabiError
from tasks.migrations import read_migrations
from tasks.network import ensure_network

BackupId = Annotated[str, Shown("The backup's id, such as 20261127T031500Z. Empty: the newest.")]

Directory = Annotated[str, Shown("Folder of migrations; a relative one counts from the repository.")]


@flow(name="verify-backup", flow_run_name=run_name)
async def verify_backup(
    environment: EnvironmentName = "local",
    backup: BackupId = "",
    source: SourceSpec = "python:api",
    directory: Directory = "migrations",
) -> None:
    """Restore the newest backup beside the database, and prove that it is whole."""
    place, files = parse_source(source, root=ROOT), read_migrations(ROOT / directory)
    load_manifest(place)
    async with opened(environment, writes=False) as rollout:  # nothing that others write
        ensure_backup_bucket(rollout)
        proof = Proof(datetime.now(UTC))
        with concluded(rollout, proof):
            examine_backup(rollout, proof, backup, files)
            prove(rollout, proof, place, files)
            prove_snapshot(rollout, proof, files)


@contextmanager
def concluded(rollout: Rollout, proof: Proof) -> Iterator[None]:
    """The result is kept and published also when the work ends early, which proves nothing."""
    try:
        yield
    except MiyabiError as error:
        proof.note([Check(EARLY, False, str(error))])
    conclude(rollout, proof)


def prove(rollout: Rollout, proof: Proof, source: Source, files: Sequence[Migration]) -> None:
    """Restore into an instance that is taken away again; unless the manifest already shows that something is wrong."""
    if proof.failed or proof.manifest is None:
        return
    target = proving(rollout, proof.manifest.major)
    destroy_database(target, final_snapshot=False)
    try:
        with proof.timed("instance made"):
            database = lay_beside(target)
        restore_backup(target, proof, database)
        if not proof.failed:
            compare_restored(target, proof, database)
            migrate_restored(target, proof, database, files)
            smoke_restored(target, proof, database, source)
    finally:
        destroy_database(target, final_snapshot=False)


def prove_snapshot(rollout: Rollout, proof: Proof, files: Sequence[Migration]) -> None:
    """What RDS makes of the snapshot that was taken with the dump is read whole, and taken away again."""
    if proof.failed or proof.manifest is None:
        return
    target = proving(rollout, proof.manifest.major)
    point = find_snapshot(rollout, proof, target.environment.names.database)
    if point is None:
        return
    try:
        with proof.timed(SNAPSHOT):
            network, engine = ensure_network(planning_twin(target)), choose_engine(target)
            make_instance(target, rollout, point, network, engine.version)
            database = ensure_database(target, network, engine, reset_password=True)
        compare_snapshot(target, proof, database, files)
    finally:
        destroy_database(target, final_snapshot=False)


def lay_beside(target: Rollout) -> Database:
    """An instance on what there is: a nightly run changes nothing else, so it only looks at the network."""
    network = ensure_network(planning_twin(target))
    return ensure_database(target, network, choose_engine(target))
