"""What releases leave behind, taken away after one that succeeded: old versions of the function, old snapshots.

The newest few stay (`function.keep_versions`, `database.keep_snapshots`); so does every version that an alias points to
or that a rollback goes back to (of the last release, or to one of the newest few that were well), and every snapshot
that was not taken before migrations of this environment. Trouble here is a finding and not the end of a release that
has succeeded: the next one tries again.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from database import releases
from tasks.changes import Change, Rollout
from tasks.database_snapshots import delete_snapshot, observe_snapshots, plan_old_snapshots
from tasks.errors import MiyabiError, absent_as_none
from tasks.functions import FunctionVersion
from tasks.releases import Store
from tasks.steps import step


@step("Prune old versions and snapshots", retries=0)
def prune(rollout: Rollout, current: FunctionVersion, *, store: Store | None = None) -> None:
    """Keep the newest versions and snapshots, and delete what is older and of no use any more."""
    names = rollout.environment.names
    tolerate(rollout, f"function {names.function}", lambda: prune_versions(rollout, current, store or Store(rollout)))
    tolerate(rollout, f"database {names.database}", lambda: prune_snapshots(rollout))


def tolerate(rollout: Rollout, subject: str, work: Callable[[], None]) -> None:
    """Do it; if it fails, say so in a finding."""
    try:
        work()
    except (ClientError, BotoCoreError, MiyabiError, psycopg.Error) as error:
        rollout.find(subject, f"what is old could not be deleted, the next release will try again: {error}")


def prune_versions(rollout: Rollout, current: FunctionVersion, store: Store) -> None:
    """Delete versions, each a change of its own. Nothing is asked of AWS where there are few."""
    keep, client = rollout.environment.function.keep_versions, rollout.aws("lambda")
    if len(current.published) <= keep:
        return
    needed = versions_with_aliases(client, current.name) | rollback_targets(rollout, current, store)
    changes = plan_old_versions(current.name, current.published, needed=needed, keep=keep)
    for version, change in changes.items():

        def delete(version: str = version) -> None:
            absent_as_none(lambda: client.delete_function(FunctionName=current.name, Qualifier=version))

        rollout.converge(change.resource, [change], apply=delete, planned=lambda: None)
    if changes:
        rollout.find(
            f"function {current.name}",
            f"old versions are deleted ({', '.join(changes)}): the newest {keep} stay, as function.keep_versions says",
        )


def plan_old_versions(
    function: str, published: Sequence[str], *, needed: Collection[str], keep: int
) -> dict[str, Change]:
    """The deletion of each version that is not among the newest and not needed; `published` is oldest first."""
    why = f"not one of the newest {keep}, no alias points to it, and no rollback goes back to it"
    return {
        version: Change("delete", f"version {version} of function {function}", why=why)
        for version in published[:-keep]
        if version not in needed
    }


def versions_with_aliases(client: Any, function: str) -> set[str]:
    """Versions that any alias of the function points to, in part or in whole."""
    pages = client.get_paginator("list_aliases").paginate(FunctionName=function)
    aliases = [alias for page in pages for alias in page["Aliases"]]
    weights = [(alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {} for alias in aliases]
    return {alias["FunctionVersion"] for alias in aliases}.union(*weights)


def rollback_targets(rollout: Rollout, current: FunctionVersion, store: Store) -> set[str]:
    """Versions that `rollback` would put traffic on. In a plan that moves traffic, what is undone is not known yet."""
    name, keep = rollout.environment.name, rollout.environment.function.keep_versions
    moves = rollout.planning and current.version != current.previous_version  # from where the alias keeps it
    with store.connection() as connection:
        release = None if moves else releases.latest_change(connection, name)
        steps = releases.steps_to_undo(connection, release.id) if release else []
        good = releases.good_versions(connection, name, keep)
    return {str(step.before["version"]) for step in steps if step.before.get("version")}.union(good)


def prune_snapshots(rollout: Rollout) -> None:
    """Delete old snapshots of ours, each a change of its own."""
    keep, database = rollout.environment.database.keep_snapshots, rollout.environment.names.database
    planned = sum(is_new_snapshot(change) for change in rollout.changes) if rollout.planning else 0
    changes = plan_old_snapshots(observe_snapshots(rollout), keep=keep, planned=planned)
    for snapshot, change in changes.items():
        delete = partial(delete_snapshot, rollout, snapshot.identifier)
        rollout.converge(change.resource, [change], apply=delete, planned=lambda: None)
    if changes:
        rollout.find(
            f"database {database}",
            f"old snapshots are deleted ({', '.join(snapshot.identifier for snapshot in changes)}): the newest {keep} "
            "of those taken before migrations stay, as database.keep_snapshots says",
        )


def is_new_snapshot(change: Change) -> bool:
    return change.action == "create" and change.resource.startswith("snapshot ")
