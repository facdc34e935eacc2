"""Roll back: put traffic to where it was before a release, the last one unless told otherwise. Run by hand.

Replays the release's undo log backwards: what was done and not undone, each guarded, so that a second run changes
nothing. The database is not touched: migrations go forward only. No approval is asked for: it goes back to a state that
was approved, and somebody is in a hurry.
"""

import logging
from typing import Annotated
from uuid import UUID

from prefect import flow
from pydantic import Field

from flows.opening import opened, run_name
from flows.parameters import EnvironmentName, PlanOnly, Shown
from flows.recording import UNDOERS
from tasks.undo import replay_undo

logger = logging.getLogger(__name__)

NOTHING = "stays where it is: there is nothing to put back, for the release moved none or was rolled back already"
ReleaseId = Annotated[
    str | None, Field(pattern=r"^[0-9a-f-]{36}$"), Shown("A release's id. Empty: the last release that moved traffic.")
]


@flow(name="rollback", flow_run_name=run_name)
async def rollback(
    environment: EnvironmentName = "local", release_id: ReleaseId = None, plan_only: PlanOnly = False
) -> None:
    """Put traffic back to where it was before a release."""
    async with opened(environment, plan_only=plan_only) as rollout:
        if not replay_undo(rollout, UNDOERS, release_id=UUID(release_id) if release_id else None):
            logger.info("traffic %s", NOTHING)
            rollout.find("traffic", NOTHING)
