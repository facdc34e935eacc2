"""Checks: who gets in, and what the function may do."""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tasks.reporting.flaws import Flaw
from tasks.reporting.model import Scene
from tasks.roles import INTERFACES, TRACES

WORLD = ("0.0.0.0/0", "::/0")
WIDEST = {4: 16, 6: 32}
"""Bits of an address range: one with fewer is whole providers."""
LAMBDA = "lambda.amazonaws.com"
ADMINISTRATORS = ("AdministratorAccess", "PowerUserAccess", "FullAccess")


def open_ports(scene: Scene, today: date) -> Iterator[Flaw]:
    """Anybody reaches it; of a database with a public address from anywhere on the internet."""
    network, database = scene.get("network"), scene.get("database")
    public = database is not None and database.settings["PubliclyAccessible"]
    for group, rule in rules_of(network):
        if rule.source in WORLD:
            critical = public and group.name == scene.environment.names.database_group
            yield Flaw(
                "critical" if critical else "high",
                f"security group {group.name}",
                f"{group.id} lets {rule}" + (": the database's address is public" if critical else ""),
                f"{revoke(group, rule)}; `open_to_world = false` in [database] keeps it so",
            )


def wide_ranges(scene: Scene, today: date) -> Iterator[Flaw]:
    for group, rule in rules_of(scene.get("network")):
        span = network_in(rule.source)
        if span is None or rule.source in WORLD or span.is_private:
            continue
        if span.prefixlen < WIDEST[span.version]:
            evidence = f"{group.id} lets {rule}: {span.num_addresses:,} addresses"
            yield Flaw("medium", f"security group {group.name}", evidence, revoke(group, rule))


def public_database(scene: Scene, today: date) -> Iterator[Flaw]:
    database = scene.get("database")
    if database is not None and database.settings["PubliclyAccessible"]:
        name = scene.environment.names.database
        yield Flaw(
            "medium",
            f"database {name}",
            f"has a public address ({database.address}): its security group alone keeps others out",
            "`publicly_accessible = false` in [database], once the worker that migrates is inside the VPC, too",
        )


def broad_policies(scene: Scene, today: date) -> Iterator[Flaw]:
    """All actions of a service, or actions on everything that AWS does not want so."""
    role = scene.get("role")
    for policy, text in (role.inline if role else {}).items():
        for statement in statements_of(text):
            wide = [action for action in listed(statement, "Action") if action == "*" or action.endswith(":*")]
            every = "*" in listed(statement, "Resource")
            loose = [action for action in listed(statement, "Action") if action not in {*INTERFACES, *TRACES}]
            if wide or (every and loose):
                what = f"allows {', '.join(wide or loose)}" + (" on everything" if every else "")
                fix = "`miyabi release` puts the one policy back that the function needs"
                subject = f"role {scene.environment.names.role}"
                yield Flaw("critical" if "*" in wide else "high", subject, f"policy {policy} {what}", fix)


def further_policies(scene: Scene, today: date) -> Iterator[Flaw]:
    role, name = scene.get("role"), scene.environment.names.role
    for arn in role.attached if role else ():
        grave = arn.endswith(ADMINISTRATORS)
        fix = f"`miyabi release`, or at once: aws iam detach-role-policy --role-name {name} --policy-arn {arn}"
        yield Flaw("high" if grave else "medium", f"role {name}", f"{arn} is attached", fix)


def open_trust(scene: Scene, today: date) -> Iterator[Flaw]:
    """Others than Lambda of this account may use the role."""
    role, subject = scene.get("role"), f"role {scene.environment.names.role}"
    for statement in statements_of(role.trust) if role else ():
        principal = statement.get("Principal")
        services = listed(principal, "Service") if isinstance(principal, Mapping) else []
        fix = "`miyabi release` puts the trust back: Lambda of this account alone"
        if services != [LAMBDA] or listed(principal, "AWS") or listed(principal, "Federated"):
            yield Flaw("high", subject, f"may be used by {json.dumps(principal)}", fix)
        elif "aws:SourceAccount" not in json.dumps(statement.get("Condition", {})):
            yield Flaw("low", subject, "Lambda may use it for functions of any account", fix)


def open_invocation(scene: Scene, today: date) -> Iterator[Flaw]:
    """The function may be invoked by others than this API."""
    seen, name = scene.get("API"), scene.environment.names.function
    named = f"--function-name {name} --qualifier {scene.environment.names.alias}"
    for statement in (*seen[0].statements, *seen[0].other_statements) if seen else ():
        fix = f"aws lambda remove-permission {named} --statement-id {statement.get('Sid', 'ID')}"
        if statement.get("Principal") in ("*", {"AWS": "*"}) and not statement.get("Condition"):
            yield Flaw("critical", f"function {name}", "anybody with an AWS account may invoke it", fix)
        elif "SourceArn" not in json.dumps(statement.get("Condition", {})):
            who = json.dumps(statement.get("Principal"))
            yield Flaw("medium", f"function {name}", f"{who} may invoke it, whichever API asks", fix)


def rules_of(network: Any) -> Iterator[tuple[Any, Any]]:
    for group in network.groups.values() if network else ():
        for rule in sorted(group.rules):
            yield group, rule


def revoke(group: Any, rule: Any) -> str:
    ports = str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
    where = "" if rule.protocol == "-1" else f" --port {ports}"
    return (
        f"aws ec2 revoke-security-group-ingress --group-id {group.id} --protocol {rule.protocol}{where}"
        f" --cidr {rule.source}"
    )


def network_in(source: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The range; None for a group or a prefix list."""
    try:
        return ipaddress.ip_network(source, strict=False)
    except ValueError:
        return None


def statements_of(document: str) -> list[Mapping[str, Any]]:
    """What a policy allows."""
    found = json.loads(document).get("Statement", [])
    found = [found] if isinstance(found, Mapping) else found
    return [statement for statement in found if statement.get("Effect") == "Allow"]


def listed(part: Any, key: str) -> list[str]:
    """AWS writes a list of one as the item."""
    found = part.get(key, []) if isinstance(part, Mapping) else []
    return [found] if isinstance(found, str) else list(found)
