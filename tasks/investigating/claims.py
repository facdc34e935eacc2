"""What an issue says of the present state: the rows of its tables and the points of its lists, each as a claim.

A claim has a subject, a sentence, and what that asserts: that something is there (`good`), is not (`bad`), is so in
part, or that nobody knows. Points that assert nothing are no claims, and are counted, so that a reader knows; what
stands under a plan, in a block of code or in a comment is none either. Hours that a plan names are its estimate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Asserts = Literal["good", "bad", "partly", "unknown"]
BAD = re.compile(
    r"❌|🔴|🚫|✗|✘|☒|^×$|^no\b|\b(disabled|commented[- ]out|not (implemented|deployed|provisioned|configured|working"
    r"|there|set|enabled|applied|mounted|possible|ready|running|yet|created|connected|found|validated|checked|verified)"
    r"|missing|broken|hard[- ]?coded|localhost|do(es)?(n't| not) (exist|work|run|apply|build|compile|start|pass)"
    r"|can ?(not|'t)|fails?|failing|crash(es|ing)?|returns? (an? )?(http )?[45]\d\d|absent|unavailable|lacks?"
    r"|incomplete|outdated|turned off|no longer|(there (is|are)|has|have) no)\b"
    r"|無効|未実装|未設定|未作成|コメントアウト|壊れ|存在しない|ていない|できない|ありません|動かない|失敗|エラー",
    re.IGNORECASE,
)
PARTLY = re.compile(r"🟡|⚠|^△$|\b(partly|partially|in part|half|some of)\b|一部", re.IGNORECASE)
UNKNOWN = re.compile(r"❓|❔|\b(unknown|unclear|not known|unverified|to be checked)\b|不明", re.IGNORECASE)
GOOD = re.compile(
    r"✅|🟢|✓|✔|☑|^[○◯]$|\b(enabled|implemented|works?|working|exists?|present|ready|deployed|complete|done|available"
    r"|builds?|passes|configured|provisioned|running|mounted|there (is|are))\b"
    r"|実装済|設定済|作成済|有効|動作|存在する|完了",
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
CLAIMED = re.compile(r"claim|state|status|problem|current|observed|actual|現状|現在|状態|問題", re.IGNORECASE)
WISHED = re.compile(r"expected|desired|target|wanted|goal|should|期待|目標", re.IGNORECASE)
"""The head of a column that says how it ought to be."""
ASKED = re.compile(r"\b(ok|done|there|finished)\b|完了", re.IGNORECASE)
"""The head of a column that yes and no answer, besides those that assert something themselves."""
NUMBERED = re.compile(r"#|no\.?|nr\.?|id|番号", re.IGNORECASE)
SILENT = re.compile(r"^(```|~~~).*?(?:^\1|\Z)|<!--.*?-->", re.MULTILINE | re.DOTALL)
"""Blocks of code and comments."""
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


@dataclass(frozen=True)
class Passed:
    """A row or point that asserts nothing that can be told."""

    text: str
    line: int


def claims_in(body: str) -> list[Claim]:
    """All claims of an issue, in its order."""
    return [one for one in told_in(body) if isinstance(one, Claim)][:MOST]


def passed_over(body: str) -> list[Passed]:
    """What stands among an issue's claims and is none."""
    return [one for one in told_in(body) if isinstance(one, Passed)]


def told_in(body: str) -> list[Claim | Passed]:
    """Every row and point where an issue tells how things stand."""
    found: list[Claim | Passed] = []
    heading, head = "", None
    shown = SILENT.sub(lambda block: "\n" * block[0].count("\n"), body)
    for number, line in enumerate(shown.split("\n"), 1):
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
    return found


def tells(heading: str) -> bool:
    """False for what stands under a plan, a list of tasks and the like."""
    return not NO_CLAIMS.search(heading) or bool(CLAIMED.search(heading))


def claim_of_row(head: list[str], cells: list[str], line: int) -> Iterator[Claim | Passed]:
    """The first cell is what it is about; the claim stands under a head such as “state”, or beside."""
    if NUMBERED.fullmatch(head[0]):
        head, cells = head[1:], cells[1:]
    if len(cells) < 2 or not cells[0] or HOURS.search(" ".join(cells[1:])):
        return
    column = min(column_of(head), len(cells) - 1)
    said = cells[column]
    if asserts := answered(head[column] if column < len(head) else "", said) or asserted(said):
        yield Claim(cells[0], said, asserts, line)
    else:
        yield Passed(f"{cells[0]}: {said}", line)


def column_of(head: list[str]) -> int:
    """The column that says how things stand; not the one that says how they ought to."""
    here = [at for at, name in enumerate(head) if at and not WISHED.search(name)]
    return next((at for at in here if CLAIMED.search(head[at])), here[0] if here else 1)


def answered(head: str, said: str) -> Asserts | None:
    """Yes and no, to what the column's head asks."""
    if said.lower() not in ("yes", "no") or not (asks := "good" if ASKED.search(head) else asserted(head)):
        return None
    return "good" if (said.lower() == "yes") == (asks == "good") else "bad"


def claim_of_point(point: str, line: int) -> Iterator[Claim | Passed]:
    """`**Subject**: sentence`; a sentence without a subject is its own."""
    subject, colon, said = plain(point).partition(": ")
    if asserts := asserted(said if colon else subject):
        yield Claim(subject, said if colon else subject, asserts, line)
    else:
        yield Passed(plain(point), line)


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
