"""The alias `live`: the one place where traffic moves.

API Gateway targets the alias, never a version. `shift_traffic` moves it by the environment's shares, and after each one
below 100 % somebody watches (`bake`). Before the first its before-state goes to the undo log, so a release that fails
or dies afterwards can be put back (tasks/undo.py).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import PENDING, Change, Rollout
from tasks.errors import Permanent, absent_as_none, error_code, is_absent, when_settled
from tasks.steps import step

logger = logging.getLogger(__name__)

KIND = "alias"
"""The kind of an undo step of this module."""

Undoable = Callable[[str, str, str, Mapping[str, Any]], AbstractContextManager[None]]
"""(name, kind, resource, before) around a change: the undo log writes `before` first and marks it done after."""

Bake = Callable[[str, int], None]
"""(old version, percent that the new one has): returns if it may have more, raises if it must go back."""


def unrecorded(name: str, kind: str, resource: str, before: Mapping[str, Any]) -> AbstractContextManager[None]:
    """For a move that nothing has to undo."""
    return nullcontext()


@dataclass(frozen=True)
class Alias:
    """Where traffic goes."""

    arn: str
    version: str
    weights: Mapping[str, float] = field(default_factory=dict)
    """Further versions and their shares between 0 and 1; empty outside a canary."""


def observe_alias(client: Any, function: str, name: str) -> Alias | None:
    answer = absent_as_none(lambda: client.get_alias(FunctionName=function, Name=name))
    if answer is None:
        return None
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Alias(answer["AliasArn"], answer["FunctionVersion"], weights)


def plan_alias(subject: str, version: str, seen: Alias | None, why: str = "traffic") -> list[Change]:
    """All traffic on one version."""
    if seen is None:
        return [Change("create", subject, "version", "", version, "does not exist")]
    if seen.version != version or seen.weights:
        return [Change("update", subject, "version", describe(seen), version, why)]
    return []


@step("Make sure that traffic has an alias")
def ensure_alias(rollout: Rollout, version: str) -> Alias:
    """The alias; made on this version where there is none, so only on a first release. Never moves an existing one,
    but takes away the share that a canary left which died."""
    names = rollout.environment.names
    seen = observe_alias(rollout.aws("lambda"), names.function, names.alias)
    if seen and not seen.weights:
        return seen
    if seen:
        text = f"had {describe(seen)}, left by a canary that died or set by hand; all of it goes to version"
        rollout.find(f"alias {names.function}:{names.alias}", f"{text} {seen.version}")
    return converge_alias(rollout, seen.version if seen else version, seen, unrecorded)


@step("Shift traffic")
def shift_traffic(
    rollout: Rollout, version: str, *, undoable: Undoable = unrecorded, bake: Bake | None = None
) -> Alias:
    """The traffic to this version: share by share where somebody watches, else all of it now."""
    names = rollout.environment.names
    seen = observe_alias(rollout.aws("lambda"), names.function, names.alias)
    if seen is None and rollout.planning:  # `ensure_alias` has planned it, on this version
        return Alias(rollout.aws.arn("lambda", f"function:{names.function}:{names.alias}"), PENDING)
    return converge_alias(rollout, version, seen, undoable, bake)


def converge_alias(
    rollout: Rollout, version: str, seen: Alias | None, undoable: Undoable, bake: Bake | None = None
) -> Alias:
    names = rollout.environment.names
    subject = f"alias {names.function}:{names.alias}"
    arn = seen.arn if seen else rollout.aws.arn("lambda", f"function:{names.function}:{names.alias}")
    shares = shares_of(rollout, version, seen) if bake else ()

    def apply() -> Alias:
        client, before = rollout.aws("lambda"), {"version": seen.version if seen else None, "to": version}
        with undoable("Shift traffic", KIND, f"{names.function}:{names.alias}", before):
            if seen and bake and shares:
                move_by_shares(client, names.function, names.alias, seen.version, version, shares, bake)
            apply_alias(client, names.function, names.alias, version=version, exists=seen is not None)
        return Alias(arn, version)

    changes = plan_alias(subject, version, seen, f"traffic{by_shares(shares)}")
    return rollout.converge(subject, changes, apply=apply, planned=lambda: seen or Alias(arn, PENDING))


def shares_of(rollout: Rollout, version: str, seen: Alias | None) -> tuple[int, ...]:
    """The shares on the way to all of it; none on a first release, or where the version has the traffic already."""
    if seen is None or seen.version == version:
        return ()
    return tuple(share for share in rollout.environment.canary.steps if share < 100)


def by_shares(shares: Sequence[int]) -> str:
    return f", {', '.join(f'{share} %' for share in shares)} first" if shares else ""


def move_by_shares(
    client: Any, function: str, name: str, old: str, new: str, shares: Sequence[int], bake: Bake
) -> None:
    """Give the new version more and more, each time until `bake` returns. All of it is then the caller's to give."""
    for share in shares:
        require_between(client, function, name, old, new)
        weights = {new: share / 100}
        when_settled(
            lambda weights=weights: client.update_alias(  # type: ignore[misc]
                FunctionName=function,
                Name=name,
                FunctionVersion=old,
                RoutingConfig={"AdditionalVersionWeights": weights},
            )
        )
        bake(old, share)
    require_between(client, function, name, old, new)


def require_between(client: Any, function: str, name: str, old: str, new: str) -> None:
    """Raises Permanent unless the alias is on its way from one version to the other: then someone else has moved it."""
    seen = observe_alias(client, function, name)
    if seen is None or seen.version != old or not set(seen.weights) <= {new}:
        found = f"to {describe(seen)}" if seen else "away"
        raise Permanent(f"alias {function}:{name} was moved {found} by someone else meanwhile; this run stops")


def apply_alias(client: Any, function: str, name: str, *, version: str, exists: bool) -> None:
    """Point the alias at one version. Weights are cleared in words: Lambda keeps those that are not mentioned."""
    if not exists:
        try:
            client.create_alias(FunctionName=function, Name=name, FunctionVersion=version)
            return
        except ClientError as error:
            # Exists: the answer to an earlier try was lost. It may point elsewhere.
            if error_code(error) not in {"ResourceConflictException", "ConflictException"}:
                raise
    when_settled(
        lambda: client.update_alias(
            FunctionName=function,
            Name=name,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
    )


def restore_alias(rollout: Rollout, resource: str, before: Mapping[str, Any]) -> str:
    """Undo one move: back to the version before it. What was done, in words.

    Guarded: if the alias points neither to where the move took it nor back again, someone has moved it since, and it
    is left alone. A first release has no version to go back to.
    """
    function, _, name = resource.partition(":")
    client, to = rollout.aws("lambda"), before["version"]
    seen = observe_alias(client, function, name)
    if seen is None or to is None:
        return f"alias {resource} has no earlier version to go back to; left as it is"
    if not {seen.version, *seen.weights} <= {to, before["to"]}:
        text = f"was moved to version {describe(seen)} by someone else; left as it is"
        rollout.find(f"alias {resource}", text)
        return f"alias {resource} {text}"
    rollout.converge(
        f"alias {resource}",
        plan_alias(f"alias {resource}", to, seen),
        apply=lambda: move_back(client, function, name, to),
        planned=lambda: None,
    )
    return f"alias {resource} is on version {to}"


def move_back(client: Any, function: str, name: str, version: str) -> None:
    """Point the alias at an earlier version. Raises Permanent if that has been pruned."""
    try:
        apply_alias(client, function, name, version=version, exists=True)
    except ClientError as error:
        if not is_absent(error):
            raise
        raise Permanent(
            f"alias {function}:{name} stays where it is: version {version} is not there any more, as only the newest "
            "are kept (function.keep_versions); release its source again"
        ) from error


def describe(alias: Alias) -> str:
    """`7`, or `7 and 10 % on 8` during a canary."""
    return " and ".join([alias.version, *(f"{100 * share:g} % on {v}" for v, share in sorted(alias.weights.items()))])
