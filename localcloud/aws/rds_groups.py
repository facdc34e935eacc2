"""RDS's subnet groups and parameter groups: two zones at least, no silent overwriting, nothing deleted in use."""

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.exceptions import DBParameterGroupNotFoundError, RDSClientError
from moto.rds.models import DBParameterGroup, DBSubnetGroup, RDSBackend
from moto.rds.responses import RDSResponse

from localcloud.aws import rds_rules as rules
from localcloud.aws.patches import Patches


def install(patches: Patches) -> None:
    """Close the gaps of both kinds of group."""
    _install_subnet_groups(patches)
    _install_parameter_groups(patches)


def _install_subnet_groups(patches: Patches) -> None:
    @patches.wrap(RDSBackend, "create_subnet_group")
    def create(original: Any, backend: Any, name: str, description: str, subnets: list[Any], tags: Any) -> Any:
        if name in backend.subnet_groups:
            raise RDSClientError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
        rules.check_zones(subnets)
        return original(backend, name, description, subnets, tags)

    @patches.wrap(RDSBackend, "modify_db_subnet_group")
    def modify(original: Any, backend: Any, name: str, description: str, subnets: list[Any]) -> Any:
        group: DBSubnetGroup = backend.describe_db_subnet_groups(name)[0]
        rules.check_zones(subnets)
        original(backend, name, description, subnets)
        backend.subnet_groups[name] = group  # moto takes it out and forgets to put it back
        return group

    @patches.wrap(RDSBackend, "delete_subnet_group")
    def delete(original: Any, backend: Any, name: str) -> Any:
        for database in backend.databases.values():
            if (database._db_subnet_group_name or "").lower() == name.lower():
                raise RDSClientError(
                    "InvalidDBSubnetGroupStateFault",
                    f"Cannot delete the subnet group '{name}' because at least one database instance: "
                    f"{database.db_instance_identifier} is still using it.",
                )
        return original(backend, name)


def _install_parameter_groups(patches: Patches) -> None:
    @patches.wrap(RDSBackend, "create_db_parameter_group")
    def create(original: Any, backend: Any, wanted: Any) -> Any:
        rules.check_family(wanted.get("db_parameter_group_family"))
        return original(backend, wanted)

    @patches.wrap(RDSBackend, "describe_db_parameter_groups")
    def describe(original: Any, backend: Any, wanted: Any) -> Any:
        found = original(backend, wanted)
        if (name := wanted.get("db_parameter_group_name")) and not found:
            raise DBParameterGroupNotFoundError(name)
        return found

    @patches.wrap(RDSBackend, "delete_db_parameter_group")
    def delete(original: Any, backend: Any, name: str) -> Any:
        for database in backend.databases.values():
            if (database.db_parameter_group_name or "").lower() == name.lower():
                raise RDSClientError(
                    "InvalidDBParameterGroupState",
                    "One or more database instances are still members of this parameter group "
                    f"{name}, so the group cannot be deleted",
                )
        return original(backend, name)

    _install_parameters(patches)


def _install_parameters(patches: Patches) -> None:
    @patches.wrap(RDSResponse, "describe_db_parameters")
    def parameters(original: Any, response: Any) -> ActionResult:
        name = response.params.get("DBParameterGroupName")
        group = response.backend.describe_db_parameter_groups({"db_parameter_group_name": name})[0]
        wanted = response.params.get("Source")
        shown = [p for p in parameters_of(group) if wanted in (None, p["Source"])]
        return ActionResult({"Parameters": shown})


def parameters_of(group: DBParameterGroup) -> list[dict[str, Any]]:
    """A group's parameters: those set by its user, over the engine's defaults that matter here.

    `rds.force_ssl` is 1 from PostgreSQL 15 on and 0 before (AWS, PostgreSQL.Concepts.General.SSL).
    """
    major = int(str(group.family).removeprefix("postgres"))
    force_ssl = {
        "ParameterName": "rds.force_ssl",
        "ParameterValue": "1" if major >= 15 else "0",
        "Description": "Force SSL connections.",
        "Source": "system",
        "ApplyType": "dynamic",
        "DataType": "boolean",
        "AllowedValues": "0,1",
        "IsModifiable": True,
        "ApplyMethod": "pending-reboot",
    }
    user = {name: {**parameter, "Source": "user"} for name, parameter in group.parameters.items()}
    merged = {"rds.force_ssl": {**force_ssl, **user.pop("rds.force_ssl", {})}, **user}
    return [merged[name] for name in sorted(merged)]
