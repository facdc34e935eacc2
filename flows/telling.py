"""What the end of a flow is told as: `miyabi.release.completed`, `miyabi.teardown.failed`, `miyabi.smoke.failed`.

A plan tells nothing, and neither does a run that was cancelled, or is no run of Prefect. Facts that a step adds to
`rollout.facts` go along.
"""

from textwrap import shorten

from prefect import runtime

from tasks.changes import Rollout
from tasks.events import tell
from tasks.reports import in_run, masked

NAMES = {"smoke-test": "smoke"}
"""Of flows that are told under a shorter name."""


def tell_end(rollout: Rollout, failure: BaseException | None = None) -> None:
    """Tell that the flow has ended, and how."""
    if rollout.planning or not in_run() or not (failure is None or isinstance(failure, Exception)):
        return
    flow, verdict = str(runtime.flow_run.flow_name), "failed" if failure else "completed"
    where, reason = rollout.environment.name, masked(str(failure or ""))
    tell(
        where,
        f"{NAMES.get(flow, flow)}.{verdict}",
        f"{flow} {where} {verdict}" + (f": {shorten(reason, 200, placeholder=' …')}" if reason else ""),
        reason or "\n".join(map(str, rollout.changes)) or "nothing had to be changed",
        run=str(runtime.flow_run.name or ""),
        changes=len(rollout.changes),
        findings=len(rollout.findings),
        **rollout.facts,
    )
