"""A new instance with what was there once: made from a snapshot or a time by RDS, or filled from a dump.

The original is read at most. Nothing that serves is moved: that is a person's decision, and the page says how.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.commands import typed
from database.contents import Contents
from database.migration_files import Migration
from tasks.backups.archive import Archive
from tasks.backups.comparing import Check, checks_after, empty, held, judged, of_another_schema
from tasks.backups.dumping import megabytes
from tasks.backups.instances import dsn_of
from tasks.backups.page import grid
from tasks.backups.points import Point, source_of
from tasks.backups.restoring import contents_of, restore_dump
from tasks.changes import PENDING, Change, Rollout
from tasks.database_settings import SeenDatabase, wanted_settings
from tasks.databases import Database, observe_database, wait_ready
from tasks.errors import Permanent, unless_exists
from tasks.network import Network
from tasks.reports import publish_page
from tasks.steps import step

logger = logging.getLogger(__name__)
GIVEN = (
    "DBInstanceClass", "MultiAZ", "PubliclyAccessible", "DeletionProtection", "CopyTagsToSnapshot",
    "AutoMinorVersionUpgrade", "VpcSecurityGroupIds", "DBParameterGroupName", "StorageType",
)  # fmt: skip
"""Settings that a restore takes; it gives the others later, as to any instance that differs."""


@step("Make instance")
def make_instance(
    target: Rollout, rollout: Rollout, point: Point, network: Network, version: str
) -> SeenDatabase | None:
    """Have the instance that RDS makes of a snapshot or a time; None in a plan. `rollout` is the original's."""
    seen, name = observe_database(target), target.environment.names.database
    return target.converge(
        f"database {name}",
        [] if seen else [Change("create", f"database {name}", "from", "", str(point), "beside the original")],
        apply=lambda: apply_instance(target, rollout, point, network, version),
        planned=lambda: seen,
    )


def apply_instance(target: Rollout, rollout: Rollout, point: Point, network: Network, version: str) -> SeenDatabase:
    rds, environment = target.aws("rds"), target.environment
    settings = wanted_settings(environment, network.database_group_id, version)
    wanted = {name: settings[name] for name in GIVEN} | {"DBSubnetGroupName": environment.names.subnet_group}
    wanted["Tags"] = target.tag_list
    identifier = environment.names.database
    if point.kind == "snapshot":
        made = {"DBInstanceIdentifier": identifier, "DBSnapshotIdentifier": point.name, **wanted}
        unless_exists(lambda: rds.restore_db_instance_from_db_snapshot(**made))
    else:
        made = {"TargetDBInstanceIdentifier": identifier, **source_of(rollout, point), **wanted}
        unless_exists(lambda: rds.restore_db_instance_to_point_in_time(**made))
    return wait_ready(target)


@step("Fill instance")
def fill_instance(target: Rollout, point: Point, database: Database) -> None:
    """Put the dump into the instance, unless it is in there: one transaction, so it is whole or not at all."""
    manifest = point.manifest
    assert manifest
    pending = database.address == PENDING or not contents_of(dsn_of(target, database)).tables
    resource = f"database {database.identifier}"
    target.converge(
        f"what is in {resource}",
        [Change("run", resource, "restore", "", f"{manifest.rows:,} rows, {megabytes(manifest.size)}", str(point))]
        if pending else [],
        apply=lambda: restore_dump(Archive(target), manifest, dsn_of(target, database)),
        planned=lambda: None,
    )  # fmt: skip


@step("Check what was restored")
def check_restored(
    target: Rollout, point: Point, database: Database, files: Sequence[Migration], *, original: str
) -> list[Check]:
    """What the instance holds, beside its manifest, or by itself. Raises Permanent if it is not to be used."""
    if target.planning:
        return []
    found = contents_of(dsn_of(target, database))
    checks = checks_after(point.manifest, found) if point.manifest else checks_alone(found, files)
    told = typed(page(target, point, database, checks, original), target.environment)
    publish_page(target.environment.name, "restore", told, f"{point} in {database.identifier}")
    if wrong := [f"  - {check.name}: {check.found}" for check in checks if check.ok is False]:
        raise Permanent("\n".join([f"{database.identifier!r} is not to be used, it is not what it should be:", *wrong]))
    logger.info("%s is in %s, %s", point, database.identifier, held(found))
    return checks


def checks_alone(found: Contents, files: Sequence[Migration]) -> list[Check]:
    """Of a snapshot or a time nothing is known beforehand but this."""
    return [
        judged("not empty", empty(found), held(found)),
        judged("this application's schema", of_another_schema(found.ledger, files), f"version {found.schema_version}"),
    ]


def page(target: Rollout, point: Point, database: Database, checks: Sequence[Check], original: str) -> str:
    """Where it is, and how to go over to it."""
    name = target.environment.name
    facts: Mapping[str, Any] = {
        "restored": str(point), "into": database.identifier, "address": f"{database.address}:{database.port}",
        "PostgreSQL": database.engine_version, "password": "that of the environment's secret",
    }  # fmt: skip
    return "\n\n".join([
        f"# Restored {point} of {name}",
        grid(("", ""), [(key, str(value)) for key, value in facts.items()]),
        grid(("check", "", "found"), [tuple(check.row().values()) for check in checks]),
        "## To go over to it",
        f"1. Let nobody write to the old one any more, if it lives: `aws rds stop-db-instance --db-instance-identifier"
        f" {original}`.\n"
        f"2. In `deployments/environments/{name}.toml`: `identifier = \"{database.identifier}\"` under `[database]`;"
        " then `miyabi configure`.\n"
        f"3. `miyabi release -e {name}`: later migrations, the secret's address, alarms and the dashboard follow.\n"
        "4. When all is well, take the old one away: `aws rds delete-db-instance` with a last snapshot.",
        f"Not wanted after all? `aws rds delete-db-instance --skip-final-snapshot --db-instance-identifier"
        f" {database.identifier}`.",
    ]) + "\n"  # fmt: skip
