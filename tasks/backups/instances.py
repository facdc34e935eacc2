"""Beside the environment's own database: an instance to prove a backup in, or to restore one into.

It is the environment's database in all but name and, for a proof, size: the same groups, the same password from the
same secret. So what makes and destroys the one makes and destroys the other.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from blocks.environment import Environment
from tasks.backups.points import FROM, Point
from tasks.changes import Rollout
from tasks.databases import Database
from tasks.secrets import database_dsn


def proving(rollout: Rollout, major: int) -> Rollout:
    """The run on the environment with a small, short-lived database of this major version."""
    settings = rollout.environment.backup
    small = {"instance_class": settings.verify_class, "multi_az": False, "backup_days": 0, "deletion_protection": False}
    return beside(rollout, rollout.environment.names.verified_database, {**small, "engine_version": str(major)})


def restoring(rollout: Rollout, point: Point) -> Rollout:
    """The run on the environment with its database under another name, which is marked with what it is made from."""
    version = {"engine_version": str(point.manifest.major)} if point.manifest else {}
    return beside(rollout, point.into, version, **{FROM: str(point)})


def beside(rollout: Rollout, identifier: str, settings: Mapping[str, Any], **tags: str) -> Rollout:
    environment = rollout.environment
    database = environment.database.model_copy(update={**settings, "identifier": identifier})
    return rollout.at(with_database(environment, database), **tags)


def with_database(environment: Environment, database: Any) -> Environment:
    """`database_address` is another way to the environment's own instance, and no way to this one."""
    return environment.model_copy(update={"database": database, "database_address": None})


def dsn_of(target: Rollout, database: Database) -> SecretStr:
    """How to connect to the instance."""
    return database_dsn(target, address=f"{database.address}:{database.port}")
