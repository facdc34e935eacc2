"""What people are told of a diagnosis, on a phone: first what to do, then why, then what failed, then where to look."""

from collections.abc import Iterator, Sequence

from blocks.commands import log_place
from blocks.environment import Environment
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.judging import well
from tasks.diagnosing.model import Diagnosis, Judged
from tasks.diagnosing.page import fix_line, fixes_of
from tasks.events import words
from tasks.reports import masked

SHOWN = 3
"""Remedies, causes and checks that are told; the page has all."""
LONGEST = 200
"""Characters of a subject, and of the reason of a cause."""
PASSED = "- nothing now: the trouble has passed, or shows only where the smoke test asks and a diagnosis does not"


def verdict_of(found: Diagnosis, checks: Sequence[str]) -> str:
    """The verdict in a sentence. After a failing smoke test it says first that the trouble is gone, if it is."""
    if not (checks and is_well(found)):
        return found.headline
    seen, sure = found.facts.answer or found.facts.invoked, found.having("certain", "likely")
    return f"it answers well now: {seen.says}" + (f"; besides: {sure[0].cause.title}" if sure else "")


def subject(found: Diagnosis, checks: Sequence[str]) -> str:
    return masked(words(f"diagnose {found.environment}: {verdict_of(found, checks)}", LONGEST))


def letter(found: Diagnosis, environment: Environment, checks: Sequence[str], *, asked_by: str) -> str:
    """All of it, as text."""
    sure = found.having("certain") or found.having("likely")
    lines = [
        "What to do:",
        *(([PASSED] if checks else ["- nothing"]) if is_well(found) else []),
        *remedies(found, sure, environment),
        *(f"Why, {one.verdict}: {reason(one)}" for one in sure[:SHOWN]),
        *([f"Failed: {some(checks, '; ')}"] if checks else []),
        *([f"By itself: {next_step(environment)}"] if asked_by == "automation" else []),
        f"Logs: {log_place(environment)}",
    ]
    return masked("\n".join(lines))


def remedies(found: Diagnosis, sure: Sequence[Judged], environment: Environment) -> Iterator[str]:
    fixes = list(dict.fromkeys(fix_line(fix, found, environment) for one in sure for fix in fixes_of(one)))
    yield from fixes[:SHOWN]
    if not fixes and not is_well(found):
        yield "- look at the run: it says what was looked at, and what could not be"
        if possible := [one.cause.title for one in found.having("possible")]:
            yield f"- no cause is certain; possible: {some(possible, '; ')}"


def is_well(found: Diagnosis) -> bool:
    return isinstance(found.facts, Facts) and bool(well(found.facts))


def reason(one: Judged) -> str:
    return words(": ".join([one.cause.title, *one.judgement.evidence[:1]]), LONGEST)


def next_step(environment: Environment) -> str:
    """What follows without hands."""
    if environment.rollback.automatic:
        return "a rollback looks whether going back is right, and says what it does"
    command = f"miyabi rollback -e {environment.name}"
    return f"nothing; a person decides, and `{command}` goes back to before the last release"


def some(names: Sequence[str], between: str) -> str:
    """The first, and how many more: `a; b; c and 12 more`."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more
