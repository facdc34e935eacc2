"""What an investigation leaves: the report as an artifact and a file, its claims as a table, all of it as JSON."""

import logging
from pathlib import Path

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from database.investigation_models import InvestigationOutput
from tasks.investigating.report import render
from tasks.reports import fit_rows, fit_text, in_run
from tasks.steps import courtesy

logger = logging.getLogger(__name__)


async def leave(found: InvestigationOutput, home: Path, place: str) -> None:
    """`place` is the environment whose timeline of reports it is in."""
    folder, page = home / found.repository, render(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(page, encoding="utf-8")
    (folder / "report.json").write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    logger.info("the report is in %s", folder)
    if not in_run():
        return
    with courtesy("the report"):
        await acreate_markdown_artifact(
            markdown=fit_text(page), key=f"investigation-{place}", description=f"{found.repository}: {found.headline}"
        )
        await acreate_table_artifact(
            table=rows_of(found), key=f"claims-{place}", description=found.issue or found.repository
        )


def rows_of(found: InvestigationOutput) -> list[dict[str, str]]:
    """The claims; without any, the findings."""
    claims = [
        {"subject": one.subject, "claimed": one.claimed, "verdict": one.verdict, "actual": one.actual,
         "evidence": ", ".join(piece.place or piece.says for piece in one.evidence), "why": one.why}
        for one in found.claims
    ]  # fmt: skip
    findings = [
        {"subject": one.title, "standing": one.standing, "actual": one.says,
         "evidence": ", ".join(piece.place or piece.says for piece in one.evidence)}
        for one in found.findings
    ]  # fmt: skip
    return fit_rows(claims or findings)
