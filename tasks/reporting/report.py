"""A report: its parts side by side, and how far the system has come."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tasks.reporting.costs import Costs, cost_rows
from tasks.reporting.drift import Drift, subject
from tasks.reporting.mission import JudgedTable
from tasks.reporting.model import Component
from tasks.reporting.security import CHECKS, Findings
from tasks.reporting.session import Session, summary


@dataclass(frozen=True)
class Report:
    environment: str
    region: str
    account: str
    at: datetime
    components: Sequence[Component]
    costs: Costs
    mission: Sequence[JudgedTable]
    findings: Findings
    quickstart: str
    """A page of its own."""
    session: Session | None = None
    """None where nothing was released, or the database could not be asked."""
    drift: Sequence[Drift] = ()
    since: datetime | None = None
    """When the last report was made; None: there was none."""
    by_hand: bool = False
    """No release was made since then."""

    @property
    def counted(self) -> list[Component]:
        """What is missed where it is not there."""
        return [one for one in self.components if one.standing != "off"]

    @property
    def done(self) -> int:
        return sum(one.standing == "working" for one in self.counted)

    def flaws_at(self, component: Component) -> int:
        """How many security findings are on it."""
        return sum(one.flaw.subject == subject(component) for one in self.findings.found)

    @property
    def headline(self) -> str:
        whole = f"{self.done} of {len(self.counted)} components"
        return f"{whole} as they should be ({100 * self.done // max(1, len(self.counted))} %)"


def session_facts(session: Session) -> dict[str, Any]:
    return {
        **dict(summary(session)),
        "status": session.story.release.status,
        "verdicts": session.story.release.verdicts,
        "timeline": [
            {"step": one.step, "seconds": round(one.seconds, 3), "began": one.began and one.began.isoformat(),
             "tries": one.tries, "state": one.state}
            for one in session.moments
        ],
    }  # fmt: skip


def component_rows(report: Report) -> list[dict[str, str]]:
    """The status table."""
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "standing": one.standing,
            "state": one.says,
            "findings": str(report.flaws_at(one) or ""),
            "id": one.id,
        }
        for one in report.components
    ]


def finding_rows(report: Report) -> list[dict[str, str]]:
    none = {"severity": "none", "check": f"{len(CHECKS)} checks", "where": "", "evidence": "nothing is open", "fix": ""}
    return [one.row() for one in report.findings.found] or [none]


def drift_rows(report: Report) -> list[dict[str, str]]:
    """What has changed; one row that says so if nothing has."""
    said = "this is the first report" if report.since is None else "nothing since the last report"
    return [one.row() for one in report.drift] or [{"change": "none", "what": said}]


def facts_for_machines(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "environment": report.environment,
        "at": report.at.isoformat(timespec="seconds"),
        "progress": {"done": report.done, "of": len(report.counted)},
        "components": [asdict(one) for one in report.components],
        "findings": [one.row() for one in report.findings.found],
        "unchecked": list(report.findings.unchecked),
        "session": session_facts(report.session) if report.session else None,
        "costs": cost_rows(report.costs),
        "prices": report.costs.prices,
        "mission": [
            {"table": table.name, "total": table.total and str(table.total), "summed": str(table.summed),
             "by the prices": str(table.amount), "lines": [line.row() for line in table.lines],
             "notes": list(table.notes)}
            for table in report.mission
        ],
        "assumptions": dict(report.costs.assumptions),
        "drift": [one.row() for one in report.drift],
        "since": report.since and report.since.isoformat(timespec="seconds"),
    }  # fmt: skip
