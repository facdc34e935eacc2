"""The variables that the environment has for the function and the live version lacks, given back.

The code stays: `$LATEST` must hold the live version's, or another release is under way and only that can be right. What
is set already is left as it is, also where the environment says otherwise; comparing all of it is a release's work.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from tasks.changes import PENDING, Change, Rollout
from tasks.configuration import Configuration
from tasks.errors import Permanent, when_settled
from tasks.functions import Function, FunctionVersion, live_version, observe_function, settle
from tasks.secrets import observe_secret
from tasks.steps import step
from tasks.variables import function_variables, plain_variables


@step("Give the function its variables back")
def ensure_variables(rollout: Rollout, names: Collection[str]) -> FunctionVersion:
    """A published version that is the live one with these variables, as the environment has them. Moves no traffic."""
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    seen, live = observe_function(client, name), live_version(client, name, rollout.environment.names.alias)
    if seen is None or live is None or live not in seen.versions:
        raise Permanent(f"nothing serves in {rollout.environment.name!r}, so it can be given nothing; run release")
    rollout.require_ours(f"function {name!r}", dict(seen.tags))
    now, values = seen.versions[live], wanted_values(rollout, names)
    wanted = replace(now, variables={**values, **now.variables})
    existing = seen.version_with(wanted)

    def made(version: str, *, created: bool) -> FunctionVersion:
        arn = rollout.aws.arn("lambda", f"function:{name}:{version}")
        return FunctionVersion(name, arn, version, wanted.code, live, created, tuple({*seen.versions, version}))

    return rollout.converge(
        f"variables of function {name}",
        plan_variables_back(rollout, f"function {name}", wanted, now, publish=existing is None),
        apply=lambda: made(existing or publish(rollout, seen, now, wanted), created=existing is None),
        planned=lambda: made(existing or PENDING, created=False),
    )


def wanted_values(rollout: Rollout, names: Collection[str]) -> Mapping[str, str]:
    """The values, read at the moment of use. Raises Permanent for a name that the environment knows nothing of."""
    values = function_variables(rollout, *secret_arns(rollout))
    if strange := sorted(set(names) - set(values)):
        raise Permanent(f"the environment has no value for {', '.join(strange)}; add it to function.variables")
    return {name: values[name] for name in names}


def secret_arns(rollout: Rollout) -> tuple[str, str]:
    """Of database and JWT. Raises Permanent where one is gone: then there is more to do than this."""
    names = rollout.environment.names
    found = [observe_secret(rollout, name) for name in (names.database_secret, names.jwt_secret)]
    if not all(secret and not secret.deleted for secret in found):
        raise Permanent(f"the secrets of {rollout.environment.name!r} are not all there; run release")
    database, jwt = (secret.arn for secret in found if secret)
    return database, jwt


def plan_variables_back(
    rollout: Rollout, subject: str, wanted: Configuration, now: Configuration, *, publish: bool
) -> list[Change]:
    """Which variables appear. Values of secrets are not in it."""
    plain = plain_variables(rollout.environment, *secret_arns(rollout))
    shown = {name: plain[name] for name in plain if name not in rollout.environment.function.plain_secrets}
    changes = [
        Change("update", subject, f"variable {name}", "", shown.get(name, "(secret)"), "the live version lacks it")
        for name in sorted(set(wanted.variables) - set(now.variables))
    ]
    if changes and publish:
        changes.append(Change("create", f"version of {subject}", "code", "", "as it is", "no version holds this"))
    return changes


def publish(rollout: Rollout, seen: Function, now: Configuration, wanted: Configuration) -> str:
    """Set them, and publish; the version's number."""
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    if not seen.latest.same_code(now):
        raise Permanent(
            f"$LATEST of {name} holds other code than the version that serves: a release is under way, or was broken"
            " off. Release again; it sets the variables as well"
        )
    answer = when_settled(lambda: client.update_function_configuration(FunctionName=name, **wanted.parameters()))
    settle(client, name, answer)
    published = when_settled(
        lambda: client.publish_version(
            FunctionName=name, CodeSha256=wanted.code, Description=f"variables given back by {rollout.release}"[:256]
        )
    )
    settle(client, name, published, version=str(published["Version"]))
    return str(published["Version"])
