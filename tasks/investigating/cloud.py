"""Which parts of the cloud there are and how they are, by what the flow's observers see, or why AWS could not be asked.

A new kind is a function here, its line in `DESCRIBED`, and an observer in the flow.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws import DoorError
from tasks.errors import MiyabiError
from tasks.investigating.looking import count, listed
from tasks.investigating.model import Resource
from tasks.steps import step

WORLD = frozenset({"0.0.0.0/0", "::/0"})


@step("Look at the cloud")
def look_at_cloud(observers: Mapping[tuple[str, str], Callable[[], Any]]) -> list[Resource]:
    """One resource for each observer, which gives None where there is nothing."""
    return [observed(kind, name, look) for (kind, name), look in observers.items()]


def observed(kind: str, name: str, look: Callable[[], Any]) -> Resource:
    try:
        seen = look()
    except (MiyabiError, DoorError, ClientError, BotoCoreError) as error:
        return Resource(kind, name, None, f"AWS could not be asked: {error}")
    if seen is None:
        return Resource(kind, name, False, f"AWS knows no {kind} of this name")
    detail, wrong = DESCRIBED[kind](seen)
    return Resource(kind, name, True, detail, variables_of(seen), [*wrong])


def variables_of(seen: Any) -> list[str]:
    """The names of a function's environment variables."""
    return sorted(getattr(getattr(seen, "latest", None), "variables", None) or {})


Described = tuple[str, list[str]]
"""A resource's state in a few words, and what is not as it has to be for it to work."""


def database(seen: Any) -> Described:
    settings = seen.settings
    detail = (
        f"{seen.status}, {settings['DBInstanceClass']}, PostgreSQL {settings['EngineVersion']}, "
        f"{settings['AllocatedStorage']} GB, {'two zones' if settings['MultiAZ'] else 'one zone'}"
        f"{', public address' if settings['PubliclyAccessible'] else ''}{'' if seen.encrypted else ', not encrypted'}"
    )
    return detail, [] if seen.status == "available" else [f"it is {seen.status!r}, not 'available'"]


def function(seen: Any) -> Described:
    latest, versions = seen.latest, count(len(seen.versions), "published version")
    wrong = [seen.broken] if seen.broken else []
    wrong += ["it has no published version"] if not seen.versions else []
    wrong += ["its reserved concurrency is 0: every call is refused"] if seen.reserved_concurrency == 0 else []
    return f"{latest.runtime}, {latest.memory_mb} MB, {latest.timeout_s} s, {versions}", wrong


def alias(seen: Any) -> Described:
    shares = [f"{share:.0%} to version {version}" for version, share in seen.weights.items()]
    return f"leads to version {seen.version}{''.join(f', {one}' for one in shares)}", []


def api(seen: Any) -> Described:
    detail = f"{seen.endpoint}, {count(len(seen.routes), 'route')}, {count(len(seen.integrations), 'integration')}"
    wrong = [] if seen.routes else ["it has no route: every request is answered 404"]
    wrong += [] if seen.stage else ["it has no stage: every request is answered 404"]
    if not seen.statements:
        wrong.append("nothing allows it to invoke the function: HTTP 500, and nothing is logged")
    return detail, wrong


def bucket(seen: Any) -> Described:
    detail = listed([f"{name} {value}" for name, value in seen.settings.items()])
    return detail, [] if seen.settings.get("public access") == "blocked" else ["public access is not blocked"]


def distribution(seen: Any) -> Described:
    return f"{seen.status}, {seen.domain}", [] if seen.config.get("Enabled") else ["it is disabled"]


def secret(seen: Any) -> Described:
    return "there", ["it is deleted, and can still be restored"] if seen.deleted else []


def role(seen: Any) -> Described:
    policies = [*seen.inline, *(arn.rpartition("/")[2] for arn in seen.attached)]
    writes = "logs:PutLogEvents" in "".join(seen.inline.values()) or bool(seen.attached)
    wrong = [] if writes else ["none of its policies lets it write logs: what the function prints is lost"]
    return f"policies: {listed(policies)}" if policies else "no policy", wrong


def log_group(seen: Any) -> Described:
    return f"kept {seen.retention_days} days" if seen.retention_days else "kept forever, and paid for", []


def security_group(seen: Any) -> Described:
    rules = sorted(seen.rules)
    open_ones = [f"open to the whole internet: {rule}" for rule in rules if rule.source in WORLD]
    return listed([str(rule) for rule in rules]) or "lets nobody in", open_ones


DESCRIBED: Mapping[str, Callable[[Any], Described]] = {
    "database": database, "function": function, "alias": alias, "API": api, "bucket": bucket,
    "distribution": distribution, "secret": secret, "role": role, "log group": log_group,
    "security group": security_group,
}  # fmt: skip
