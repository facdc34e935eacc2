"""Which earlier release to go back to, said as people say it, and whether its version is still there."""

from database import releases
from database.releases import Connection, Release
from tasks.changes import Rollout
from tasks.errors import Permanent, absent_as_none
from tasks.releases import Store
from tasks.steps import step

PREVIOUS = "previous"


@step("Name the releases to go back to")
def candidates(rollout: Rollout, *, store: Store | None = None) -> str:
    """What a person could name, who wants to go back further."""
    with (store or Store(rollout)).connection() as connection:
        found = releases.well_with_another(connection, rollout.environment.name, live_version(rollout))
    if not found:
        return "no other version was ever well here; mend the source and release it"
    return "name one to go to, `miyabi rollback ID`: " + "; ".join(
        f"{str(one.id)[:8]} (version {one.version}, {one.started_at:%Y-%m-%d %H:%M} UTC)" for one in found
    )


@step("Find the release to go back to")
def find_release(rollout: Rollout, wanted: str, *, store: Store | None = None) -> Release:
    """The release meant by an id, the beginning of one, a version's number, or `previous`. Raises Permanent for one
    that there is not, that was never well, or whose version was deleted."""
    with (store or Store(rollout)).connection() as connection:
        found = look_up(rollout, connection, wanted)
    if found is None and wanted == PREVIOUS:
        raise Permanent(
            f"there is no release before the live version of {rollout.environment.name!r}: nothing to go back to."
            " `miyabi releases` lists those that there are"
        )
    if found is None:
        raise Permanent(
            f"environment {rollout.environment.name!r} has no release {wanted!r} to go back to; `miyabi releases` lists"
            " those that there are"
        )
    require_well(found)
    require_version(rollout, found)
    return found


def look_up(rollout: Rollout, connection: Connection, wanted: str) -> Release | None:
    environment = rollout.environment.name
    if wanted == PREVIOUS:
        return releases.release_before(connection, environment, live_version(rollout))
    if wanted.isdecimal() and len(wanted) < 8:  # an id's beginning has 8 digits or more
        return releases.release_with(connection, environment, wanted)
    found = releases.releases_like(connection, environment, wanted)
    if len(found) > 1:
        raise Permanent(f"more than one release of {environment!r} begins with {wanted!r}; give more of the id")
    return found[0] if found else None


def live_version(rollout: Rollout) -> str:
    names = rollout.environment.names
    alias = absent_as_none(lambda: rollout.aws("lambda").get_alias(FunctionName=names.function, Name=names.alias))
    if alias is None:
        raise Permanent(f"nothing serves in {rollout.environment.name!r} yet, so nothing was before it; run release")
    return str(alias["FunctionVersion"])


def require_well(found: Release) -> None:
    """A release that was well once: it succeeded, and at most a person rolled it back."""
    if not found.version or found.error or found.status not in {"succeeded", "rolled_back"}:
        why = (found.error or "it made no version").splitlines()[0]
        raise Permanent(f"release {found.id} is {found.status} and was never well: {why}. Go back to another one")


def require_version(rollout: Rollout, found: Release) -> None:
    name, version = rollout.environment.names.function, found.version
    client = rollout.aws("lambda")
    if absent_as_none(lambda: client.get_function_configuration(FunctionName=name, Qualifier=version)) is None:
        keep = rollout.environment.function.keep_versions
        raise Permanent(
            f"version {version} of {name}, which release {found.id} made, is not there any more: only those of the"
            f" newest {keep} good releases are kept (function.keep_versions). Release its source again:"
            f" {found.source or 'unknown'} at commit {found.git_sha or 'unknown'}"
        )
