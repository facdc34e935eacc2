"""What RDS offers of PostgreSQL in us-east-1: engine versions, and the instance classes and storage for each.

moto has neither. 15.4 is left out on purpose: AWS retired it, and the mission's scripts asked for it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENGINE = "postgres"
MINORS: dict[int, range] = {
    13: range(15, 24),
    14: range(12, 21),
    15: range(5, 16),
    16: range(1, 12),
    17: range(1, 8),
}
"""Minor versions offered of each major (as of late 2025)."""
DEFAULT_MAJOR = 17
ZONES = ("a", "b", "c", "d", "e", "f")
PAGE = 100


@dataclass(frozen=True)
class Storage:
    """A storage type: sizes in GiB, IOPS and MB/s an instance; 0 where it has no such setting."""

    name: str
    smallest: int
    largest: int = 65536
    iops: tuple[int, int] = (0, 0)
    throughput: tuple[int, int] = (0, 0)


STORAGE = {
    storage.name: storage
    for storage in (
        Storage("gp2", 20),
        Storage("gp3", 20, iops=(12000, 64000), throughput=(500, 4000)),
        Storage("io1", 100, iops=(1000, 256000)),
        Storage("io2", 100, iops=(1000, 256000)),
        Storage("standard", 5, largest=3072),
    )
}
BASELINE_GB, BASELINE_IOPS, BASELINE_THROUGHPUT = 400, 3000, 125
"""gp3 below 400 GiB has these figures, and takes no others (PostgreSQL)."""

FAMILIES: dict[str, tuple[str, str]] = {
    "db.t3": ("micro small medium large xlarge 2xlarge", "abcdf"),
    "db.t4g": ("micro small medium large xlarge 2xlarge", "abcdf"),
    "db.m5": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge", "abcdf"),
    "db.m6g": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge", "abcdf"),
    "db.m6i": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge", "abcdf"),
    "db.m7g": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge", "abcd"),
    "db.r6g": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge", "abcdf"),
    "db.r6i": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge", "abcdf"),
    "db.r7g": ("large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge", "abcd"),
}
CLASSES: dict[str, str] = {
    f"{family}.{size}": zones for family, (sizes, zones) in FAMILIES.items() for size in sizes.split()
}
"""Instance class → the zones that have it."""

VERSIONS: tuple[str, ...] = tuple(f"{major}.{minor}" for major, minors in MINORS.items() for minor in minors)


def resolve(version: str | None) -> str | None:
    """The full version that AWS takes for a wish: none → the default, `15` → the newest 15; None if there is none."""
    wish = version or str(DEFAULT_MAJOR)
    if wish.isdigit():
        minors = MINORS.get(int(wish))
        return f"{wish}.{minors[-1]}" if minors else None
    return wish if wish in VERSIONS else None


def family(version: str) -> str:
    """The parameter group family: `postgres15` for 15.15."""
    return ENGINE + version.partition(".")[0]


def engine_versions(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`DBEngineVersion`s for the parameters of DescribeDBEngineVersions."""
    asked, filters = wanted.get("EngineVersion"), filters_of(wanted)
    return [
        described
        for version in VERSIONS
        if (described := _engine_version(version))
        and (not asked or version == asked or version.startswith(f"{asked}."))
        and wanted.get("DBParameterGroupFamily") in (None, family(version))
        and (not wanted.get("DefaultOnly") or version == resolve(asked and asked.partition(".")[0]))
        and all(described[FILTERS[name]] in values for name, values in filters.items() if name in FILTERS)
    ]


FILTERS = {
    "db-parameter-group-family": "DBParameterGroupFamily",
    "engine": "Engine",
    "engine-version": "EngineVersion",
    "status": "Status",
}


def _engine_version(version: str) -> dict[str, Any]:
    major = int(version.partition(".")[0])
    return {
        "Engine": ENGINE,
        "MajorEngineVersion": str(major),
        "EngineVersion": version,
        "DBParameterGroupFamily": family(version),
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {version}-R1",
        "ValidUpgradeTarget": [_upgrade(version, target) for target in _upgrades(version)],
        "ExportableLogTypes": ["postgresql", "upgrade"],
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": True,
        "SupportedFeatureNames": ["Lambda", "s3Export", "s3Import"],
        "Status": "available",
        "SupportsParallelQuery": False,
        "SupportsGlobalDatabases": False,
        "SupportsBabelfish": False,
        "SupportsCertificateRotationWithoutRestart": True,
        "SupportedCACertificateIdentifiers": ["rds-ca-rsa2048-g1", "rds-ca-ecc384-g1", "rds-ca-rsa4096-g1"],
    }


def _upgrades(version: str) -> Iterator[str]:
    """Later minors of the same major, and every later major."""
    number = _number(version)
    return (target for target in VERSIONS if _number(target)[0] > number[0] or _number(target) > number)


def _upgrade(version: str, target: str) -> dict[str, Any]:
    return {
        "Engine": ENGINE,
        "EngineVersion": target,
        "Description": f"PostgreSQL {target}-R1",
        "AutoUpgrade": False,
        "IsMajorVersionUpgrade": _number(version)[0] != _number(target)[0],
    }


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def orderable(wanted: Mapping[str, Any], *, region: str) -> list[dict[str, Any]]:
    """`OrderableDBInstanceOption`s for the parameters of DescribeOrderableDBInstanceOptions."""
    asked_version, asked_class = wanted.get("EngineVersion"), wanted.get("DBInstanceClass")
    return [
        _option(version, instance_class, storage, region)
        for version in VERSIONS
        if asked_version in (None, version)
        for instance_class in CLASSES
        if asked_class in (None, instance_class)
        for storage in STORAGE.values()
        if wanted.get("Vpc") is not False and wanted.get("LicenseModel") in (None, "postgresql-license")
    ]


def _option(version: str, instance_class: str, storage: Storage, region: str) -> dict[str, Any]:
    return {
        "Engine": ENGINE,
        "EngineVersion": version,
        "DBInstanceClass": instance_class,
        "LicenseModel": "postgresql-license",
        "AvailabilityZones": [{"Name": region + zone} for zone in CLASSES[instance_class]],
        "MultiAZCapable": True,
        "ReadReplicaCapable": True,
        "Vpc": True,
        "SupportsStorageEncryption": True,
        "StorageType": storage.name,
        "SupportsIops": storage.iops != (0, 0),
        "SupportsStorageThroughput": storage.throughput != (0, 0),
        "SupportsEnhancedMonitoring": True,
        "SupportsIAMDatabaseAuthentication": True,
        "SupportsPerformanceInsights": not re.search(r"\.(micro|small)$", instance_class),
        "MinStorageSize": storage.smallest,
        "MaxStorageSize": storage.largest,
        **_range("IopsPerDbInstance", storage.iops),
        **_range("StorageThroughputPerDbInstance", storage.throughput),
        "AvailableProcessorFeatures": [],
        "SupportedEngineModes": ["provisioned"],
        "SupportsStorageAutoscaling": storage.name != "standard",
        "SupportsKerberosAuthentication": True,
        "OutpostCapable": False,
        "SupportedNetworkTypes": ["IPV4", "DUAL"],
        "SupportsGlobalDatabases": False,
        "SupportsClusters": False,
    }


def _range(name: str, limits: tuple[int, int]) -> dict[str, int]:
    return {} if limits == (0, 0) else {f"Min{name}": limits[0], f"Max{name}": limits[1]}


def filters_of(wanted: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {item["Name"]: item["Values"] for item in wanted.get("Filters") or []}


def page(items: list[dict[str, Any]], wanted: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a list, and the marker of the next."""
    start, size = int(wanted.get("Marker") or 0), int(wanted.get("MaxRecords") or PAGE)
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
