"""Provisioned concurrency: sandboxes that have started before anybody asks, so that nobody meets a cold start.

It is on the version and not on the alias: AWS refuses an alias that has it and weights in one update, and a version
that is warm before its first share of the traffic is what it is for. So it moves with the traffic in two steps: the new
version gets it before, and those that have no traffic any more lose it after. Both are in the undo log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.aliases import Undoable, unrecorded
from tasks.changes import PENDING, Change, Rollout
from tasks.errors import Permanent, absent_as_none, when_settled
from tasks.steps import step
from tasks.waiting import wait_until

KIND = "provisioned"
"""The kind of an undo step of this module."""
READY_S = 900.0
"""Seconds until sandboxes are there; AWS starts hundreds a minute."""
GB_HOUR: Mapping[str, float] = {"x86_64": 0.0000041667 * 3600, "arm64": 0.0000033334 * 3600}
"""Dollars for one gigabyte provisioned for an hour in us-east-1 (Lambda's price list, November 2026)."""
HOURS = 730
"""Of a month."""


@dataclass(frozen=True)
class Provisioned:
    """What one version (or, made by hand, an alias) has."""

    requested: int
    status: str
    reason: str = ""


def observe_provisioned(client: Any, function: str) -> dict[str, Provisioned]:
    """By qualifier; empty if there is no such function."""
    pages = client.get_paginator("list_provisioned_concurrency_configs")
    found = absent_as_none(
        lambda: [
            entry for page in pages.paginate(FunctionName=function) for entry in page["ProvisionedConcurrencyConfigs"]
        ]
    )
    return {
        entry["FunctionArn"].rpartition(":")[2]: Provisioned(
            entry["RequestedProvisionedConcurrentExecutions"], entry["Status"], entry.get("StatusReason", "")
        )
        for entry in found or ()
    }


def plan_provisioned(subject: str, wanted: int | None, seen: Provisioned | None, why: str = "") -> list[Change]:
    """So many for one version; None: no configuration."""
    before = seen.requested if seen and seen.status != "FAILED" else None
    if wanted == before and (wanted or seen is None):
        return []
    if wanted is None:
        return [Change("delete", subject, why=why)]
    return [Change("update" if seen else "create", subject, "sandboxes", str(before or "none"), str(wanted), why)]


@step("Provision concurrency")
def ensure_provisioned(rollout: Rollout, version: str, *, undoable: Undoable = unrecorded) -> None:
    """Sandboxes of this version that have started, where the environment wants them; waits until they have."""
    name, wanted = rollout.environment.names.function, rollout.environment.function.provisioned_concurrency
    if wanted is None:
        return
    client = rollout.aws("lambda")
    seen = observe_provisioned(client, name).get(version) if version != PENDING else None

    def apply() -> None:
        before = {"requested": seen.requested if seen else None}
        with undoable("Provision concurrency", KIND, f"{name}:{version}", before):
            put(client, name, version, wanted)

    subject = subject_of(name, version)
    changes = plan_provisioned(subject, wanted, seen, cost(rollout, wanted))
    rollout.converge(subject, changes, apply=apply, planned=lambda: None)
    if not rollout.planning:
        wait_until(subject, lambda: poll(client, name, version), patience=READY_S, expected=60)


@step("Release provisioned concurrency")
def settle_provisioned(rollout: Rollout, version: str, *, undoable: Undoable = unrecorded) -> None:
    """Nothing is provisioned, and paid for, but for the version that has the traffic, where the environment says so."""
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    wanted = rollout.environment.function.provisioned_concurrency
    for qualifier, seen in observe_provisioned(client, name).items():
        if wanted is not None and qualifier == version:
            continue

        def apply(qualifier: str = qualifier, seen: Provisioned = seen) -> None:
            resource, before = f"{name}:{qualifier}", {"requested": seen.requested}
            with undoable("Release provisioned concurrency", KIND, resource, before):
                remove(client, name, qualifier)

        why = "has no traffic any more" if wanted else "not in the environment"
        changes = plan_provisioned(subject_of(name, qualifier), None, seen, why)
        rollout.converge(subject_of(name, qualifier), changes, apply=apply, planned=lambda: None)


def restore_provisioned(rollout: Rollout, resource: str, before: Mapping[str, Any]) -> str:
    """Undo one change: as many as before. They start while the traffic moves already; a version that was deleted in
    the meantime needs none."""
    client, (name, _, version) = rollout.aws("lambda"), resource.partition(":")
    wanted, subject = before["requested"], subject_of(name, version)
    seen = observe_provisioned(client, name).get(version)
    there = absent_as_none(lambda: client.get_function_configuration(FunctionName=name, Qualifier=version))
    if there is None:
        return f"{subject}: the version is not there any more"

    def apply() -> None:
        if wanted is None:
            remove(client, name, version)
        else:
            put(client, name, version, wanted)

    rollout.converge(subject, plan_provisioned(subject, wanted, seen), apply=apply, planned=lambda: None)
    return f"{subject}: {wanted or 'none'}"


def put(client: Any, name: str, version: str, wanted: int) -> None:
    when_settled(
        lambda: client.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=version, ProvisionedConcurrentExecutions=wanted
        )
    )


def remove(client: Any, name: str, version: str) -> None:
    absent_as_none(lambda: client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=version))


def poll(client: Any, name: str, version: str) -> tuple[str, bool | None]:
    answer = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=version)
    if answer["Status"] == "FAILED":
        raise Permanent(
            f"{subject_of(name, version)} failed: {answer.get('StatusReason') or 'AWS gives no reason'}. Look into its"
            " log group, or at the account's limit of concurrent executions"
        )
    return str(answer["Status"]), answer["Status"] == "READY" or None


def subject_of(name: str, version: str) -> str:
    return f"provisioned concurrency of {name}:{version}"


def cost(rollout: Rollout, wanted: int) -> str:
    """What it costs, asked or not."""
    settings = rollout.environment.function
    dollars = wanted * settings.memory_mb / 1024 * GB_HOUR[settings.architecture] * HOURS
    return f"about ${dollars:.2f} a month while it stands, at us-east-1's price"
