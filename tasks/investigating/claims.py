"""What an issue says of the present state: the rows of its tables and the points of its lists, each as a claim.

A claim has a subject, a sentence, and what that asserts: that something is there (`good`), is not (`bad`), is so in
part, or that nobody knows. Points that assert nothing (plans, tasks) are no claims. Hours that a plan names are its
estimate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Asserts = Literal["good", "bad", "partly", "unknown"]
BAD = re.compile(
    r"❌|🔴|🚫|\b(disabled|commented[- ]out|not (implemented|deployed|provisioned|configured|working|there|set|enabled|"
    r"applied|mounted|possible|ready|running|yet)|missing|broken|hard[- ]?coded|localhost|does(n't| not) (exist|work)|"
    r"fails?|failing|absent|unavailable|lacks?|incomplete|outdated|turned off|no longer|(there is|has|have) no)\b"
    r"|無効|未実装|未設定|コメントアウト|壊れ|存在しない",
    re.IGNORECASE,
)
PARTLY = re.compile(r"🟡|⚠|\b(partly|partially|in part|half|some of)\b|一部", re.IGNORECASE)
UNKNOWN = re.compile(r"❓|❔|\b(unknown|unclear|not known|unverified|to be checked)\b|不明", re.IGNORECASE)
GOOD = re.compile(
    r"✅|🟢|\b(enabled|implemented|works?|working|exists?|present|ready|deployed|complete|done|available|builds?|"
    r"passes|configured|provisioned|running|mounted)\b|実装済|有効|動作",
    re.IGNORECASE,
)
ROW = re.compile(r"^\s*\|(.+)\|\s*$")
RULE = re.compile(r"^[\s|:-]+$")
POINT = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?(.+)$")
HEADING = re.compile(r"^#{1,6}\s+(.+)$")
NO_CLAIMS = re.compile(
    r"plan|phase|tasks?\b|todo|steps?\b|acceptance|estimate|timeline|cost|reference|proposal|fix|計画|作業",
    re.IGNORECASE,
)
CLAIMED = re.compile(r"claim|state|status|problem|current|現状|状態|問題", re.IGNORECASE)
HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-|–|~|to)?\s*(\d+(?:\.\d+)?)?\s*(?:h\b|hours?\b|時間)", re.IGNORECASE)
PHASE = re.compile(r"\bPhase\s+(\d+)\b[:.\s—-]*([^(|\n*]*)", re.IGNORECASE)
MOST = 200


@dataclass(frozen=True)
class Claim:
    """`line` is of the issue's text."""

    subject: str
    text: str
    asserts: Asserts
    line: int


def claims_in(body: str) -> list[Claim]:
    """All claims of an issue, in its order."""
    found: list[Claim] = []
    heading, head = "", None
    for number, line in enumerate(body.splitlines(), 1):
        if title := HEADING.match(line):
            heading, head = title[1], None
        elif row := ROW.match(line):
            cells = [plain(cell) for cell in row[1].split("|")]
            if head is None:
                head = cells
            elif not RULE.match(line) and tells(heading):
                found += claim_of_row(head, cells, number)
        else:
            head = None
            if (point := POINT.match(line)) and tells(heading):
                found += claim_of_point(point[1], number)
    return found[:MOST]


def tells(heading: str) -> bool:
    """False for what stands under a plan, a list of tasks and the like."""
    return not NO_CLAIMS.search(heading) or bool(CLAIMED.search(heading))


def claim_of_row(head: list[str], cells: list[str], line: int) -> Iterator[Claim]:
    """The first cell is what it is about; the claim stands under a head such as “state”, or beside."""
    if len(cells) < 2 or not cells[0] or HOURS.search(" ".join(cells[1:])):
        return
    column = next((at for at, name in enumerate(head) if at and CLAIMED.search(name)), 1)
    said = cells[min(column, len(cells) - 1)]
    if asserts := asserted(said):
        yield Claim(cells[0], said, asserts, line)


def claim_of_point(point: str, line: int) -> Iterator[Claim]:
    """`**Subject**: sentence`; a sentence without a subject is its own."""
    subject, colon, said = plain(point).partition(": ")
    if asserts := asserted(said if colon else subject):
        yield Claim(subject, said if colon else subject, asserts, line)


def asserted(said: str) -> Asserts | None:
    """What a sentence asserts. A mark goes before words, and “not implemented” before “implemented”."""
    for name, pattern in (("unknown", UNKNOWN), ("partly", PARTLY), ("bad", BAD), ("good", GOOD)):
        if pattern.search(said):
            return name  # type: ignore[return-value]
    return None


def plain(text: str) -> str:
    return re.sub(r"\*\*|__|`|<[^>]+>", "", text).strip()


@dataclass(frozen=True)
class Estimate:
    """Hours that the issue gives a phase."""

    number: int
    title: str
    hours: tuple[float, float]


def estimates_in(body: str) -> list[Estimate]:
    """`Phase 1: Database Foundation (60-80h)`, in a list, a table or a heading."""
    found: dict[int, Estimate] = {}
    for line in body.splitlines():
        phase, hours = PHASE.search(line), HOURS.search(line)
        if phase and hours and "→" not in line:
            least = float(hours[1])
            title = plain(phase[2]).strip(" :|-")
            found.setdefault(int(phase[1]), Estimate(int(phase[1]), title, (least, float(hours[2] or least))))
    return [found[number] for number in sorted(found)]
