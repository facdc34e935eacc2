"""RDS: snapshots that hold the data of their moment, and instances made from them.

A new instance has the names, the password and the data of the one it comes from; groups and protection are its own.
"""

from collections.abc import MutableMapping
from typing import Any

from moto.rds.exceptions import DBInstanceAlreadyExists, DBSnapshotAlreadyExistsError, RDSClientError
from moto.rds.models import RDSBackend

from localcloud.aws import rds_rules as rules
from localcloud.aws.patches import Patches
from localcloud.aws.rds_life import Lifecycle

Overrides = MutableMapping[str, Any]
OWN = {"deletion_protection": False, "multi_az": False, "publicly_accessible": None}
"""What a restored instance does not take over: without a word about it, it is off, or follows from the subnets."""
LATEST = "latest-of-{}"
"""The snapshot behind a restore to the latest time, which nobody sees."""


def install(patches: Patches, life: Lifecycle) -> None:
    _install_snapshots(patches, life)
    _install_restores(patches, life)


def _install_snapshots(patches: Patches, life: Lifecycle) -> None:
    @patches.wrap(RDSBackend, "create_db_snapshot")
    def create(
        original: Any, backend: Any, db_instance_identifier: str, db_snapshot_identifier: str, *args: Any, **named: Any
    ) -> Any:
        if named.get("snapshot_type") == "automated":
            return original(backend, db_instance_identifier, db_snapshot_identifier, *args, **named)
        if database := backend.databases.get(db_instance_identifier):
            rules.check_available(database)
        if db_snapshot_identifier in backend.database_snapshots:
            raise DBSnapshotAlreadyExistsError(db_snapshot_identifier)
        snapshot = original(backend, db_instance_identifier, db_snapshot_identifier, *args, **named)
        try:
            life.take(snapshot)
        except BaseException:
            backend.database_snapshots.pop(db_snapshot_identifier)
            raise
        return snapshot

    @patches.wrap(RDSBackend, "delete_db_snapshot")
    def delete(original: Any, backend: Any, db_snapshot_identifier: str) -> Any:
        if (found := backend.database_snapshots.get(db_snapshot_identifier)) and found.status == "creating":
            raise RDSClientError("InvalidDBSnapshotState", f"Snapshot {db_snapshot_identifier} is being created.")
        snapshot = original(backend, db_snapshot_identifier)
        if life.snapshots:
            life.snapshots.forget(db_snapshot_identifier)
        return snapshot


def _install_restores(patches: Patches, life: Lifecycle) -> None:
    @patches.wrap(RDSBackend, "restore_db_instance_from_db_snapshot")
    def from_snapshot(original: Any, backend: Any, from_snapshot_id: str, overrides: Overrides) -> Any:
        name = from_snapshot_id.rpartition(":")[2]
        found = backend.describe_db_snapshots(db_instance_identifier=None, db_snapshot_identifier=name)[0]
        if found.status != "available":
            raise RDSClientError("InvalidDBSnapshotState", f"Snapshot {name} is not in available state: {found.status}")
        if life.snapshots and not life.snapshots.holds(name):
            raise NotImplementedError(f"snapshot {name!r} was recorded here, but holds no data to restore")
        return original(backend, name, _with_own(overrides, name))

    @patches.wrap(RDSBackend, "restore_db_instance_to_point_in_time")
    def to_time(original: Any, backend: Any, source: str, target: str, overrides: Overrides) -> Any:
        if not overrides.get("use_latest_restorable_time"):
            raise NotImplementedError("no log of changes is kept here: the only time to restore to is the latest")
        rules.check_available(backend.describe_db_instances(source)[0])
        if target in backend.databases:
            raise DBInstanceAlreadyExists
        if life.snapshots:
            life.snapshots.take(LATEST.format(target), source)
        return original(backend, source, target, _with_own(overrides, LATEST.format(target)))


def settle(wanted: Overrides) -> None:
    """Of the parameters that moto has copied from the old instance, leave those that a restored one does not take."""
    wanted.update(wanted.pop("own"))
    if wanted["storage_type"] == "gp3":
        for name in ("iops", "storage_throughput"):  # the baseline, which follows from the size
            wanted.pop(name, None)


def _with_own(overrides: Overrides, snapshot: str) -> dict[str, Any]:
    """The parameters of the new instance. moto passes over what is false, and would take the old one's."""
    wanted = dict(overrides.items())
    return {
        **wanted,
        "restore_from": snapshot,
        "own": {name: wanted.get(name, default) for name, default in OWN.items()},
    }
