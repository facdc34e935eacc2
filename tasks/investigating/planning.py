"""What is left to do, by phases, against the issue's own estimate; and how complete each component is.

Hours are those of the problems. A phase of the issue without a problem is done. The last phase, validation, is as long
as it always is. Completeness is counted: each check that could be answered is one point, half for `partly`.
"""

from collections.abc import Sequence

from database.investigation_models import Component, Finding, Phase, Problem
from tasks.investigating.checks import CHECKS, NAMES
from tasks.investigating.claims import Estimate

TITLES = {0: "Infrastructure and configuration", 1: "Database", 2: "Backend", 3: "Frontend", 4: "Validation"}
VALIDATION = (4.0, 6.0)
VALIDATION_STEPS = ["smoke-test every route, with and without a token", "a load test", "write down what was found"]
POINTS = {"working": 1.0, "ready": 1.0, "partly": 0.5, "absent": 0.0}
RATE = (75, 75)
"""Dollars an hour: the mission's $1,500-2,250 for 20-30 hours."""


def phases_of(findings: Sequence[Finding], estimates: Sequence[Estimate]) -> list[Phase]:
    """Phases in order; the issue's title and hours stand beside what is left of each."""
    known = {one.number: one for one in estimates}
    found = []
    for number in sorted({*TITLES, *known}):
        problems = [problem for one in findings if NAMES[one.check].phase == number for problem in one.problems]
        hours, steps = total(problems), [f"{problem.title}: {problem.fix[0]}" for problem in problems]
        if number == max(TITLES):
            hours, steps = VALIDATION, VALIDATION_STEPS
        estimate = known.get(number)
        title = estimate.title if estimate and estimate.title else TITLES.get(number, "")
        done = [f"{one.title}: {one.says}" for one in findings if is_done(one, number)]
        found.append(
            Phase(title=f"Phase {number}: {title}", hours=hours, estimated=estimate and estimate.hours, steps=steps,
                  done=done)
        )  # fmt: skip
    return found


def is_done(finding: Finding, phase: int) -> bool:
    return NAMES[finding.check].phase == phase and finding.standing in ("working", "ready")


def total(problems: Sequence[Problem]) -> tuple[float, float]:
    return sum(one.hours[0] for one in problems), sum(one.hours[1] for one in problems)


def components_of(findings: Sequence[Finding]) -> list[Component]:
    names = list(dict.fromkeys(check.component for check in CHECKS))
    return [component(name, [one for one in findings if one.component == name]) for name in names]


def component(name: str, findings: Sequence[Finding]) -> Component:
    answered = [one for one in findings if one.standing in POINTS]
    points = sum(POINTS[one.standing] for one in answered)
    passed_over = ", ".join(one.check for one in findings if one.standing not in POINTS)
    counted = f"{points:g} of {len(answered)} checks" + (f"; not counted: {passed_over}" if passed_over else "")
    return Component(name=name, percent=round(100 * points / len(answered)) if answered else None, counted=counted)
