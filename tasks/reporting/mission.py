"""The mission's own cost tables beside the arithmetic: which lines agree, which do not, and why.

mission.toml holds what they say; the price book says what it comes to. Half a cent apart is agreement, 5 % is nearly.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tasks.reporting.prices import Book
from tasks.reporting.wording import dollars, number

TABLES = Path(__file__).parent / "mission.toml"
NEARLY = Decimal("0.05")
Verdict = Literal["agrees", "nearly", "differs", "cannot be priced"]


@dataclass(frozen=True)
class Judged:
    """A line of a table: what it says, and what it comes to."""

    item: str
    configuration: str
    said: Decimal
    amount: Decimal | None
    """None where nothing is said that could be priced."""
    how: str
    verdict: Verdict
    why: str
    outside: bool
    """Not part of the table's total."""

    def row(self) -> dict[str, str]:
        return {
            "line": self.item,
            "for": self.configuration,
            "the mission says": dollars(self.said),
            "by the prices": "?" if self.amount is None else dollars(self.amount),
            "how": self.how,
            "verdict": self.verdict,
            "why": self.why,
        }


@dataclass(frozen=True)
class JudgedTable:
    name: str
    lines: Sequence[Judged]
    total: Decimal | None
    """As the mission says it."""
    notes: Sequence[str]

    @property
    def summed(self) -> Decimal:
        """The mission's own figures, added up."""
        return sum((line.said for line in self.lines if not line.outside), Decimal(0))

    @property
    def amount(self) -> Decimal:
        """What the lines come to; one that cannot be priced counts as the mission says."""
        return sum((line.said if line.amount is None else line.amount for line in self.lines if not line.outside),
                   Decimal(0))  # fmt: skip


def judged_tables(book: Book, path: Path = TABLES) -> list[JudgedTable]:
    return [
        JudgedTable(
            table["name"],
            [judged(line, book) for line in table["line"]],
            Decimal(table["total"]) if "total" in table else None,
            [" ".join(note.split()) for note in table["why"]],
        )
        for table in read_tables(path)
    ]


def judged(line: Mapping[str, Any], book: Book) -> Judged:
    said = Decimal(line["said"])
    uses = [(book.prices[key], Decimal(quantity)) for key, quantity in line.get("uses", ())]
    amount = sum((price.usd * quantity for price, quantity in uses), Decimal(0))
    priced = bool(uses) or line.get("priced", False)
    verdict = verdict_on(said, amount) if priced else "cannot be priced"
    how = " + ".join(f"{number(quantity)} {units(price.unit)} × ${number(price.usd)}" for price, quantity in uses)
    why = "" if verdict == "agrees" else " ".join(line.get("why", "").split())
    outside = line.get("outside", False)
    return Judged(line["item"], line["configuration"], said, amount if priced else None, how, verdict, why, outside)


def units(unit: str) -> str:
    return unit if unit.endswith("GB") else f"{unit}s"


def verdict_on(said: Decimal, amount: Decimal) -> Verdict:
    apart = abs(said - amount)
    if apart < Decimal("0.005"):
        return "agrees"
    return "nearly" if apart <= NEARLY * amount else "differs"


@cache
def read_tables(path: Path) -> list[dict[str, Any]]:
    return list(tomllib.loads(path.read_text(encoding="utf-8"))["table"])
