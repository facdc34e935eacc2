"""From what was seen to the components of the status report: id, state, settings, and whether it stands as it should.

One describer for each observer; `DESCRIBERS` lists them in the order of the report. What could not be looked at, and
what there is not, is said in one place. Values of variables and secrets are in nothing of this.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from blocks.environment import Environment
from tasks.reporting.components_serving import (
    alias_component,
    api_component,
    bucket_component,
    distribution_component,
    function_component,
)
from tasks.reporting.components_watching import (
    alarm_components,
    dashboard_component,
    log_group_components,
    release_component,
    topic_component,
)
from tasks.reporting.model import Component, Scene
from tasks.reporting.wording import days, plural

Describer = Callable[[Environment, Any], Iterator[Component]]


def components_of(scene: Scene) -> list[Component]:
    return [component for kind in DESCRIBERS for component in described(scene, kind)]


def described(scene: Scene, kind: str) -> Iterator[Component]:
    environment = scene.environment
    name = NAMES[kind](environment)
    if why := scene.why_unseen(kind):
        yield Component(kind, name, "unknown", why)
    elif (seen := scene.get(kind)) is None and kind in OFF and (reason := OFF[kind](scene)):
        yield Component(kind, name, "off", reason)
    elif seen is None:
        yield Component(kind, name, "absent", ABSENT.get(kind, f"there is no {kind} of this name"))
    else:
        yield from DESCRIBERS[kind](environment, seen)


def network_components(environment: Environment, seen: Any) -> Iterator[Component]:
    vpc, names = seen.vpc, environment.names
    zones = ", ".join(subnet.zone for subnet in vpc.subnets)
    yield Component("network", "default VPC", "working", plural(len(vpc.subnets), "subnet"), vpc.id,
                    {"range": vpc.cidr, "zones": zones})  # fmt: skip
    wanted = [names.database_group]
    wanted += [names.function_group, names.endpoint_group] if environment.function.in_vpc else []
    for name in [*wanted, *(other for other in seen.groups if other not in wanted)]:
        yield group_component(name, seen.groups.get(name))
    if environment.function.in_vpc or seen.endpoint:
        yield endpoint_component(names.secrets_endpoint, seen.endpoint)


def group_component(name: str, seen: Any) -> Component:
    if seen is None:
        return Component("security group", name, "absent", "there is no security group of this name")
    rules = sorted(map(str, seen.rules))
    says = f"lets in {'; '.join(rules)}" if rules else "lets nothing in"
    return Component("security group", name, "working", says, seen.id, {"lets in": "; ".join(rules) or "nothing"})


def endpoint_component(name: str, seen: Any) -> Component:
    if seen is None:
        return Component("endpoint", name, "absent", "the function has no way to its secrets")
    good = seen.state == "available" and seen.admits
    says = seen.state if seen.admits else f"{seen.state}, and does not let the function in"
    settings = {"service": "secretsmanager", "groups": ", ".join(seen.groups)}
    return Component("endpoint", name, "working" if good else "attention", says, seen.id, settings)


def secret_components(environment: Environment, seen: Mapping[str, Any]) -> Iterator[Component]:
    for name, secret in seen.items():
        if secret is None:
            yield Component("secret", name, "absent", "there is no secret of this name")
        elif secret.deleted:
            yield Component("secret", name, "attention", "deleted; a release restores it", secret.arn)
        else:
            yield Component("secret", name, "working", "kept", secret.arn)


def database_component(environment: Environment, seen: Any) -> Iterator[Component]:
    settings = seen.settings
    shown = {
        "address": f"{seen.address}:{seen.port}",
        "engine": f"PostgreSQL {settings['EngineVersion']}",
        "class": settings["DBInstanceClass"],
        "storage": f"{settings['AllocatedStorage']} GB {settings['StorageType']}",
        "encrypted": yes(seen.encrypted),
        "Multi-AZ": yes(settings["MultiAZ"]),
        "public": yes(settings["PubliclyAccessible"]),
        "backups": days(settings["BackupRetentionPeriod"]),
        "deletion protection": yes(settings["DeletionProtection"]),
        "database": seen.dbname,
        "user": seen.username,
    }
    waits = "; waits for a restart" if seen.awaits_restart else ""
    good = seen.status in {"available", "backing-up"} and not waits
    says = f"{seen.status}{waits}"
    yield Component("database", environment.names.database, standing(good), says, seen.arn, shown)
    if seen.authority:
        yield certificate_component(environment.names.database, seen)


def certificate_component(name: str, seen: Any) -> Component:
    """The one that the database answers with."""
    until = f"{seen.certified_until:%Y-%m-%d}" if seen.certified_until else ""
    shown = {"authority": seen.authority, **({"until": until} if until else {})}
    says = f"of {seen.authority}" + (f", until {until}" if until else "")
    return Component("certificate", name, "working", says, seen.authority, shown)


def snapshot_component(environment: Environment, seen: Any) -> Iterator[Component]:
    """None of them is well, too: the first release takes none, as there is nothing to keep."""
    newest = seen[-1] if seen else None
    taken = f", the newest of {newest.taken:%Y-%m-%d %H:%M}" if newest and newest.taken else ""
    says = f"{plural(len(seen), 'snapshot')}{taken}"
    kept = {"kept": f"the newest {environment.database.keep_snapshots}"}
    yield Component("snapshots", "before migrations", "working", says, newest.identifier if newest else "", kept)


def role_component(environment: Environment, seen: Any) -> Iterator[Component]:
    odd = [*seen.attached, *(name for name in seen.inline if name != environment.names.policy)]
    says = f"more than its one policy: {', '.join(odd)}" if odd else plural(len(seen.inline), "policy", "policies")
    good = not odd and environment.names.policy in seen.inline
    shown = {**{f"policy {name}": text for name, text in seen.inline.items()}, "attached": ", ".join(seen.attached)}
    yield Component("role", environment.names.role, standing(good), says, seen.arn, shown)


def yes(value: object) -> str:
    return "yes" if value else "no"


def standing(good: bool) -> Any:
    return "working" if good else "attention"


def no_alarms(scene: Scene) -> str:
    return "" if scene.environment.monitoring.alarms else "the environment asks for none"


def no_dashboard(scene: Scene) -> str:
    return "" if scene.environment.monitoring.dashboard else "the environment asks for none"


def no_site(scene: Scene) -> str:
    """A release without a site says so in its record; before the first one nobody knows."""
    story = scene.get("releases")
    return "no site was published with the last release" if story and not story.release.site_manifest else ""


DESCRIBERS: Mapping[str, Describer] = {
    "network": network_components,
    "secrets": secret_components,
    "database": database_component,
    "snapshots": snapshot_component,
    "role": role_component,
    "log groups": log_group_components,
    "function": function_component,
    "alias": alias_component,
    "API": api_component,
    "topic": topic_component,
    "alarms": alarm_components,
    "dashboard": dashboard_component,
    "bucket": bucket_component,
    "distribution": distribution_component,
    "releases": release_component,
}
NAMES: Mapping[str, Callable[[Environment], str]] = {
    "network": lambda environment: "default VPC",
    "secrets": lambda environment: environment.names.database_secret,
    "database": lambda environment: environment.names.database,
    "snapshots": lambda environment: "before migrations",
    "role": lambda environment: environment.names.role,
    "log groups": lambda environment: environment.names.function_logs,
    "function": lambda environment: environment.names.function,
    "alias": lambda environment: environment.names.alias,
    "API": lambda environment: environment.names.api,
    "topic": lambda environment: environment.names.alerts,
    "alarms": lambda environment: "alarms",
    "dashboard": lambda environment: environment.names.dashboard,
    "bucket": lambda environment: environment.names.site_bucket,
    "distribution": lambda environment: environment.names.site,
    "releases": lambda environment: "the record of releases",
}
"""What stands in the report where a kind is absent or could not be looked at."""
ABSENT = {
    "network": "the region has no default VPC",
    "alarms": "there are none",
    "releases": "nothing was released yet",
}
OFF: Mapping[str, Callable[[Scene], str]] = {
    "alarms": no_alarms,
    "dashboard": no_dashboard,
    "bucket": no_site,
    "distribution": no_site,
}
"""Why a kind is not missed where there is none of it; '' where it is."""
