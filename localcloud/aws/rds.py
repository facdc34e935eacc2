"""RDS: versions and options, what it refuses, instances that take their time, and a real database behind each."""

import contextlib
import json
import random
import secrets
import string
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.rds import utils as rds_utils
from moto.rds.exceptions import DBSnapshotAlreadyExistsError, InvalidParameterCombination
from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend
from moto.rds.responses import RDSResponse

from localcloud.aws import rds_catalog as catalog
from localcloud.aws import rds_groups, rds_restores
from localcloud.aws import rds_rules as rules
from localcloud.aws.patches import Patches
from localcloud.aws.rds_life import Lifecycle
from localcloud.aws.rds_postgres import Databases
from localcloud.aws.rds_snapshots import Snapshots

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

Wanted = MutableMapping[str, Any]

DEFERRED = {
    "db_instance_class": "DBInstanceClass",
    "allocated_storage": "AllocatedStorage",
    "engine_version": "EngineVersion",
    "multi_az": "MultiAZ",
    "storage_type": "StorageType",
    "iops": "Iops",
    "storage_throughput": "StorageThroughput",
}
"""What ModifyDBInstance leaves for the maintenance window unless told to apply it immediately."""


def install(cloud: "Cloud") -> Lifecycle:
    """Close RDS's gaps; answers the lifecycle of the instances."""
    databases = Databases(cloud.postgres, cloud.home) if cloud.postgres else None
    snapshots = Snapshots(databases, cloud.home) if databases else None
    life = Lifecycle(databases, snapshots, writing=cloud.state.writing, lasting=cloud.timings.database)
    _install_catalog(cloud.patches)
    _install_create(cloud.patches, life)
    _install_modify(cloud.patches, life)
    _install_delete(cloud.patches, life)
    _install_power(cloud.patches, life)
    _install_endpoint(cloud.patches, databases)
    rds_groups.install(cloud.patches)
    rds_restores.install(cloud.patches, life)
    return life


def _install_catalog(patches: Patches) -> None:
    @patches.add(RDSResponse, "describe_db_engine_versions")
    def versions(response: Any) -> ActionResult:
        wanted = _of_postgres(response.params)
        items, marker = catalog.page(catalog.engine_versions(wanted), wanted)
        return ActionResult({"DBEngineVersions": items, "Marker": marker})

    @patches.wrap(RDSResponse, "describe_orderable_db_instance_options")
    def options(original: Any, response: Any) -> ActionResult:
        wanted = _of_postgres(response.params)
        items, marker = catalog.page(catalog.orderable(wanted, region=response.region), wanted)
        return ActionResult({"OrderableDBInstanceOptions": items, "Marker": marker})


def _of_postgres(params: Any) -> Any:
    if params.get("Engine") not in (None, catalog.ENGINE):
        raise NotImplementedError(f"engine {params['Engine']!r}: the embedded cloud has PostgreSQL only")
    return params


def _install_create(patches: Patches, life: Lifecycle) -> None:
    @patches.wrap(rds_utils, "get_overlap_between_two_date_ranges")
    def overlap(original: Any, *ranges: Any) -> int:
        """RDS allows windows that only touch, such as the mission's 03:00-04:00 and 04:00-05:00; moto does not."""
        return int(original(*ranges)) or -1

    @patches.wrap(RDSBackend, "create_db_instance")
    def create(original: Any, backend: Any, wanted: Wanted) -> Any:
        identifier = wanted["db_instance_identifier"]
        if identifier in backend.databases:
            return original(backend, wanted)  # which says that it exists
        restore_from = wanted.pop("restore_from", None)
        if restore_from:
            rds_restores.settle(wanted)
        rules.check_create(backend, wanted)
        database = original(backend, _with_defaults(wanted, backend))
        _shape(database, wanted)
        database.restore_from = restore_from
        life.begin(database, "creating")
        return database

    @patches.wrap(DBInstance, "save_automated_backup")
    def backup(original: Any, database: Any) -> None:
        """moto names it by the minute: an instance deleted and made again within one would be left half made."""
        with contextlib.suppress(DBSnapshotAlreadyExistsError):
            original(database)

    @patches.wrap(MasterUserSecret, "_generate_secret_string")
    def master_secret(original: Any, secret: Any) -> str:
        return json.dumps({"username": secret.resource.master_username, "password": secrets.token_urlsafe(24)})


def _with_defaults(wanted: Wanted, backend: Any) -> Wanted:
    """The parameters with what RDS fills in for PostgreSQL."""
    wanted["engine_version"] = catalog.resolve(wanted.get("engine_version"))
    wanted.setdefault("license_model", "postgresql-license")
    wanted.setdefault("ca_certificate_identifier", "rds-ca-rsa2048-g1")
    wanted.setdefault("storage_type", "io1" if wanted.get("iops") else "gp3")
    if wanted["storage_type"] == "gp3":
        wanted.setdefault("iops", catalog.BASELINE_IOPS)
        wanted.setdefault("storage_throughput", catalog.BASELINE_THROUGHPUT)
    if wanted.get("publicly_accessible") is None:
        wanted["publicly_accessible"] = (wanted.get("db_subnet_group_name") or "default") == "default"
    if wanted.get("storage_encrypted"):
        key = f"arn:aws:kms:{backend.region_name}:{backend.account_id}:key/{backend.account_id[:8]}-aws-rds"
        wanted.setdefault("kms_key_id", key)
    return wanted


def _shape(database: Any, wanted: Wanted) -> None:
    """What RDS tells of an instance that moto does not keep."""
    database.dbi_resource_id = "db-" + "".join(random.choices(string.ascii_uppercase + "234567", k=26))
    database.pending_modified_values = {}
    database.engine_lifecycle_support = wanted.get("engine_lifecycle_support", "open-source-rds-extended-support")
    database.network_type, database.backup_target = "IPV4", "region"
    database.performance_insights_enabled = bool(wanted.get("enable_performance_insights"))
    database.dedicated_log_volume = database.customer_owned_ip_enabled = False


def _install_modify(patches: Patches, life: Lifecycle) -> None:
    @patches.wrap(RDSBackend, "modify_db_instance")
    def modify(original: Any, backend: Any, identifier: str, wanted: Wanted) -> Any:
        database = backend.describe_db_instances(identifier)[0]
        if "new_db_instance_identifier" in wanted:
            raise NotImplementedError("an instance keeps its name here")
        rules.check_modify(backend, database, wanted)
        if "engine_version" in wanted:
            wanted["engine_version"] = catalog.resolve(wanted["engine_version"])
        _put_off(database, wanted)
        status = _transition(database, wanted)
        original(backend, identifier, wanted)
        if status:
            life.begin(database, status)
        return database


def _put_off(database: Any, wanted: Wanted) -> None:
    """Move what is not to be applied immediately to the pending values."""
    pending = dict(database.pending_modified_values)
    for name, shown in DEFERRED.items():
        if wanted.get(name) is None:
            continue
        pending.pop(shown, None)
        if not wanted.get("apply_immediately") and wanted[name] != getattr(database, name):
            pending[shown] = wanted.pop(name)
    database.pending_modified_values = pending


def _transition(database: Any, wanted: Wanted) -> str | None:
    """The status that a change leads to; None for what RDS does at once."""
    changed = {name for name in DEFERRED if wanted.get(name) not in (None, getattr(database, name))}
    if "engine_version" in changed:
        return "upgrading"
    if changed:
        return "modifying"
    return "resetting-master-credentials" if wanted.get("master_user_password") else None


def _install_delete(patches: Patches, life: Lifecycle) -> None:
    really_delete = patches.original(RDSBackend, "delete_db_instance")

    @patches.wrap(RDSBackend, "delete_db_instance")
    def delete(
        original: Any,
        backend: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool = False,
        delete_automated_backups: bool = True,
    ) -> Any:
        database = backend.describe_db_instances(db_instance_identifier)[0]
        if database.deletion_protection:
            raise InvalidParameterCombination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again."
            )
        rules.check_delete(database, skip=bool(skip_final_snapshot), final=final_db_snapshot_identifier)
        if final_db_snapshot_identifier:
            if final_db_snapshot_identifier in backend.database_snapshots:
                raise DBSnapshotAlreadyExistsError(final_db_snapshot_identifier)
            backend.create_db_snapshot(db_instance_identifier, final_db_snapshot_identifier)
        database.delete_automated_backups = delete_automated_backups
        life.begin(database, "deleting")
        return database

    @patches.add(DBInstance, "remove")
    def remove(database: Any) -> None:
        backups = database.delete_automated_backups is not False
        really_delete(database.backend, database.db_instance_identifier, None, True, backups)


def _install_power(patches: Patches, life: Lifecycle) -> None:
    @patches.wrap(RDSBackend, "stop_db_instance")
    def stop(original: Any, backend: Any, identifier: str, snapshot: str | None = None) -> Any:
        database = original(backend, identifier, snapshot)
        life.begin(database, "stopping")
        return database

    @patches.wrap(RDSBackend, "start_db_instance")
    def start(original: Any, backend: Any, identifier: str) -> Any:
        database = original(backend, identifier)
        life.begin(database, "starting")
        return database

    @patches.wrap(RDSBackend, "reboot_db_instance")
    def reboot(original: Any, backend: Any, identifier: str) -> Any:
        database = original(backend, identifier)
        rules.check_available(database)
        life.begin(database, "rebooting")
        return database


def _install_endpoint(patches: Patches, databases: Databases | None) -> None:
    moto_endpoint = vars(DBInstance)["endpoint"]

    def endpoint(database: Any) -> Any:
        """Where the database is: none while it is made, as on RDS; then the address that really answers."""
        if database.status == "creating":
            return None
        if databases is None:
            return moto_endpoint.fget(database)
        port = databases.servers.of(database.db_instance_identifier).port
        return {"Address": "127.0.0.1", "Port": port, "HostedZoneId": "Z2R2ITUGPM61AM"}

    patches.replace(DBInstance, "endpoint", property(endpoint))
