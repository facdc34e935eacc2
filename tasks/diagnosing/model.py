"""What a diagnosis consists of: what the probes came to, how each cause was judged, and what would mend it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["certain", "likely", "possible", "unknown", "ruled out"]
Standing = Literal["well", "odd", "unknown", "skipped"]
Remedy = Literal["", "permission", "api", "alias", "variables", "role", "logs", "secrets"]
Hinders = Literal["requests", "releases", "logs", "speed"]

ORDER: tuple[Verdict, ...] = ("certain", "likely", "possible", "unknown", "ruled out")


class NothingToAsk(Exception):
    """This probe has nothing to look at here: the message says why."""


@dataclass(frozen=True)
class Probed:
    """What one probe came to."""

    name: str
    standing: Standing
    says: str
    ms: float = 0.0


@dataclass(frozen=True)
class Fix:
    """What to do. `safe` names one of the flow's remedies: `--fix` may do it."""

    says: str
    command: str = ""
    safe: Remedy = ""


@dataclass(frozen=True)
class Judgement:
    """What the facts say of one cause."""

    verdict: Verdict
    evidence: tuple[str, ...] = ()
    """That speaks for it."""
    against: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class Cause:
    """One cause of the closed list."""

    key: str
    title: str
    judge: Callable[[Any], Judgement]
    row: int = 0
    """Of the table of reference/aws.md §8; 0 for what is not in it."""
    hinders: Hinders = "requests"
    follows: tuple[str, ...] = ()
    """Causes that explain this one: while one of them is certain, this is what comes of it."""


@dataclass(frozen=True)
class Judged:
    """A cause with its judgement."""

    cause: Cause
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


@dataclass(frozen=True)
class Diagnosis:
    """All of it. Nothing in it is secret."""

    environment: str
    target: str
    """In words."""
    headline: str
    judged: Sequence[Judged]
    """The worst first."""
    probed: Sequence[Probed]
    facts: Any = field(repr=False, default=None)
    seconds: float = 0.0
    mended: tuple[str, ...] = ()
    """What was done before this was looked at: the cause that it was for, and each change."""
    asked: str = ""
    """The target as it was given; '' for what is deployed."""

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The safe fixes of what is certain or likely, each once, in the order of the causes."""
        fixes = [fix.safe for one in self.having("certain", "likely") for fix in one.judgement.fixes]
        return tuple(dict.fromkeys(fix for fix in fixes if fix))

    def having(self, *verdicts: Verdict) -> list[Judged]:
        return [one for one in self.judged if one.verdict in verdicts]


def certain(*evidence: str, fixes: Sequence[Fix] = ()) -> Judgement:
    return Judgement("certain", evidence, (), tuple(fixes))


def likely(*evidence: str, against: Sequence[str] = (), fixes: Sequence[Fix] = ()) -> Judgement:
    return Judgement("likely", evidence, tuple(against), tuple(fixes))


def possible(*evidence: str, against: Sequence[str] = (), fixes: Sequence[Fix] = ()) -> Judgement:
    return Judgement("possible", evidence, tuple(against), tuple(fixes))


def unknown(*why: str) -> Judgement:
    return Judgement("unknown", (), why)


def ruled_out(*against: str) -> Judgement:
    return Judgement("ruled out", (), against)
