"""What is paid for, by its size and number: as it stands in AWS; where nothing was seen, as the environment says."""

from dataclasses import dataclass
from typing import Any

from tasks.reporting.model import Scene

ZONES = 2
"""Of the endpoint: as tasks/network_endpoint.py makes it."""


@dataclass(frozen=True)
class Setup:
    """Everything that has a price."""

    memory_mb: int
    architecture: str
    provisioned: int
    instance_class: str
    storage_gb: int
    storage_type: str
    multi_az: bool
    public: bool
    endpoint_zones: int
    secrets: int
    log_days: int | None
    """None: they are kept for ever."""
    alarms: int
    alarm_metrics: int
    dashboards: int
    tracing: bool
    site: bool


def setup_of(scene: Scene) -> Setup:
    environment, function = scene.environment, scene.get("function")
    settings, database = environment.database, scene.get("database")
    seen = database.settings if database else {}
    groups = [group for group in (scene.get("log groups") or {}).values() if group]
    kept = [group.retention_days for group in groups] or [environment.log_retention_days]
    alarms = scene.get("alarms") or {}
    network, secrets = scene.get("network"), scene.get("secrets") or {}
    return Setup(
        memory_mb=function.latest.memory_mb if function else environment.function.memory_mb,
        architecture=function.latest.architecture if function else environment.function.architecture,
        provisioned=provisioned_of(scene),
        instance_class=seen.get("DBInstanceClass") or settings.instance_class,
        storage_gb=seen.get("AllocatedStorage") or settings.storage_gb,
        storage_type=seen.get("StorageType") or "gp3",
        multi_az=bool(seen["MultiAZ"] if database else settings.multi_az),
        public=bool(seen["PubliclyAccessible"] if database else settings.publicly_accessible),
        endpoint_zones=ZONES if (network.endpoint if network else environment.function.in_vpc) else 0,
        secrets=sum(secret is not None for secret in secrets.values()) or 2,
        log_days=None if None in kept else max(day for day in kept if day is not None),
        alarms=len(alarms),
        alarm_metrics=sum(metrics_of(alarm.facts) for alarm in alarms.values()),
        dashboards=1 if scene.get("dashboard") else 0,
        tracing=function.latest.tracing == "Active" if function else environment.monitoring.tracing,
        site=scene.get("distribution") is not None,
    )


def provisioned_of(scene: Scene) -> int:
    """Sandboxes that are paid for all day."""
    alias = scene.get("alias")
    if alias is None:
        return scene.environment.function.provisioned_concurrency or 0
    return sum(ready.requested for ready in alias[1].values() if ready.status != "FAILED")


def metrics_of(facts: Any) -> int:
    """AWS bills an alarm for each metric that it looks at."""
    looked_at = [part for part in facts.get("Metrics", []) if "MetricStat" in part]
    return len(looked_at) or 1
