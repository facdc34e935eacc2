"""Which PostgreSQL an instance gets: chosen from what the region offers, as numbers, never of another major.

The mission asked for 15.4, which RDS has retired, and took 15.15 by hand. Here the newest minor of the same major
stands in, and the substitution is said. An instance that exists keeps its version: RDS itself moves minors in the
maintenance window. Only a newer version that is asked for exactly, and offered, is an upgrade.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from blocks.environment import DatabaseSettings
from tasks.changes import Rollout
from tasks.errors import Permanent, Rejected, absent_as_none
from tasks.steps import step

logger = logging.getLogger(__name__)

POSTGRES = "postgres"
STORAGE = "gp3"


@dataclass(frozen=True)
class Engine:
    """The chosen version, and where it can run."""

    version: str
    why: str
    zones: tuple[str, ...]
    """Zones that offer it in the wanted class and storage; none for an old version that an instance still runs."""

    @property
    def family(self) -> str:
        return f"{POSTGRES}{number(self.version)[0]}"


@dataclass(frozen=True)
class Candidate:
    """A version that would do, and why it and not the one that was asked for."""

    version: str
    why: str


def number(version: str) -> tuple[int, ...]:
    """`15.15` as (15, 15), which is more than (15, 9): a comparison of texts would say the opposite."""
    return tuple(int(part) for part in version.split("."))


def candidates(asked: str, offered: Iterable[str], region: str = "the region") -> list[Candidate]:
    """Versions for a new instance, best first. Raises Permanent when the region offers none of the major."""
    available = sorted(set(offered), key=number, reverse=True)
    if asked in available:
        return [Candidate(asked, "as the environment asks")]
    same = [version for version in available if number(version)[0] == number(asked)[0]]
    if not same:
        raise Permanent(
            f"{region} offers no PostgreSQL {number(asked)[0]}; database.engine_version asks for {asked!r}. "
            f"Offered: {', '.join(reversed(available)) or 'none'}"
        )
    why = f"{asked} is not offered in {region}" if "." in asked else f"the environment asks for any {asked}"
    return [Candidate(version, f"{why}; {version} is the newest {number(asked)[0]}.x that fits") for version in same]


def keep_or_upgrade(asked: str, current: str, offered: Callable[[], Iterable[str]]) -> Candidate:
    """The version for an instance that runs `current`. Raises Rejected for another major.

    What is offered is asked for only if a newer version is wanted: that list is RDS's slowest answer.
    """
    if number(asked)[0] != number(current)[0]:
        raise Rejected(
            "database.engine_version",
            [f"{asked!r} is another major than the running {current!r}: a release does not migrate between majors"],
        )
    if number(asked) > number(current) and asked in set(offered()):
        return Candidate(asked, f"upgrade from {current}, as the environment asks")
    return Candidate(current, "the instance runs it")


def choose(
    asked: Sequence[Candidate], zones_of: Callable[[str], tuple[str, ...]], settings: DatabaseSettings
) -> Engine:
    """The first candidate that can be ordered in two zones. `zones_of` gives a version's zones."""
    for candidate in asked:
        if len(zones := zones_of(candidate.version)) >= 2:
            return Engine(candidate.version, candidate.why, zones)
    tried = ", ".join(candidate.version for candidate in asked)
    raise Permanent(
        f"{settings.instance_class!r} with encrypted {STORAGE} of {settings.storage_gb} GB cannot be ordered in two "
        f"zones for PostgreSQL {tried}; choose another database.instance_class "
        "(`aws rds describe-orderable-db-instance-options --engine postgres` lists them)"
    )


def offered_versions(rollout: Rollout, **only: str) -> list[str]:
    """Versions that can be had; all majors together are a long list, with every upgrade of each."""
    pages = rollout.aws("rds").get_paginator("describe_db_engine_versions").paginate(Engine=POSTGRES, **only)
    described = [version for page in pages for version in page["DBEngineVersions"]]
    return [version["EngineVersion"] for version in described if version.get("Status", "available") == "available"]


def offered_zones(rollout: Rollout, version: str) -> tuple[str, ...]:
    """Zones in which the version can be ordered with the environment's class, size and storage, encrypted."""
    settings = rollout.environment.database
    pages = (
        rollout.aws("rds")
        .get_paginator("describe_orderable_db_instance_options")
        .paginate(Engine=POSTGRES, EngineVersion=version, DBInstanceClass=settings.instance_class, Vpc=True)
    )
    return tuple(
        sorted(
            {
                zone["Name"]
                for page in pages
                for option in page["OrderableDBInstanceOptions"]
                if option.get("StorageType") == STORAGE
                and option.get("SupportsStorageEncryption", True)
                and option.get("MinStorageSize", 0) <= settings.storage_gb <= option.get("MaxStorageSize", 65536)
                for zone in option["AvailabilityZones"]
            }
        )
    )


@step("Choose database engine")
def choose_engine(rollout: Rollout) -> Engine:
    """The engine version of the environment's database: for a new one, or for the one there is. Only reads."""
    settings, identifier = rollout.environment.database, rollout.environment.names.database
    rds = rollout.aws("rds")
    existing = absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=identifier))
    family = f"{POSTGRES}{number(settings.engine_version)[0]}"

    def offered() -> list[str]:
        return offered_versions(rollout, DBParameterGroupFamily=family) or offered_versions(rollout)

    if existing:
        kept = keep_or_upgrade(settings.engine_version, existing["DBInstances"][0]["EngineVersion"], offered)
        engine = Engine(kept.version, kept.why, offered_zones(rollout, kept.version))
    else:
        asked = candidates(settings.engine_version, offered(), rollout.environment.region)
        engine = choose(asked, lambda version: offered_zones(rollout, version), settings)
    logger.info("PostgreSQL %s for %s: %s", engine.version, identifier, engine.why)
    return engine
