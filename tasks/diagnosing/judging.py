"""What the judgements of causes have in common: whether requests fail at all, and what cannot be judged."""

from collections.abc import Sequence

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.model import Fix, Judgement, certain, possible, unknown

RELEASE = Fix("release again: it puts everything where the environment wants it", "miyabi release -e {environment}")


def well(facts: Facts) -> str:
    """Why nothing can be broken on the way of this request; '' if something may be."""
    if facts.answer is not None and facts.answer.well:
        return f"yet the URL answers {facts.answer.status}"
    if facts.answer is None and facts.invoked is not None and facts.invoked.well:
        return f"yet the function answers {facts.invoked.status}"
    return ""


def breaking(facts: Facts, *evidence: str, fixes: Sequence[Fix] = ()) -> Judgement:
    """Certain, for something that must break requests; while they do well, it is only possible."""
    if against := well(facts):
        return possible(*evidence, against=(against,), fixes=fixes)
    return certain(*evidence, fixes=fixes)


def not_seen(facts: Facts, *names: str) -> Judgement:
    """The facts that this cause needs are not there."""
    return unknown(*(f"{facts.why_not[name]}" for name in names if name in facts.why_not))


def by_the_function(facts: Facts) -> str:
    """What the function says of a failure of its own: an error with the log's end, or a 5xx with its body."""
    seen = facts.invoked
    if seen is None or seen.well or seen.refused:
        return ""
    return seen.text if seen.error else f"{seen.body}\n{seen.text}"


def quoted(facts: Facts) -> str:
    """The failure in one line, as evidence."""
    seen = facts.invoked
    if seen is None:
        return ""
    if seen.refused:
        return f"a direct invocation is refused: {seen.refused}: {seen.refusal}"
    if seen.error:
        return f"invoked past the gateway, it fails: {seen.error}: {seen.message}"
    return f"invoked past the gateway, it answers {seen.status}{f': {seen.body}' if seen.body else ''}"
