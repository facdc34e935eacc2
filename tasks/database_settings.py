"""The RDS instance on paper: what it should be, what RDS says it is, and what lies between. No AWS call here.

Settings that may change have the names of ModifyDBInstance's parameters, so a difference is also the call that mends
it. Figures are the mission's (infrastructure status of 2025-11-26, §4, and its create-rds-simple.sh).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from blocks.environment import Environment
from tasks.changes import Change, adoption, differences, tags_from
from tasks.database_engine import POSTGRES, STORAGE
from tasks.errors import Rejected

PORT = 5432
SAME_NAME = (
    "DBInstanceClass", "EngineVersion", "AllocatedStorage", "StorageType", "BackupRetentionPeriod", "MultiAZ",
    "PubliclyAccessible", "DeletionProtection", "CopyTagsToSnapshot", "AutoMinorVersionUpgrade",
)  # fmt: skip
"""Settings that DescribeDBInstances calls as ModifyDBInstance does."""
RESTARTS = frozenset({"DBInstanceClass", "EngineVersion"})


@dataclass(frozen=True)
class SeenDatabase:
    """The instance as RDS has it. `settings` has the names of ModifyDBInstance's parameters."""

    arn: str
    status: str
    address: str
    port: int
    settings: dict[str, Any]
    tags: dict[str, str]
    username: str
    dbname: str
    encrypted: bool
    awaits_restart: bool
    authority: str = ""
    """Which of AWS's authorities signed its certificate; '' where nobody says."""
    certified_until: datetime | None = None


def wanted_settings(environment: Environment, group_id: str, version: str) -> dict[str, Any]:
    """What may change in the life of an instance."""
    database = environment.database
    return {
        "DBInstanceClass": database.instance_class,
        "EngineVersion": version,
        "AllocatedStorage": database.storage_gb,
        "StorageType": STORAGE,
        "BackupRetentionPeriod": database.backup_days,
        "PreferredBackupWindow": database.backup_window.lower(),
        "PreferredMaintenanceWindow": database.maintenance_window.lower(),
        "MultiAZ": database.multi_az,
        "PubliclyAccessible": database.publicly_accessible,
        "DeletionProtection": database.deletion_protection,
        "CopyTagsToSnapshot": True,
        "AutoMinorVersionUpgrade": True,
        "VpcSecurityGroupIds": [group_id],
        "DBParameterGroupName": environment.names.parameter_group,
    }


def fixed_settings(environment: Environment) -> dict[str, Any]:
    """What an instance keeps for life. Encryption cannot be added later; without the lifecycle setting AWS bills
    Extended Support once the major is out of its standard support."""
    return {
        "DBInstanceIdentifier": environment.names.database,
        "Engine": POSTGRES,
        "Port": PORT,
        "DBName": environment.database.name,
        "MasterUsername": environment.database.username,
        "DBSubnetGroupName": environment.names.subnet_group,
        "StorageEncrypted": True,
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
    }


def seen_database(instance: dict[str, Any]) -> SeenDatabase:
    """What DescribeDBInstances says of one instance."""
    endpoint, parameters = instance.get("Endpoint") or {}, (instance.get("DBParameterGroups") or [{}])[0]
    settings = {key: instance.get(key) for key in SAME_NAME}
    settings["VpcSecurityGroupIds"] = sorted(g["VpcSecurityGroupId"] for g in instance.get("VpcSecurityGroups", []))
    settings["DBParameterGroupName"] = parameters.get("DBParameterGroupName", "")
    for window in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
        settings[window] = str(instance.get(window, "")).lower()
    return SeenDatabase(
        arn=instance["DBInstanceArn"],
        status=instance["DBInstanceStatus"],
        address=endpoint.get("Address", ""),
        port=endpoint.get("Port", PORT),
        settings=settings,
        tags=tags_from(instance.get("TagList", [])),
        username=instance["MasterUsername"],
        dbname=instance.get("DBName", ""),
        encrypted=instance.get("StorageEncrypted", False),
        awaits_restart=parameters.get("ParameterApplyStatus") == "pending-reboot",
        authority=instance.get("CACertificateIdentifier", ""),
        certified_until=(instance.get("CertificateDetails") or {}).get("ValidTill"),
    )


def plan_database(
    environment: Environment, wanted: dict[str, Any], seen: SeenDatabase | None, *, why: str = ""
) -> list[Change]:
    """What makes the instance as the environment says; `why` is the reason for its version.

    Storage that is larger than asked stays. Raises Rejected for what an instance can never change.
    """
    resource = f"database {environment.names.database}"
    if seen is None:
        size = f"{wanted['DBInstanceClass']}, {wanted['AllocatedStorage']} GB {STORAGE}, encrypted"
        return [Change("create", resource, "PostgreSQL", "", f"{wanted['EngineVersion']}, {size}", why)]
    _check_fixed(environment, seen)
    storage = max(wanted["AllocatedStorage"], seen.settings["AllocatedStorage"] or 0)
    changed = differences(resource, {**wanted, "AllocatedStorage": storage}, seen.settings)
    return adoption(resource, environment, seen.tags) + [_explained(change, why) for change in changed]


def find_oddities(environment: Environment, seen: SeenDatabase) -> list[str]:
    """What works and a person should know about the instance."""
    texts, storage = [], seen.settings["AllocatedStorage"] or 0
    if not seen.encrypted:
        texts.append("its storage is not encrypted, which only a restore from an encrypted copy of a snapshot mends")
    if storage > environment.database.storage_gb:
        texts.append(f"it has {storage} GB, the environment says {environment.database.storage_gb}: storage only grows")
    if seen.awaits_restart:
        texts.append("a parameter takes effect at its next restart (`aws rds reboot-db-instance`)")
    return texts


def _check_fixed(environment: Environment, seen: SeenDatabase) -> None:
    pairs = {
        "database.username": (environment.database.username, seen.username),
        "database.name": (environment.database.name, seen.dbname),
    }
    problems = [
        f"{setting} is {asked!r}, the instance was made with {actual!r}, and RDS cannot change it"
        for setting, (asked, actual) in pairs.items()
        if asked != actual
    ]
    if problems:
        raise Rejected(f"database {environment.names.database}", problems)


def _explained(change: Change, version_why: str) -> Change:
    why = version_why if change.field == "EngineVersion" and version_why else change.why
    return replace(change, why=f"{why}; restarts the database" if change.field in RESTARTS else why)
