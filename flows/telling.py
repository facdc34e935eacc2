"""What the end of a flow is told as: `miyabi.release.completed`, `miyabi.teardown.failed`, `miyabi.smoke.not-asked`.

A plan tells nothing, and neither does a run that was cancelled, or is no run of Prefect. Facts that a step adds to
`rollout.facts` go along.
"""

from collections.abc import Sequence

from prefect import runtime
from prefect.context import FlowRunContext

from blocks.environment import Environment
from tasks.changes import Rollout
from tasks.diagnosing.letter import letter, subject
from tasks.diagnosing.model import Diagnosis
from tasks.events import tell, words
from tasks.reports import in_run, masked
from tasks.smoke_answers import SmokeFailed

NAMES = {"smoke-test": "smoke", "diagnose": "mending"}
"""Of flows that are told under a shorter name."""
WORDS = {"not-asked": "could not ask"}


def tell_end(rollout: Rollout, failure: BaseException | None = None) -> None:
    """Tell that the flow has ended, and how."""
    if rollout.planning or not in_run() or not (failure is None or isinstance(failure, Exception)):
        return
    flow = str(runtime.flow_run.flow_name)
    verdict = verdict_of(flow, failure)
    where, changed = rollout.environment.name, "\n".join(map(str, rollout.changes))
    reason = masked(str(failure or "")) or changed
    tell(
        where,
        f"{NAMES.get(flow, flow)}.{verdict}",
        f"{flow} {where} {WORDS.get(verdict, verdict)}" + (f": {words(reason, 200)}" if reason else ""),
        reason or "nothing had to be changed",
        run=str(runtime.flow_run.name or ""),
        changes=len(rollout.changes),
        findings=len(rollout.findings),
        **rollout.facts,
    )


def verdict_of(flow: str, failure: BaseException | None) -> str:
    """How it ended. A smoke test that failed otherwise than by an answer has asked nothing."""
    if failure is None:
        return "completed"
    return "not-asked" if flow == "smoke-test" and not isinstance(failure, SmokeFailed) else "failed"


def tell_declined(environment: str, reason: str) -> None:
    """Tell that a rollback that an automation asked for was not made, and why."""
    if not in_run():
        return
    said = masked(reason)
    headline = f"no rollback in {environment}: {words(said, 200)}"
    text = f"Traffic stays where it is: {said}\nTo go back all the same: `miyabi rollback -e {environment}`"
    tell(environment, "rollback.declined", headline, text, reason=said)


def tell_diagnosis(found: Diagnosis, environment: Environment, checks: Sequence[str]) -> None:
    """Tell the conclusion (tasks/diagnosing/letter.py); `checks` were the reason to ask."""
    if not in_run():
        return
    tell(
        found.environment,
        "diagnosis.completed",
        subject(found, checks),
        letter(found, environment, checks, asked_by=asked_by()),
        cause=next((one.cause.key for one in found.having("certain", "likely")), ""),
        checks=list(checks),
        asked_by=asked_by(),
    )


def asked_by() -> str:
    """Who made this run: `automation`, or `person`."""
    context = FlowRunContext.get()
    creator = context.flow_run.created_by if context and context.flow_run else None
    return "automation" if creator and creator.type == "AUTOMATION" else "person"
