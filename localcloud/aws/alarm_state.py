"""When an alarm is in ALARM: CloudWatch's rules for late, missing and scattered datapoints, without any I/O.

An alarm looks at a few periods more than it needs. If there are enough real datapoints in them it uses the newest;
otherwise the missing ones are filled in as `TreatMissingData` says ("Configuring how CloudWatch alarms treat missing
data" in its manual, whose tables the tests repeat).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
EXTRA = 2
"""Periods that an alarm looks back further than it needs."""
WORDS = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


@dataclass(frozen=True)
class Rule:
    """What an alarm asks of its datapoints: `needed` of the last `periods` must breach."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    def breaches(self, value: float) -> bool:
        match self.comparison:
            case "GreaterThanThreshold":
                return value > self.threshold
            case "GreaterThanOrEqualToThreshold":
                return value >= self.threshold
            case "LessThanThreshold":
                return value < self.threshold
            case _:
                return value <= self.threshold


def verdict(rule: Rule, points: Sequence[float | None], before: State) -> State:
    """The state for the newest datapoints, oldest first; None is a missing one."""
    real = [point for point in points if point is not None][-rule.periods :]
    gaps = rule.periods - len(real)
    breaching = sum(rule.breaches(point) for point in real)
    if gaps and rule.missing == "breaching":
        breaching += gaps
    if breaching >= rule.needed:
        return "ALARM"
    if not gaps or rule.missing in ("breaching", "notBreaching") or breaching < len(real):
        return "OK"
    if rule.missing == "ignore":
        return before
    return "ALARM" if real else "INSUFFICIENT_DATA"


def reason(rule: Rule, points: Sequence[tuple[int, float | None]], state: State) -> str:
    """Why, in CloudWatch's words."""
    real = [(at, value) for at, value in points if value is not None][-rule.periods :]
    if not real:
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}.get(rule.missing, "")
        missing = f"no datapoints were received for {rule.periods} period{'s' * (rule.periods > 1)}"
        if not treated:
            return f"Insufficient Data: {missing}."
        return f"Threshold Crossed: {missing} and missing datapoints were treated as [{treated}]."
    shown = ", ".join(f"{value} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in real[::-1])
    verb = "was" if len(real) == 1 else "were"
    relation = f"{verb} {'' if state == 'ALARM' else 'not '}{WORDS[rule.comparison]} the threshold ({rule.threshold})"
    return f"Threshold Crossed: {len(real)} datapoint{'s' * (len(real) > 1)} [{shown}] {relation}."


def reason_data(rule: Rule, points: Sequence[tuple[int, float | None]], *, period: int, at: float) -> str:
    """The same for machines."""
    return json.dumps(
        {
            "version": "1.0",
            "queryDate": _text(at),
            "startDate": _text(points[0][0]),
            "period": period,
            "recentDatapoints": [value for _, value in points if value is not None],
            "threshold": rule.threshold,
        }
    )


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
