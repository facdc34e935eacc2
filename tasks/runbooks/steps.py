"""A runbook as a step: put its questions, judge its causes, say the verdict."""

import logging
from collections.abc import Sequence

from tasks.diagnosing.looking import Look, Probing, probe_all
from tasks.diagnosing.model import Diagnosis, Judged, Probed
from tasks.diagnosing.ranking import headline, judge_all
from tasks.diagnosing.steps import LEVELS
from tasks.runbooks.facts import RunbookFacts
from tasks.runbooks.known import causes_of, probes_of
from tasks.runbooks.runbooks import Runbook
from tasks.steps import step

logger = logging.getLogger(__name__)


@step("Follow the runbook", retries=0)
def follow(runbook: Runbook, look: Look) -> Diagnosis:
    """What it comes to; it never fails for what it finds, or cannot find out."""
    begun = look.clock()
    probing = probe_all(look, probes_of(runbook), RunbookFacts())
    for one in probing.probed:
        logger.info("%s: %s", one.name, one.says)
    found = concluded(runbook, look, probing, look.clock() - begun)
    for cause in found.having("certain", "likely", "possible"):
        logger.log(LEVELS[cause.verdict], "%s: %s", cause.verdict, cause.cause.title)
    return found


def concluded(runbook: Runbook, look: Look, probing: Probing, seconds: float) -> Diagnosis:
    judged = judge_all(causes_of(runbook), probing.facts)
    about = look.target or f"what is in {look.rollout.environment.name}"
    return Diagnosis(
        environment=look.rollout.environment.name,
        target=f"{about}, by the runbook {runbook.name}: {runbook.symptom}",
        headline=verdict(judged, probing),
        judged=judged,
        probed=probing.probed,
        facts=probing.facts,
        seconds=seconds,
    )


def verdict(judged: Sequence[Judged], probing: Probing) -> str:
    """In one sentence; where nothing was found, what was looked at."""
    answer = probing.facts.answer
    if any(one.verdict in ("certain", "likely") for one in judged) or (answer is not None and answer.well):
        return headline(probing.facts, judged)
    if possible := [one for one in judged if one.verdict == "possible"]:
        return f"Nothing of the kind is certain; possible: {possible[0].cause.title}"
    if unknown := [one for one in probing.probed if one.standing == "unknown"]:
        return f"It could not be told: {unknown[0].says}"
    seen = [one for one in probing.probed if one.standing in ("well", "odd")]
    return f"Nothing of the kind: {said(seen[-2:])}" if seen else said(probing.probed[:1])


def said(probed: Sequence[Probed]) -> str:
    return "; ".join(one.says for one in probed)
