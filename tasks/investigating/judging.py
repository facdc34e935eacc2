"""Claims against findings: what the issue says, what is, and which of the two words follows from that."""

from collections.abc import Callable, Mapping

from database.investigation_models import Evidence, Finding, JudgedClaim, Standing, Verdict
from tasks.investigating.checks import CHECKS, Check, check_for
from tasks.investigating.claims import Asserts, Claim
from tasks.investigating.looking import MOST_EVIDENCE, Looked, Seen
from tasks.investigating.model import Facts

Quote = Callable[[Seen], Evidence]
VERDICTS: Mapping[tuple[Asserts, Standing], Verdict] = {
    ("bad", "absent"): "confirmed",
    ("bad", "partly"): "partly",
    ("bad", "ready"): "outdated",
    ("bad", "working"): "outdated",
    ("good", "absent"): "outdated",
    ("good", "partly"): "partly",
    ("good", "ready"): "confirmed",
    ("good", "working"): "confirmed",
    ("partly", "absent"): "outdated",
    ("partly", "partly"): "confirmed",
    ("partly", "ready"): "outdated",
    ("partly", "working"): "outdated",
    ("unknown", "absent"): "outdated",
    ("unknown", "partly"): "outdated",
    ("unknown", "ready"): "outdated",
    ("unknown", "working"): "outdated",
}
"""Whom nobody knew anything about is outdated as soon as somebody does. What is not here is `unknown`."""


def find_all(facts: Facts, quote: Quote) -> list[Finding]:
    """Every check's answer, in the order of the list."""
    return [finding_of(check, check.look(facts, None), quote) for check in CHECKS]


def finding_of(check: Check, looked: Looked, quote: Quote) -> Finding:
    return Finding(
        check=check.name,
        title=check.title,
        component=check.component,
        standing=looked.standing,
        says=looked.says,
        evidence=quoted(looked, quote),
        problems=list(looked.problems),
    )


def judge(claim: Claim, facts: Facts, source: str, quote: Quote) -> JudgedClaim:
    """One claim: the check that it is about is asked with it."""
    check, place = check_for(claim), f"{source}:{claim.line}"
    if check is None:
        return JudgedClaim(
            subject=claim.subject,
            claimed=claim.text,
            place=place,
            verdict="unknown",
            check=None,
            actual="was not looked at",
            why=f"no check is about this; there are {', '.join(one.name for one in CHECKS)}",
        )
    looked = check.look(facts, claim)
    verdict = VERDICTS.get((claim.asserts, looked.standing), "unknown")
    why = (
        looked.says
        if verdict == "unknown"
        else f"the issue says {WORDS[claim.asserts]}; {check.name} finds: {looked.says}"
    )
    return JudgedClaim(
        subject=claim.subject,
        claimed=claim.text,
        place=place,
        verdict=verdict,
        check=check.name,
        actual=looked.says,
        why=why,
        evidence=quoted(looked, quote),
    )


def quoted(looked: Looked, quote: Quote) -> list[Evidence]:
    return [quote(seen) for seen in looked.seen[:MOST_EVIDENCE]]


WORDS: Mapping[Asserts, str] = {
    "bad": "that it is not there or does not work",
    "good": "that it is there",
    "partly": "that it is there in part",
    "unknown": "that nobody knows",
}
