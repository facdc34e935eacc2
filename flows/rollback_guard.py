"""Whether a rollback that nobody has asked for is right: allowed here, and after a release that smoke tests fail since.

Started by an automation, after the diagnosis of a failing smoke test. It changes traffic only if the environment's
`[rollback]` allows it, the last release moved traffic and is recent, enough smoke tests have failed in a row since it
ended, no release is running (which has its own way back), and the API fails when it is asked once more. It never goes
back from a rollback: two versions that fail are a person's to sort out; and what cannot be looked at is no reason to.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from blocks.operating import RollbackSettings
from database.releases import Release, latest_change, latest_release
from flows.opening import ROOT, load_environment
from flows.smoke_history import failures_in_a_row
from tasks.bundling.sources import parse_source
from tasks.changes import Rollout
from tasks.errors import MiyabiError
from tasks.gateway import inspect_api
from tasks.releases import Store
from tasks.smoke import checks_for, smoke_api
from tasks.smoke_answers import SmokeFailed
from tasks.suite_checks import Check
from tasks.suites import Suite, load_suite

LATER = "; it looks again after the next"
OFF = "a person decides here: `[rollback]` of the environment has no `automatic = true`"


def is_news(reason: str) -> bool:
    """Whether a person has to hear of it: not that one more failure is waited for, or that nothing may be done here."""
    return reason != OFF and not reason.endswith(LATER)


async def refusal(environment: str) -> str:
    """Why traffic stays where it is; '' if it is right to go back."""
    block = await load_environment(environment)
    if not block.rollback.automatic:
        return OFF
    rollout = Rollout(block, block.aws())
    try:
        with Store(rollout).connection() as connection:
            newest, moved = latest_release(connection, environment), latest_change(connection, environment)
        failed = await failures_in_a_row(environment, since=moved.finished_at if moved else None)
        return judged(block.rollback, newest, moved, failed, datetime.now(UTC)) or well_again(rollout, moved)
    except MiyabiError as error:
        return f"it cannot be seen whether going back is right: {error}"


def judged(rules: RollbackSettings, newest: Release | None, moved: Release | None, failed: int, now: datetime) -> str:
    """What the record says against it. `moved` is the last release that changed what can be put back."""
    if newest is None or moved is None:
        return "nothing was released that could be put back"
    if newest.status == "running":
        return f"release {newest.id} is running, and has its own way back"
    if moved.kind == "rollback" or moved.status == "rolled_back":
        return "the last change went back already: what fails now is another trouble"
    if moved.finished_at is None or now - moved.finished_at > timedelta(hours=rules.within_hours):
        return f"the last release ended more than {rules.within_hours:g} hours ago: it is not what broke this"
    if failed < rules.failures:
        return f"{failed} of {rules.failures} smoke tests in a row have failed since the last release{LATER}"
    return ""


def well_again(rollout: Rollout, moved: Release | None) -> str:
    """'' if the API fails when it is asked once more."""
    api, _ = inspect_api(rollout)
    try:
        smoke_api(rollout, api.url, quick_checks(rollout, moved.source if moved else None))
    except SmokeFailed:
        return ""
    return "the API answers well again"


def quick_checks(rollout: Rollout, source: str | None) -> Sequence[Check]:
    """Those of the released source; the health path if it is not to be had here."""
    try:
        return checks_for(rollout.environment, load_suite(parse_source(source or "", root=ROOT).folder))
    except MiyabiError:
        return checks_for(rollout.environment, Suite())
