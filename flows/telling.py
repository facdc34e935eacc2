"""What the end of a flow is told as: `miyabi.release.completed`, `miyabi.teardown.failed`, `miyabi.smoke.failed`.

A plan tells nothing, and neither does a run that was cancelled, or is no run of Prefect. Facts that a step adds to
`rollout.facts` go along.
"""

from collections.abc import Sequence
from textwrap import shorten

from prefect import runtime
from prefect.context import FlowRunContext

from tasks.changes import Rollout
from tasks.diagnosing.model import Diagnosis
from tasks.events import tell
from tasks.reports import in_run, masked

NAMES = {"smoke-test": "smoke", "diagnose": "mending"}
"""Of flows that are told under a shorter name."""


def tell_end(rollout: Rollout, failure: BaseException | None = None) -> None:
    """Tell that the flow has ended, and how."""
    if rollout.planning or not in_run() or not (failure is None or isinstance(failure, Exception)):
        return
    flow, verdict = str(runtime.flow_run.flow_name), "failed" if failure else "completed"
    where, changed = rollout.environment.name, "\n".join(map(str, rollout.changes))
    reason = masked(str(failure or "")) or changed
    tell(
        where,
        f"{NAMES.get(flow, flow)}.{verdict}",
        f"{flow} {where} {verdict}" + (f": {shorten(reason, 200, placeholder=' …')}" if reason else ""),
        reason or "nothing had to be changed",
        run=str(runtime.flow_run.name or ""),
        changes=len(rollout.changes),
        findings=len(rollout.findings),
        **rollout.facts,
    )


def tell_diagnosis(found: Diagnosis, checks: Sequence[str]) -> None:
    """Tell the conclusion, with the checks that were the reason to ask and the causes that are certain or likely."""
    if not in_run():
        return
    causes = [f"{one.verdict}: {one.cause.title}" for one in found.having("certain", "likely")]
    fixes = [fix.says for one in found.having("certain", "likely") for fix in one.judgement.fixes]
    asked = [f"failed: {check}" for check in checks]
    tell(
        found.environment,
        "diagnosis.completed",
        masked(f"diagnose {found.environment}: {found.headline}"),
        masked("\n".join([*asked, *causes, *(f"what to do: {fix}" for fix in fixes)])),
        cause=next((one.cause.key for one in found.having("certain", "likely")), ""),
        checks=list(checks),
        asked_by=asked_by(),
    )


def asked_by() -> str:
    """Who made this run: `automation`, or `person`."""
    context = FlowRunContext.get()
    creator = context.flow_run.created_by if context and context.flow_run else None
    return "automation" if creator and creator.type == "AUTOMATION" else "person"
