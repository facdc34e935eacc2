"""Roll back: traffic and site go to where they were before the last release, or to what any earlier one made.

Without a release the undo log of the last one that moved something and did not take it back itself is replayed
backwards: what was done and not undone, each guarded, so that a second run changes nothing, and names what there is to
go to. With one, they go to that release's version and files, in seconds, and this is a release of its own: `rollback`
without a release undoes it again. The database is not touched: migrations go forward only. No approval is asked for: it
goes back to a state that was approved, and somebody is in a hurry. An automation asks with `only_if_failing`, and then
it is done only if it is right (flows/rollback_guard.py).
"""

import logging
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.opening import opened, run_name
from flows.parameters import EnvironmentName, PlanOnly, Shown
from flows.recording import UNDOERS, going_back
from flows.rollback_guard import is_news, refusal
from flows.telling import tell_declined
from tasks.aliases import shift_traffic
from tasks.provisioned import ensure_provisioned, settle_provisioned
from tasks.returning import candidates, find_release
from tasks.sites.publishing import return_site
from tasks.undo import replay_undo

logger = logging.getLogger(__name__)

NOTHING = (
    "stays where it is: there is nothing to put back, for the last release that moved any was the first, "
    "or was rolled back already"
)
ReleaseId = Annotated[
    str | None,
    Field(pattern=r"^(previous|[1-9][0-9]{0,6}|[0-9a-f]{8}[0-9a-f-]{0,28})$"),
    Shown(
        "Which release to go back to: its id or the beginning of it, its version's number, or `previous`."
        " Empty: to before the last release that moved traffic."
    ),
]


OnlyIfFailing = Annotated[
    bool, Shown("Only where that is allowed without a person, after smoke tests that failed since the last release.")
]


@flow(name="rollback", flow_run_name=run_name)
async def rollback(
    environment: EnvironmentName = "local",
    release_id: ReleaseId = None,
    plan_only: PlanOnly = False,
    only_if_failing: OnlyIfFailing = False,
) -> State[None]:
    """Put traffic back to where it was before the last release, or to what an earlier one made."""
    if only_if_failing and (reason := await refusal(environment)):
        logger.info("traffic stays where it is: %s", reason)
        if is_news(reason):
            tell_declined(environment, reason)
        return Completed(name="NotDone", message=f"traffic stays where it is: {reason}")
    async with opened(environment, plan_only=plan_only) as rollout:
        if release_id:
            target = find_release(rollout, release_id)
            with going_back(rollout, target) as record:
                shift_traffic(rollout, target.version, undoable=record.undoable)
                ensure_provisioned(rollout, target.version, undoable=record.undoable)
                settle_provisioned(rollout, target.version, undoable=record.undoable)
                return_site(rollout, target.site_manifest, undoable=record.undoable)
        elif not replay_undo(rollout, UNDOERS):
            rollout.find("traffic", NOTHING)
            return Completed(name="NotDone", message=f"traffic {NOTHING}. To go further back, {candidates(rollout)}")
    return Completed()
