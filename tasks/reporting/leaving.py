"""What a report leaves: files in a folder, and artifacts in Prefect, one key for each part and environment.

The last report's facts are such an artifact, too: `last_facts` reads them where the next one is made.
"""

import asyncio
import base64
import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.artifacts import Artifact, acreate_markdown_artifact, acreate_table_artifact

from tasks.reporting.costs import cost_rows
from tasks.reporting.diagram import Layout, lay_out
from tasks.reporting.drawio import as_drawio
from tasks.reporting.drift import Facts, fact_rows, facts_in
from tasks.reporting.page import render
from tasks.reporting.report import Report, component_rows, drift_rows, facts_for_machines, finding_rows
from tasks.reporting.svg import as_svg
from tasks.reporting.wording import dollars
from tasks.reports import LIMIT, document, fit_rows, fit_text, in_run, masked
from tasks.steps import courtesy

logger = logging.getLogger(__name__)


@contextmanager
def harmless(what: str) -> Iterator[None]:
    """Around what is told of work that is done: its failure is said, and fails nothing."""
    try:
        yield
    except Exception:
        logger.warning("the %s could not be made; run `miyabi %s` to see why", what, what, exc_info=True)


async def last_facts(environment: str) -> tuple[Facts, datetime] | None:
    """The facts of the last report on the environment, whoever made it, and when; None: there was none."""
    if not in_run():
        return None
    found = await Artifact.aget(f"report-facts-{environment}")
    if found is None or found.data is None or found.created is None:
        return None
    rows: Any = json.loads(found.data) if isinstance(found.data, str) else found.data
    return facts_in(rows), found.created


async def leave(report: Report, facts: Facts, home: Path) -> None:
    folder, page = home / report.environment, render(report)
    folder.mkdir(parents=True, exist_ok=True)
    picture = layout_of(report)
    svg = as_svg(picture)
    files: Mapping[str, str] = {
        "report.md": masked(page.replace("\n\n", "\n\n![what there is](diagram.svg)\n\n", 1)),
        "report.json": masked(json.dumps(facts_for_machines(report), indent=2, ensure_ascii=False)) + "\n",
        "quickstart.md": masked(report.quickstart),
        "costs.csv": as_csv(cost_rows(report.costs)),
        "diagram.svg": svg,
        "diagram.drawio": as_drawio(picture),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    from tasks.reporting.png import as_png  # matplotlib, half a second that a plan need not pay

    (folder / "diagram.png").write_bytes(as_png(picture))
    logger.info("report %s: %s; it is in %s", report.environment, report.headline, folder)
    if in_run():
        with courtesy("the report"):
            await publish(report, facts, page, svg)


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def layout_of(report: Report) -> Layout:
    """The diagram of a report."""
    return lay_out(
        f"Miyabi {report.environment}: {report.headline}",
        f"{report.at:%Y-%m-%d %H:%M} UTC",
        report.components,
        report.flaws_at,
        where=f"account {report.account}, {report.region}",
        footer=f"{dollars(report.costs.total)} a month, as assumed · {report.findings.headline}",
    )


def for_artifact(report: Report) -> str:
    """The report as JSON; one that is too long goes without the settings, which `report-facts` has."""
    whole = facts_for_machines(report)
    text = json.dumps(whole, ensure_ascii=False)
    if len(text.encode()) > LIMIT:
        text = json.dumps(without_settings(whole), ensure_ascii=False)
    return text


def without_settings(whole: dict[str, Any]) -> dict[str, Any]:
    return {**whole, "components": [{**one, "settings": {}} for one in whole["components"]]}


def shown(svg: str, what: str) -> str:
    """A picture in markdown. As SVG it is a fifth of the PNG, and sharp at any size."""
    return f"![{what}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})\n"


def descriptions(report: Report) -> dict[str, str]:
    """What the tile of each artifact says of it in the UI, by the beginning of its key."""
    said = {
        "report": report.headline,
        "diagram": "what there is, and how it is connected",
        "quickstart": "where it is, and the commands to use, release and watch it",
        "components": f"{len(report.counted)} components, one by one",
        "findings": f"security: {report.findings.headline}",
        "drift": f"what was changed since the last report: {len(report.drift)}",
        "costs": f"{dollars(report.costs.total)} a month, as assumed, part by part",
        "report-facts": "settings of all components, for the next report to compare",
        "report-data": "the whole report as JSON, for machines",
    }
    return {key: f"{report.environment}: {words}" for key, words in said.items()}


async def publish(report: Report, facts: Facts, page: str, svg: str) -> None:
    where, says = report.environment, descriptions(report)
    pages = {"diagram": shown(svg, says["report"]), "quickstart": fit_text(report.quickstart), "report": fit_text(page)}
    tables = {
        "components": fit_rows(component_rows(report)),
        "findings": fit_rows(finding_rows(report)),
        "drift": fit_rows(drift_rows(report)),
        "costs": fit_rows(cost_rows(report.costs)),
        "report-facts": fit_rows(fact_rows(facts)),
        "report-data": document(for_artifact(report)),
    }
    await asyncio.gather(
        *(acreate_markdown_artifact(markdown=pages[key], key=f"{key}-{where}", description=says[key]) for key in pages),
        *(acreate_table_artifact(table=tables[key], key=f"{key}-{where}", description=says[key]) for key in tables),
    )
