"""Check drift: has somebody changed by hand what a release made? Reads only. Run by hand, or once a day.

It is the plan of a release of the same source; what is new in the source or among the migrations is not drift, and is
told apart. What differs is an artifact, an event (`miyabi.drift.found`), and the message of the run, which is not a
failure: somebody may have had a reason.
"""

from collections.abc import Sequence

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.deploy_backend import package_of
from flows.deploy_frontend import DASHBOARD, site_of
from flows.opening import ROOT, opened, run_name
from flows.parameters import EnvironmentName, ReleasedSource
from flows.release import roll_out
from tasks.changes import PENDING, Change
from tasks.events import tell
from tasks.migrations import read_migrations
from tasks.releases import last_released
from tasks.reports import publish_drift

DEFAULT = "python:api"
NEW = ("migration ", "snapshot ", "version ")
"""What a release of a new source makes, or removes after one, begins so."""


@flow(name="check-drift", flow_run_name=run_name)
async def check_drift(environment: EnvironmentName = "local", source: ReleasedSource = "") -> State[None]:
    """Compare what stands with what a release would make of it."""
    async with opened(environment, plan_only=True) as rollout:
        released, published = last_released(rollout)
        bundle = package_of(rollout, source or released or DEFAULT)
        site = DASHBOARD if published else ""
        await roll_out(rollout, bundle, read_migrations(ROOT / "migrations"), (site, site_of(rollout, site)))
        return await concluded(environment, rollout.changes)


async def concluded(environment: str, changes: Sequence[Change]) -> State[None]:
    """Say what differs: as an artifact, in an event, and as the end of the run."""
    drift = [change for change in changes if not is_new(change)]
    await publish_drift(environment, drift)
    waiting = f"; {len(changes) - len(drift)} more wait for a release" if len(drift) < len(changes) else ""
    if not drift:
        return Completed(message=f"{environment} stands as it was released{waiting}")
    headline = f"{environment}: {len(drift)} thing(s) are not as they were released{waiting}"
    tell(environment, "drift.found", headline, "\n".join(map(str, drift)), differences=len(drift))
    return Completed(name="Drifted", message=headline)


def is_new(change: Change) -> bool:
    """Whether this comes of a source that is not released yet, and not of somebody's hand."""
    return (
        change.resource.startswith(NEW)
        or change.after == PENDING
        or (change.resource.startswith("site ") and change.field == "files")
        or (change.resource.startswith("function ") and change.field == "code")
    )
