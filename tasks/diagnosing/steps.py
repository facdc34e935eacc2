"""The diagnosis as a step: put every question, judge every cause, say the verdict."""

import logging

from tasks.diagnosing.causes import CAUSES
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look, Probing, probe_all
from tasks.diagnosing.model import Diagnosis
from tasks.diagnosing.probes import PROBES
from tasks.diagnosing.ranking import headline, judge_all
from tasks.steps import step

logger = logging.getLogger(__name__)
LEVELS = {"certain": logging.WARNING, "likely": logging.WARNING, "possible": logging.INFO}


@step("Find the cause", retries=0)
def examine(look: Look) -> Diagnosis:
    """The diagnosis of `look.target`; it never fails for what it finds, or cannot find out."""
    begun = look.clock()
    probing = probe_all(look, PROBES)
    found = diagnosed(look, probing, look.clock() - begun)
    for one in found.having("certain", "likely", "possible"):
        logger.log(LEVELS[one.verdict], "%s: %s", one.verdict, one.cause.title)
    logger.info("%s", found.headline)
    return found


def diagnosed(look: Look, probing: Probing, seconds: float) -> Diagnosis:
    facts: Facts = probing.facts
    judged = judge_all(CAUSES, facts)
    target = facts.subject.says if facts.subject else look.target or "what is deployed"
    return Diagnosis(
        environment=look.rollout.environment.name,
        target=target,
        headline=headline(facts, judged),
        judged=judged,
        probed=probing.probed,
        facts=facts,
        seconds=seconds,
        asked=look.target,
    )
