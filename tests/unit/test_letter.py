"""What people are told of a diagnosis: the remedy first, then the cause, then what failed, in whole words."""

from dataclasses import dataclass
from typing import Any, cast

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.letter import LONGEST, letter, subject, verdict_of
from tasks.diagnosing.model import Cause, Diagnosis, Fix, Judged, certain, possible
from tests.support import make_environment

CHECKS = [f"GET /{number}" for number in range(15)]
FIX = Fix("give it the right", "miyabi diagnose --fix -e {environment}", "permission")


def judged(title: str, evidence: str, *fixes: Fix) -> Judged:
    return Judged(Cause(title, title, lambda _: possible()), certain(evidence, fixes=fixes))


def diagnosis(
    *causes: Judged, headline: str = "It may not be invoked: nothing lets it", facts: Any = None
) -> Diagnosis:
    return Diagnosis("production", "what is deployed", headline, causes, (), facts)


def lines(found: Diagnosis, *, asked_by: str = "automation") -> list[str]:
    environment = make_environment(name="production")
    return letter(found, environment, CHECKS, asked_by=asked_by).splitlines()


def test_the_remedy_comes_first_and_the_rest_in_the_order_in_which_it_is_needed() -> None:
    found = diagnosis(judged("It may not be invoked", "nothing lets it", FIX), judged("It is slow", "9 s"))
    assert lines(found) == [
        "What to do:",
        "- give it the right: `miyabi diagnose --fix -e production`",
        "Why, certain: It may not be invoked: nothing lets it",
        "Why, certain: It is slow: 9 s",
        "Failed: GET /0; GET /1; GET /2 and 12 more",
        "By itself: nothing; a person decides, "
        "and `miyabi rollback -e production` goes back to before the last release",
        "Logs: https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fmiyabi-api-production",
    ]
    assert not [line for line in lines(found, asked_by="person") if line.startswith("By itself")]


def test_nothing_is_cut_within_a_word() -> None:
    words = "un-believably " * 40
    found = diagnosis(judged("It fails", words, FIX), headline=words)
    for text in (subject(found, CHECKS), lines(found)[2].removeprefix("Why, certain: ")):
        assert len(text) <= LONGEST
        assert text.endswith(" un-believably …")


@dataclass
class Answer:
    well: bool = True
    status: int = 200
    says: str = "GET /api/v1/health answers 200"


def test_a_trouble_that_has_passed_is_told_as_that() -> None:
    facts = Facts(answer=cast(Any, Answer()))
    found = diagnosis(headline="Nothing is wrong: GET /api/v1/health answers 200", facts=facts)
    assert verdict_of(found, CHECKS) == "it answers well now: GET /api/v1/health answers 200"
    assert verdict_of(found, []) == found.headline
    assert lines(found)[1].startswith("- nothing now: the trouble has passed")


def test_without_a_certain_cause_the_possible_ones_are_named() -> None:
    maybe = Judged(Cause("x", "It is tired", lambda _: possible()), possible("it yawns"))
    assert "- no cause is certain; possible: It is tired" in lines(diagnosis(maybe))
