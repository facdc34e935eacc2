"""The points of an issue's text: of its checklists, or else its headings, each with what stands below it."""

import re
from dataclasses import dataclass, field

ITEM = re.compile(r"^([ \t]{0,40})(?:[-*+]|\d{1,4}[.)])[ \t]{1,8}\[([ xX])\][ \t]{1,8}(\S.{0,5000})$")
HEADING = re.compile(r"^(#{1,6})[ \t]{1,8}(\S.{0,500})$")
PHASE = re.compile(
    r"\b(?:phase|step|stage|week|month|sprint|day|milestone) {0,2}\d|(?:フェーズ|ステップ|段階|第) {0,2}\d"
    r"|^\W{0,9}(?:immediate|short|mid|medium|long)(?:[- ]?term)?\b|短期|中期|長期|即時",
    re.IGNORECASE,
)
TALK = re.compile(
    r"summary|overview|background|context|motivation|goals?|notes?|references?|acceptance|criteria|requirements?"
    r"|out of scope|概要|背景|目的|備考|参考|成功基準|受け入れ|要件",
    re.IGNORECASE,
)
"""Headings that say something about the work and are none."""


@dataclass
class Item:
    """A point of a checklist, or a heading, as it stands in the text. `parents` are places of the points above it."""

    text: str
    ticked: bool = False
    indent: int = 0
    phase: int | None = None
    parents: list[int] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    title: str = ""
    refs: list[str] = field(default_factory=list)
    issue: int | None = None


def checklist(body: str) -> list[Item]:
    """The points of the text's checklists, ticked ones too, with what stands below each."""
    items: list[Item] = []
    above: list[int] = []
    phases = Phases()
    for line in without_code(body):
        if heading := HEADING.match(line):
            phases.enter(len(heading[1]), heading[2])
            above = []
        elif found := ITEM.match(line):
            indent = len(found[1].expandtabs(4))
            above = [place for place in above if items[place].indent < indent]
            items.append(Item(found[3].strip(), found[2] != " ", indent, phases.now, list(above)))
            above.append(len(items) - 1)
        elif above and line[:1] in (" ", "\t") and line.strip():
            items[above[-1]].details.append(line.strip())
    return items


def headings(body: str) -> list[Item]:
    """Headings without headings below them, and the text below each. What only talks about the work is left out."""
    items: list[Item] = []
    found: list[tuple[int, Item]] = []
    phases = Phases()
    for line in without_code(body):
        if match := HEADING.match(line):
            phases.enter(len(match[1]), match[2])
            found.append((len(match[1]), Item(match[2].strip(), phase=phases.now)))
        elif found:
            found[-1][1].details.append(line)
    for place, (depth, item) in enumerate(found):
        last = place + 1 == len(found) or found[place + 1][0] <= depth
        if last and not TALK.search(item.text):
            items.append(item)
    return items


class Phases:
    """Which phase the text is in: counted from 0 in the order of their headings, None outside of them."""

    def __init__(self) -> None:
        self.now: int | None = None
        self._count = 0
        self._depth = 0

    def enter(self, depth: int, heading: str) -> None:
        if PHASE.search(heading):
            self.now, self._depth = self._count, depth
            self._count += 1
        elif depth <= self._depth:
            self.now = None


def without_code(body: str) -> list[str]:
    """The lines outside of code blocks."""
    lines, inside = [], False
    for line in body.splitlines():
        fence = line.lstrip().startswith(("```", "~~~"))
        inside ^= fence
        if not (inside or fence):
            lines.append(line)
    return lines
