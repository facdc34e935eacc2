"""The RDS instance: made, kept as the environment says, and taken away with a last snapshot.

Changes are made at once (`ApplyImmediately`) and in one call, since a release is the moment that a person chose; those
that restart the database say so. An instance is never replaced. `AutoMinorVersionUpgrade` is on, so RDS brings security
fixes in the maintenance window, and a newer minor than the environment's is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tasks.changes import PENDING, Change, Rollout, deletion
from tasks.database_connection import Connect, select_one, wait_connected
from tasks.database_engine import Engine
from tasks.database_settings import (
    PORT,
    SeenDatabase,
    find_oddities,
    fixed_settings,
    plan_database,
    seen_database,
    wanted_settings,
)
from tasks.errors import Permanent, absent_as_none, unless_exists, when_settled
from tasks.network import Network
from tasks.secrets import database_dsn, database_password
from tasks.steps import step
from tasks.waiting import wait_until

PATIENCE = 45 * 60.0
"""Seconds. A new instance takes 5 to 15 minutes, a change of its class about as long."""
READY = frozenset({"available", "storage-optimization"})
"""Statuses in which the instance serves and is what it says; the second lasts for hours after storage has grown."""
FAILED = frozenset({
    "failed", "incompatible-network", "incompatible-option-group", "incompatible-parameters", "incompatible-restore",
    "inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable", "insufficient-capacity",
    "restore-error", "stopped", "storage-full",
})  # fmt: skip
"""Statuses that waiting does not end."""


@dataclass(frozen=True)
class Database:
    """The instance as others use it. `address` is PENDING in a plan that would create it."""

    identifier: str
    address: str
    port: int
    engine_version: str


def observe_database(rollout: Rollout) -> SeenDatabase | None:
    rds, identifier = rollout.aws("rds"), rollout.environment.names.database
    found = absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=identifier))
    return seen_database(found["DBInstances"][0]) if found else None


def apply_database(
    rollout: Rollout, wanted: dict[str, Any], seen: SeenDatabase | None, *, reset_password: bool = False
) -> SeenDatabase:
    """Create the instance, or change in one call what differs; wait until it has taken effect."""
    rds, environment = rollout.aws("rds"), rollout.environment
    if seen is None:
        unless_exists(lambda: rds.create_db_instance(**_creation(rollout, wanted)))
        seen = wait_ready(rollout)
        rollout.require_ours(f"database {environment.names.database}", seen.tags)
    if not environment.owns(seen.tags):
        rds.add_tags_to_resource(ResourceName=seen.arn, Tags=rollout.tag_list)
    changed = {change.field for change in plan_database(environment, wanted, seen)} & set(wanted)
    settings = {field: wanted[field] for field in changed}
    if reset_password:
        settings["MasterUserPassword"] = database_password(rollout).get_secret_value()
    if not settings:
        return seen
    modify = {"DBInstanceIdentifier": environment.names.database, "ApplyImmediately": True, **settings}
    when_settled(lambda: rds.modify_db_instance(**modify))
    return wait_ready(rollout, lambda now: all(now.settings[field] == wanted[field] for field in changed))


@step("Ensure database")
def ensure_database(
    rollout: Rollout, network: Network, engine: Engine, *, reset_password: bool = False, connect: Connect = select_one
) -> Database:
    """Have the instance as the environment says, available, and answering to the password of its secret.

    `reset_password` gives the instance the password that is in the secret (see `ensure_secrets`).
    """
    environment, resource = rollout.environment, f"database {rollout.environment.names.database}"
    seen = _observe_settled(rollout)
    wanted = wanted_settings(environment, network.database_group_id, engine.version)
    changes = plan_database(environment, wanted, seen, why=engine.why)
    if reset := reset_password and seen is not None:
        changes.append(Change("update", resource, "password", "", "as in the secret", "reset_password was asked for"))
    now = rollout.converge(
        resource,
        changes,
        apply=lambda: apply_database(rollout, wanted, seen, reset_password=reset),
        planned=lambda: seen,
    )
    if now is None:
        return Database(environment.names.database, PENDING, PORT, engine.version)
    for text in find_oddities(environment, now):
        rollout.find(resource, text)
    if not rollout.planning:
        dsn = database_dsn(rollout, address=f"{now.address}:{now.port}")
        wait_connected(environment.names.database, dsn, connect=connect, settling=reset)
    return Database(environment.names.database, now.address, now.port, str(now.settings["EngineVersion"]))


@step("Destroy database")
def destroy_database(
    rollout: Rollout, *, final_snapshot: bool = True, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Delete the instance if it is there and ours, after a last snapshot unless told otherwise; wait until it is gone.

    Deletion protection is respected. With a last snapshot the automated backups stay until they expire.
    """
    name = rollout.environment.names.database
    seen = observe_database(rollout)
    changes = deletion(rollout, f"database {name}", seen.tags if seen else None)
    if changes and seen and seen.settings["DeletionProtection"]:
        raise Permanent(
            f"database {name!r} is protected from deletion; set database.deletion_protection = false in the "
            "environment, run provision, and destroy again"
        )
    last = f"{name}-final-{now():%Y%m%d%H%M%S}" if final_snapshot else ""
    rollout.converge(
        f"absence of database {name}",
        [replace(change, why=f"last snapshot: {last or 'none'}") for change in changes],
        apply=lambda: _delete(rollout, seen, last),
        planned=lambda: None,
    )


def wait_ready(rollout: Rollout, settled: Callable[[SeenDatabase], bool] = lambda _: True) -> SeenDatabase:
    """Wait until the instance serves and `settled` says that it is what was asked for."""

    def poll() -> tuple[str, SeenDatabase | None]:
        seen = observe_database(rollout)
        if seen is None:
            return "not seen yet", None
        if seen.status not in READY:
            return seen.status, None
        return (seen.status, seen) if settled(seen) else (f"{seen.status}, the change not yet begun", None)

    name = rollout.environment.names.database
    return wait_until(f"database {name}", poll, patience=PATIENCE, expected=600, failed=FAILED)


def _observe_settled(rollout: Rollout) -> SeenDatabase | None:
    """The instance, once nothing is in progress. A plan does not wait."""
    seen = observe_database(rollout)
    if seen is None:
        return None
    rollout.require_ours(f"database {rollout.environment.names.database}", seen.tags)
    if seen.status == "stopped":
        name, endpoint = rollout.environment.names.database, rollout.environment.endpoint
        where = f"--endpoint-url {endpoint} " if endpoint else ""
        command = f"aws {where}rds start-db-instance --db-instance-identifier {name}"
        raise Permanent(f"database {name!r} is stopped; start it with `{command}` and run again")
    if seen.status == "deleting":
        if not rollout.planning:
            _wait_gone(rollout)
        return None
    return seen if rollout.planning or seen.status in READY else wait_ready(rollout)


def _creation(rollout: Rollout, wanted: dict[str, Any]) -> dict[str, Any]:
    password = database_password(rollout).get_secret_value()
    return {**fixed_settings(rollout.environment), **wanted, "MasterUserPassword": password, "Tags": rollout.tag_list}


def _delete(rollout: Rollout, seen: SeenDatabase | None, last: str) -> None:
    rds, name = rollout.aws("rds"), rollout.environment.names.database
    how: dict[str, Any] = {"DBInstanceIdentifier": name, "SkipFinalSnapshot": not last}
    how |= {"DeleteAutomatedBackups": not last} | ({"FinalDBSnapshotIdentifier": last} if last else {})
    if seen and seen.status != "deleting":
        absent_as_none(lambda: when_settled(lambda: rds.delete_db_instance(**how)))
    _wait_gone(rollout)


def _wait_gone(rollout: Rollout) -> None:
    def poll() -> tuple[str, bool | None]:
        seen = observe_database(rollout)
        return (seen.status, None) if seen else ("gone", True)

    wait_until(f"the end of database {rollout.environment.names.database}", poll, patience=PATIENCE, expected=300)
