"""What a check answers, and how its evidence is written down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from database.investigation_models import Finding, Problem, Standing
from tasks.investigating.model import Place

MOST_EVIDENCE = 50
"""Of one finding: the result is a row in Postgres."""
SHOWN = 12
"""Places that one piece of evidence names."""


@dataclass(frozen=True)
class Seen:
    """Evidence before its lines are read."""

    place: Place | None
    says: str
    output: str = ""
    """What a command printed, where that is the evidence."""


@dataclass(frozen=True)
class Looked:
    """The answer of a check: how things stand, in a sentence, with evidence. For `unknown` the sentence says why."""

    standing: Standing
    says: str
    seen: Sequence[Seen] = ()
    problems: Sequence[Problem] = ()


def spans(places: Sequence[Place]) -> list[Place]:
    """Places of each file as one, from the first line to the last, if they lie together; the order is kept."""
    found: list[Place] = []
    for place in sorted(places, key=lambda place: (place.file, place.first)):
        if found and found[-1].file == place.file and place.first - found[-1].last <= 4:
            found[-1] = Place(place.file, found[-1].first, max(found[-1].last, place.last))
        else:
            found.append(place)
    return found


def listed(words: Sequence[str], most: int = SHOWN) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def together(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Titles and what is said of them; those of which the same is said are one."""
    said: dict[str, list[str]] = {}
    for one in findings:
        said.setdefault(one.says, []).append(one.title)
    return [(", ".join(titles), says) for says, titles in said.items()]
