"""Check drift: has somebody changed by hand what a release made? Reads only. Run by hand, or once a day.

It is the plan of a release of the same source; what is new in the source or among the migrations is not drift, and is
told apart. What differs is an artifact, an event (`miyabi.drift.found`), and the message of the run, which is not a
failure: somebody may have had a reason. People are told what was found and what was expected, and since when; who it
was, AWS alone knows (CloudTrail).
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.deploy_backend import package_of
from flows.deploy_frontend import DASHBOARD, site_of
from flows.opening import ROOT, opened, run_name
from flows.parameters import EnvironmentName, ReleasedSource
from flows.release import roll_out
from flows.smoke_history import last_release, newest_runs, of
from tasks.changes import PENDING, Change
from tasks.events import tell
from tasks.migrations import read_migrations
from tasks.releases import last_released
from tasks.reports import publish_drift

DEFAULT = "python:api"
NEW = ("migration ", "snapshot ", "version ")
"""What a release of a new source makes, or removes after one, begins so."""
SHOWN, EXCERPT = 12, 100
"""Differences that are told, and characters of a value."""


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
    more = f" and {len(drift) - 1} more" if len(drift) > 1 else ""
    headline = f"drift in {environment}: {difference(drift[0])}{more}{waiting}"
    told = text(environment, drift, await last_well(environment))
    tell(environment, "drift.found", headline, told, differences=len(drift))
    return Completed(name="Drifted", message=headline)


def text(environment: str, drift: Sequence[Change], well: datetime | None) -> str:
    """What was changed, since when, and what to do about it."""
    lines = [f"- {difference(change)}" for change in drift[:SHOWN]]
    lines += [f"- and {len(drift) - SHOWN} more, in the run's table"] if len(drift) > SHOWN else []
    since = f"Changed after {well:%Y-%m-%d %H:%M} UTC, when all stood as released." if well else ""
    return "\n".join([
        *lines, *filter(None, [since]),
        f"To put it back: `miyabi release -e {environment}`; `miyabi plan -e {environment}` shows how.",
        "To keep it: say so in the environment's file, `miyabi configure`, release.",
    ])  # fmt: skip


def difference(change: Change) -> str:
    """`function miyabi-api-local: memory mb is 1024, expected 512`."""
    if change.action == "update":
        found, expected = excerpts(change.before, change.after)
        return f"{change.resource}: {change.field} is {found or 'not set'}, expected {expected or 'none'}"
    what = " ".join(filter(None, [change.field, excerpt(change.before or change.after)]))
    fate = "is missing" if change.action == "create" else "was added"
    return f"{change.resource}{what and f': {what}'} {fate}"


def excerpts(found: str, expected: str) -> tuple[str, str]:
    """Of two long values the place where they begin to differ."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(found, expected, strict=False))))
    begin = max(same - 20, 0) if max(len(found), len(expected)) > EXCERPT else 0
    return excerpt(found, begin), excerpt(expected, begin)


def excerpt(value: str, begin: int = 0) -> str:
    part = value[begin : begin + EXCERPT]
    return f"{'…' if begin else ''}{part}{'…' if begin + EXCERPT < len(value) else ''}"


async def last_well(environment: str) -> datetime | None:
    """When all was last seen, or put, as it was released; None if Prefect does not know."""
    runs = await newest_runs("check-drift", {"state": {"name": {"any_": ["Completed"]}}})
    seen = [run.end_time for run in of(environment, runs)[:1]]
    return max((time for time in [*seen, await last_release(environment)] if time), default=None)


def is_new(change: Change) -> bool:
    """Whether this comes of a source that is not released yet, and not of somebody's hand."""
    return (
        change.resource.startswith(NEW)
        or change.after == PENDING
        or (change.resource.startswith("site ") and change.field == "files")
        or (change.resource.startswith("function ") and change.field == "code")
    )
