"""What a security check finds."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")


@dataclass(frozen=True)
class Flaw:
    """One thing that is open. Evidence and fix hold names and ids, no secret."""

    severity: Severity
    subject: str
    """The component, as the status table and the drift call it."""
    evidence: str
    fix: str
    """A command, or the line of the environment's file to change before the next release."""
