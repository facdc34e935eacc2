"""The report for people: one page of markdown, in the order of the mission's status report."""

from collections.abc import Iterator, Sequence

from tasks.reporting.costs import cost_rows
from tasks.reporting.model import Component
from tasks.reporting.report import Report
from tasks.reporting.security import CHECKS
from tasks.reporting.session import render_session
from tasks.reporting.wording import dollars
from tasks.reports import table

MARKS = {"working": "✓", "attention": "**!**", "absent": "**✗**", "unknown": "?", "off": "–"}
SHOWN = 90
"""Letters of a setting; the whole of it is in report.json."""


def render(report: Report) -> str:
    parts = (head, drift, components, findings, costs, mission, session, unseen, settings)
    return "\n\n".join(text for part in parts for text in part(report)) + "\n"


def head(report: Report) -> Iterator[str]:
    yield f"# Status report {report.environment}: {report.headline}"
    yield table(
        ("", ""),
        [
            ("made", f"{report.at:%Y-%m-%d %H:%M} UTC"),
            ("where", f"account {report.account}, {report.region}"),
            ("security", report.findings.headline),
            ("cost", f"{dollars(report.costs.total)} a month by the assumptions below"),
        ],
    )
    yield (
        "A component counts when it is there, its state is the one it should have, and nothing critical or high is"
        " found on it. What the environment turns off is not counted; what could not be looked at counts as not done."
    )


def drift(report: Report) -> Iterator[str]:
    yield "## Drift"
    if report.since is None:
        yield "This is the first report: there is nothing to compare it with."
    elif not report.drift:
        yield f"Nothing has changed since the report of {report.since:%Y-%m-%d %H:%M} UTC."
    else:
        yield f"Since the report of {report.since:%Y-%m-%d %H:%M} UTC:"
        if report.by_hand:
            yield "No release was made in between: somebody changed this by hand, or AWS did."
        rows = [(one.change, one.component, one.setting, short(one.before), short(one.after)) for one in report.drift]
        yield table(("", "what", "setting", "from", "to"), rows)


def components(report: Report) -> Iterator[str]:
    yield "## Components"
    rows = [
        (MARKS[one.standing], one.kind, one.name, one.says, str(report.flaws_at(one) or ""), own_id(one.id))
        for one in report.components
    ]
    yield table(("", "kind", "name", "state", "findings", "id"), rows)


def settings(report: Report) -> Iterator[str]:
    """Last, and so not on a terminal: they are long."""
    yield "## Settings"
    for one in report.components:
        if one.settings:
            yield f"### {one.kind} {one.name}"
            yield table(("setting", "value"), [(key, short(value)) for key, value in one.settings.items()])


def findings(report: Report) -> Iterator[str]:
    yield f"## Security: {report.findings.headline}"
    if report.findings.found:
        rows = [tuple(one.row().values()) for one in report.findings.found]
        yield table(("severity", "check", "where", "evidence", "fix"), rows)
    yield f"{len(CHECKS)} checks (tasks/reporting/security.py lists them)."


def costs(report: Report) -> Iterator[str]:
    yield "## Costs"
    rows = cost_rows(report.costs)
    columns = [name for name in rows[0] if name != "source"]
    yield table(columns, [[row[name] for name in columns] for row in rows])
    yield f"Prices: {report.costs.prices} Without taxes and support; an account's first-year offers are not counted."
    yield f"Sources: {', '.join(dict.fromkeys(row['source'] for row in rows if row['source']))}."
    yield "Assumed for a month: " + ", ".join(
        f"{name} = {said(value)}" for name, value in report.costs.assumptions.items()
    )


def mission(report: Report) -> Iterator[str]:
    yield "## The mission's tables beside the arithmetic"
    for one in report.mission:
        yield f"### {one.name}"
        rows = [line.row() for line in one.lines]
        yield table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        said = f"The mission's total is {dollars(one.total)}; its" if one.total is not None else "The mission's"
        yield f"{said} lines add up to {dollars(one.summed)}, and come to {dollars(one.amount)} by the prices."
        yield "\n".join(f"- {note}" for note in one.notes)


def session(report: Report) -> Iterator[str]:
    if report.session is None:
        yield "## Session: no release"
        yield "Nothing was released yet, or the database that keeps the record could not be asked."
    else:
        yield from render_session(report.session)


def unseen(report: Report) -> Iterator[str]:
    yield "## What could not be looked at"
    unchecked = [f"- the check {line}" for line in report.findings.unchecked]
    yield "\n".join([*list_unseen(report.components), *unchecked]) or "Nothing."


def list_unseen(components: Sequence[Component]) -> list[str]:
    return [f"- **{one.kind} {one.name}**: {one.says}" for one in components if one.standing == "unknown"]


def own_id(id: str) -> str:
    """An ARN without partition, service, region and account, which are the same in all of them."""
    return id.split(":", 5)[-1] if id.startswith("arn:") else id


def short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def said(value: float) -> str:
    return f"{value:,.10g}"
