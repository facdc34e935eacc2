"""The Lambda function and its versions.

A release makes a version; the alias (tasks/aliases.py) moves traffic to it later. `$LATEST` is only the workbench:
code, then configuration, each settled before the next, never side by side, then `publish_version` on exactly that
code. A published version that already holds what is wanted is used again, so an unchanged release makes none, and a
run that was killed between any two calls is continued by the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import PENDING, Change, Rollout, deletion, differences
from tasks.configuration import Configuration, Wanted, Wiring, plan_settings, plan_variables, short, wanted_function
from tasks.errors import Permanent, Temporary, absent_as_none, error_code, when_settled
from tasks.steps import step
from tasks.uploads import Package, code_of
from tasks.waiting import wait_until

SETTLING = 300.0
"""Seconds for a function or version to become usable: botocore's `function_updated_v2` allows 5 minutes."""


@dataclass(frozen=True)
class FunctionVersion:
    """A published version that holds what was asked for. It has no traffic until the alias moves."""

    name: str
    arn: str
    """Of the version: ends in its number."""
    version: str
    code_sha256: str
    previous_version: str | None
    """Where the alias points now; None on a first release."""
    created: bool
    """False when a version that existed already is what was asked for."""
    published: tuple[str, ...] = ()
    """All versions that there are, this one included, oldest first."""


@dataclass(frozen=True)
class Function:
    """A function as it stands in AWS."""

    arn: str
    latest: Configuration
    versions: dict[str, Configuration]
    """Published ones by number, oldest first."""
    tags: Mapping[str, str]
    reserved_concurrency: int | None
    broken: str
    """Why the last update failed; '' when it did not."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the package of each published version."""

    def version_with(self, wanted: Configuration) -> str | None:
        """The newest published version that holds this."""
        return next((number for number in reversed(self.versions) if self.versions[number] == wanted), None)


@step("Deploy a function version")
def ensure_function(rollout: Rollout, package: Package, wiring: Wiring, *, description: str = "") -> FunctionVersion:
    """A published version with this package and the environment's settings. Moves no traffic.

    `description` stands beside the version in the console: the git commit, or the release's name.
    """
    wanted = wanted_function(rollout, package, wiring)
    client = rollout.aws("lambda")
    seen = observe_function(client, wanted.name)
    if seen is not None:
        rollout.require_ours(f"function {wanted.name!r}", dict(seen.tags))
    live = live_version(client, wanted.name, rollout.environment.names.alias) if seen else None
    existing = seen.version_with(wanted.configuration) if seen else None

    def made(version: str, *, created: bool) -> FunctionVersion:
        arn = rollout.aws.arn("lambda", f"function:{wanted.name}:{version}")
        known = tuple(seen.versions) if seen else ()
        published = known if version in known else (*known, version)
        return FunctionVersion(wanted.name, arn, version, package.code_sha256, live, created, published)

    return rollout.converge(
        f"function {wanted.name}",
        plan_function(wanted, seen),
        apply=lambda: made(
            apply_function(rollout, wanted, seen, package, description or rollout.release), created=existing is None
        ),
        planned=lambda: made(existing or PENDING, created=False),
    )


def observe_function(client: Any, name: str) -> Function | None:
    """The function with all its versions, or None."""
    answer = absent_as_none(lambda: client.get_function(FunctionName=name))
    if answer is None:
        return None
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    published = [entry for page in pages for entry in page["Versions"] if entry["Version"] != "$LATEST"]
    published.sort(key=lambda entry: int(entry["Version"]))
    latest = answer["Configuration"]
    failed = latest.get("LastUpdateStatus") == "Failed" or latest.get("State") == "Failed"
    reason = latest.get("LastUpdateStatusReason") or latest.get("StateReason") or "its last update failed"
    return Function(
        arn=latest["FunctionArn"],
        latest=Configuration.of(latest),
        versions={entry["Version"]: Configuration.of(entry) for entry in published},
        tags=answer.get("Tags") or {},
        reserved_concurrency=(answer.get("Concurrency") or {}).get("ReservedConcurrentExecutions"),
        broken=reason if failed else "",
        sizes={entry["Version"]: entry.get("CodeSize", 0) for entry in published},
    )


def live_version(client: Any, name: str, alias: str) -> str | None:
    answer = absent_as_none(lambda: client.get_alias(FunctionName=name, Name=alias))
    return str(answer["FunctionVersion"]) if answer else None


def plan_function(wanted: Wanted, seen: Function | None) -> list[Change]:
    """What has to change so that a published version holds what is wanted. Values of secret variables are not in it."""
    subject, to = f"function {wanted.name}", wanted.configuration
    if seen is None:
        changes = [Change("create", subject, why="does not exist"), *plan_variables(wanted, {})]
    else:
        changes = [*plan_settings(subject, to, seen.latest), *plan_variables(wanted, seen.latest.variables)]
        if seen.broken:
            changes.append(Change("update", subject, "state", "Failed", "Active", seen.broken))
        changes += plan_extras(wanted, seen)
    if seen is None or seen.version_with(to) is None:
        changes.append(Change("create", f"version of {subject}", "code", "", short(to.code), "no version holds this"))
    return changes


def plan_extras(wanted: Wanted, seen: Function) -> list[Change]:
    """What belongs to the function and not to a version: tags and reserved concurrency."""

    def facts(tags: Mapping[str, str], reserved: int | None) -> dict[str, object]:
        return {
            **{f"tag {key}": tags.get(key, "") for key in wanted.tags},
            "reserved concurrency": "none" if reserved is None else reserved,
        }

    return differences(
        f"function {wanted.name}",
        facts(wanted.tags, wanted.reserved_concurrency),
        facts(seen.tags, seen.reserved_concurrency),
    )


def apply_function(rollout: Rollout, wanted: Wanted, seen: Function | None, package: Package, description: str) -> str:
    """Bring `$LATEST` to what is wanted, and publish it if no version holds that yet; the version's number."""
    client = rollout.aws("lambda")
    if seen is None:
        create_function(rollout, wanted, package)
    else:
        update_function(rollout, wanted, seen, package)
    apply_extras(client, wanted, seen)
    existing = seen.version_with(wanted.configuration) if seen else None
    return existing or publish_version(client, wanted, description)


def create_function(rollout: Rollout, wanted: Wanted, package: Package) -> None:
    client, name, code = rollout.aws("lambda"), wanted.name, code_of(rollout, package)

    def create() -> Any:
        try:
            return client.create_function(
                FunctionName=name,
                PackageType="Zip",
                Code=code,
                Architectures=[wanted.configuration.architecture],
                Tags=rollout.tags,
                **wanted.configuration.parameters(),
            )
        except ClientError as error:
            # On create this code means "exists": an answer was lost on the way, or someone was faster.
            if error_code(error) == "ResourceConflictException":
                raise Temporary(f"function {name!r} appeared while it was being created; comparing it again") from error
            raise

    settle(client, name, when_settled(create))


def update_function(rollout: Rollout, wanted: Wanted, seen: Function, package: Package) -> None:
    """Code, then configuration; each waits for the one before, as Lambda refuses them side by side."""
    client, name, to = rollout.aws("lambda"), wanted.name, wanted.configuration
    if not seen.latest.same_code(to):
        code = code_of(rollout, package)
        settle(
            client,
            name,
            when_settled(
                lambda: client.update_function_code(FunctionName=name, Architectures=[to.architecture], **code)
            ),
        )
    if seen.broken or not seen.latest.same_settings(to):
        settle(
            client,
            name,
            when_settled(lambda: client.update_function_configuration(FunctionName=name, **to.parameters())),
        )


def apply_extras(client: Any, wanted: Wanted, seen: Function | None) -> None:
    """Tags and reserved concurrency; a new function got its tags when it was created."""
    if seen and any(seen.tags.get(key) != value for key, value in wanted.tags.items()):
        client.tag_resource(Resource=seen.arn, Tags=dict(wanted.tags))
    reserved = seen.reserved_concurrency if seen else None
    if wanted.reserved_concurrency == reserved:
        return
    if wanted.reserved_concurrency is None:
        client.delete_function_concurrency(FunctionName=wanted.name)
    else:
        client.put_function_concurrency(
            FunctionName=wanted.name, ReservedConcurrentExecutions=wanted.reserved_concurrency
        )


def publish_version(client: Any, wanted: Wanted, description: str) -> str:
    """A new immutable version of `$LATEST`. AWS refuses if the code there is not ours any more."""
    answer = when_settled(
        lambda: client.publish_version(
            FunctionName=wanted.name, CodeSha256=wanted.configuration.code, Description=description[:256]
        )
    )
    version = str(answer["Version"])
    settle(client, wanted.name, answer, version=version)
    return version


def settle(client: Any, name: str, answer: Mapping[str, Any], *, version: str = "$LATEST") -> None:
    """Wait until the function or a version is usable. `answer` is what the call before said: often that is enough."""
    if not is_ready(name, answer):
        wait_until(
            f"function {name} {version}",
            lambda: poll(client, name, version),
            patience=SETTLING,
            expected=20.0,
        )


def poll(client: Any, name: str, version: str) -> tuple[str, bool | None]:
    answer = client.get_function_configuration(FunctionName=name, Qualifier=version)
    return f"{answer.get('State')}, update {answer.get('LastUpdateStatus')}", is_ready(name, answer) or None


def is_ready(name: str, answer: Mapping[str, Any]) -> bool:
    """Neither being made nor being updated. A failed one raises Permanent with AWS's reason."""
    for status, reason in (("State", "StateReason"), ("LastUpdateStatus", "LastUpdateStatusReason")):
        if answer.get(status) == "Failed":
            raise Permanent(f"function {name!r} failed: {answer.get(reason) or 'AWS gives no reason'}")
    return answer.get("State") != "Pending" and answer.get("LastUpdateStatus") != "InProgress"


@step("Destroy the function")
def destroy_function(rollout: Rollout) -> None:
    """Delete the function with all its versions, its alias and its permissions."""
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    seen = absent_as_none(lambda: client.get_function(FunctionName=name))
    rollout.converge(
        f"function {name}",
        deletion(rollout, f"function {name}", seen.get("Tags") or {} if seen else None),
        apply=lambda: absent_as_none(lambda: when_settled(lambda: client.delete_function(FunctionName=name))),
        planned=lambda: None,
    )
