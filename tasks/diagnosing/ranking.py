"""Which cause comes first: the surest; of these one that breaks requests; of these the one nearest to the caller."""

from collections.abc import Sequence
from dataclasses import replace

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.judging import RELEASE, well
from tasks.diagnosing.model import ORDER, Cause, Hinders, Judged, Judgement

WEIGHT: dict[Hinders, int] = {"requests": 0, "releases": 1, "logs": 2, "speed": 3}


def judge_all(causes: Sequence[Cause], facts: Facts) -> list[Judged]:
    """Every cause, judged and ranked. One that a certain one explains is only possible: it may go with it."""
    first = [Judged(cause, cause.judge(facts)) for cause in causes]
    sure = {one.cause.key for one in first if one.verdict == "certain"}
    settled = [replace(one, judgement=explained(one, sure, causes)) for one in first]
    if facts.subject is not None and not facts.subject.ours:
        settled = [replace(one, judgement=unmendable(one.judgement)) for one in settled]
    return sorted(settled, key=rank)  # stable: the order of the list is the order of the way


def unmendable(judgement: Judgement) -> Judgement:
    """What is another's is not ours to mend: its fixes are said, and not done."""
    fixes = [replace(fix, safe="", command="") if fix.safe or fix == RELEASE else fix for fix in judgement.fixes]
    return replace(judgement, fixes=tuple(dict.fromkeys(fixes)))


def explained(one: Judged, sure: set[str], causes: Sequence[Cause]) -> Judgement:
    by = [key for key in one.cause.follows if key in sure]
    if not by or one.verdict not in ("certain", "likely"):
        return one.judgement
    titles = {cause.key: cause.title for cause in causes}
    against = (*one.judgement.against, f"it may come of this: {titles[by[0]]}")
    return replace(one.judgement, verdict="possible", against=against)


def rank(one: Judged) -> tuple[int, int]:
    return ORDER.index(one.verdict), WEIGHT[one.cause.hinders]


def headline(facts: Facts, judged: Sequence[Judged]) -> str:
    """The verdict in one sentence."""
    sure = [one for one in judged if one.verdict == "certain"]
    if sure:
        more = f" (and {len(sure) - 1} more)" if len(sure) > 1 else ""
        return f"{sure[0].cause.title}: {sure[0].judgement.evidence[0]}{more}"
    probable = [one for one in judged if one.verdict == "likely"]
    if probable:
        return f"Probably: {probable[0].cause.title}: {probable[0].judgement.evidence[0]}"
    if well(facts):
        answer = facts.answer.says if facts.answer else facts.invoked.says if facts.invoked else ""
        return f"Nothing is wrong: {answer}"
    asked = [one for one in judged if one.verdict == "possible"]
    if asked:
        return f"No cause is certain; possible: {asked[0].cause.title}"
    if why := facts.why_not.get("subject"):
        return f"Nothing could be looked at: {why}"
    return f"No cause was found{'; much could not be asked' if unasked(judged) else ''}"


def unasked(judged: Sequence[Judged]) -> bool:
    return any(one.verdict == "unknown" for one in judged)
