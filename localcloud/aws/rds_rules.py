"""What RDS refuses: the checks that moto leaves out, with RDS's codes and words.

Each function raises an `RDSClientError` or returns nothing. Parameters come as moto has them, in snake case.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.exceptions import InvalidParameterCombination, InvalidParameterValue, RDSClientError

from localcloud.aws.rds_catalog import BASELINE_GB, CLASSES, ENGINE, MINORS, STORAGE, family, resolve

RESERVED_NAMES = frozenset({"admin", "rdsadmin", "rds_superuser", "miyabi_root"})
UNSAFE_IN_PASSWORD = re.compile(r'[/@" ]|[^\x20-\x7e]')


def check_create(backend: Any, wanted: Mapping[str, Any]) -> None:
    """The parameters of CreateDBInstance."""
    if wanted.get("engine") != ENGINE:
        raise NotImplementedError(f"engine {wanted.get('engine')!r}: the embedded cloud has PostgreSQL only")
    check_version(wanted.get("engine_version"))
    check_class(wanted.get("db_instance_class"))
    _check_master(wanted)
    check_storage(wanted)
    if wanted.get("allocated_storage") is None:
        raise InvalidParameterValue("The parameter AllocatedStorage must be provided and must not be blank.")
    if (name := wanted.get("db_name")) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name):
        raise InvalidParameterValue("DBName must begin with a letter and contain only alphanumeric characters.")
    check_backups(wanted)
    check_groups(backend, wanted)
    check_parameter_group(backend, wanted.get("db_parameter_group_name"), resolve(wanted.get("engine_version")))


def check_version(version: str | None) -> None:
    if resolve(version) is None:
        raise InvalidParameterCombination(f"Cannot find version {version} for {ENGINE}")


def check_class(instance_class: str | None) -> None:
    if instance_class not in CLASSES:
        raise InvalidParameterValue(f"Invalid DB Instance class: {instance_class}")


def _check_master(wanted: Mapping[str, Any]) -> None:
    username = wanted.get("master_username")
    if not username:
        raise InvalidParameterValue("The parameter MasterUsername must be provided and must not be blank.")
    if username.lower() in RESERVED_NAMES:
        raise InvalidParameterValue(
            f"MasterUsername {username} cannot be used as it is a reserved word used by the engine"
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", username):
        raise InvalidParameterValue("The parameter MasterUsername is not a valid identifier.")
    if wanted.get("manage_master_user_password"):
        if wanted.get("master_user_password"):
            raise InvalidParameterCombination(
                "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled."
            )
        return
    if not wanted.get("master_user_password"):
        raise InvalidParameterValue("The parameter MasterUserPassword must be provided and must not be blank.")
    check_password(wanted["master_user_password"])


def check_password(password: str) -> None:
    problem = "The parameter MasterUserPassword is not a valid password"
    if len(password) < 8:
        raise InvalidParameterValue(f"{problem} because it is shorter than 8 characters.")
    if len(password) > 128:
        raise InvalidParameterValue(f"{problem} because it is longer than 128 characters.")
    if UNSAFE_IN_PASSWORD.search(password):
        raise InvalidParameterValue(
            f"{problem}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )


def check_storage(wanted: Mapping[str, Any]) -> None:
    """Type, size, IOPS and throughput against each other; a size that is not given is not checked."""
    name, size = wanted.get("storage_type") or "gp3", wanted.get("allocated_storage")
    storage = STORAGE.get(name)
    if storage is None:
        raise InvalidParameterValue(f"Invalid storage type: {name}")
    if size is not None and not storage.smallest <= size <= storage.largest:
        raise InvalidParameterValue(f"Invalid storage size for engine name {ENGINE} and storage type {name}: {size}")
    given = wanted.get("iops") or wanted.get("storage_throughput")
    if name == "gp3" and given and size is not None and size < BASELINE_GB:
        raise InvalidParameterCombination(
            f"You can't specify IOPS or storage throughput for engine {ENGINE} and a storage size less than "
            f"{BASELINE_GB}."
        )


def check_backups(wanted: Mapping[str, Any]) -> None:
    days = wanted.get("backup_retention_period")
    if days is not None and not 0 <= days <= 35:
        raise InvalidParameterValue(f"Invalid backup retention period: {days}. Must be between 0 and 35.")


def check_groups(backend: Any, wanted: Mapping[str, Any]) -> None:
    """The security groups exist, and in the VPC of the subnet group."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    subnet_group = backend.subnet_groups.get(wanted.get("db_subnet_group_name") or "")
    for group_id in wanted.get("vpc_security_group_ids") or []:
        group = ec2.get_security_group_from_id(group_id)
        if group is None:
            raise InvalidParameterValue(f"Invalid security group , groupId= {group_id}, groupName=.")
        if subnet_group and group.vpc_id != subnet_group.vpc_id:
            raise InvalidParameterCombination(
                "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
                f"{subnet_group.vpc_id} and the EC2 security group is in {group.vpc_id}"
            )


def check_parameter_group(backend: Any, name: str | None, version: str | None) -> None:
    """The parameter group is of the version's family. That it exists is moto's to say."""
    group = backend.db_parameter_groups.get(name or "")
    if group and version and group.family != family(version):
        raise InvalidParameterCombination(
            f"The Parameter Group {name} with DBParameterGroupFamily {group.family} can't be used for this instance. "
            f"Please use a Parameter Group with DBParameterGroupFamily {family(version)}"
        )


def check_modify(backend: Any, database: Any, wanted: Mapping[str, Any]) -> None:
    """The parameters of ModifyDBInstance, for an instance that is available."""
    check_available(database)
    if version := wanted.get("engine_version"):
        check_version(version)
    if instance_class := wanted.get("db_instance_class"):
        check_class(instance_class)
    if password := wanted.get("master_user_password"):
        check_password(password)
    size = wanted.get("allocated_storage")
    if size is not None and size < database.allocated_storage:
        raise InvalidParameterCombination(
            f"Requested size cannot be smaller than existing size. Requested size: {size}. "
            f"Current size: {database.allocated_storage}."
        )
    unchanged = {"storage_type": database.storage_type, "allocated_storage": database.allocated_storage}
    check_storage({**unchanged, **{key: value for key, value in wanted.items() if value is not None}})
    check_backups(wanted)
    check_groups(backend, wanted)
    version = resolve(wanted.get("engine_version") or database.engine_version)
    check_parameter_group(backend, wanted.get("db_parameter_group_name"), version)


def check_available(database: Any) -> None:
    if database.status != "available":
        raise RDSClientError(
            "InvalidDBInstanceState", f"Database instance is not in available state: {database.db_instance_identifier}"
        )


def check_delete(database: Any, *, skip: bool, final: str | None) -> None:
    if database.status == "deleting":
        name = database.db_instance_identifier
        raise RDSClientError("InvalidDBInstanceState", f"Instance {name} is already being deleted.")
    if not skip and not final:
        raise InvalidParameterCombination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        )
    if skip and final:
        raise InvalidParameterCombination(
            "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot"
        )
    if final:
        check_available(database)


def check_zones(subnets: Iterable[Any]) -> None:
    """A subnet group needs two availability zones."""
    zones = sorted({subnet.availability_zone for subnet in subnets})
    if len(zones) < 2:
        raise RDSClientError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
            f"{', '.join(zones)}. Add subnets to cover at least 2 AZs.",
        )


def check_family(name: str | None) -> None:
    if name not in {f"{ENGINE}{major}" for major in MINORS}:
        raise InvalidParameterValue(f"ParameterGroupFamily {name} is not a valid parameter group family")
