"""What an investigation leaves: the report as an artifact and a file, its claims as a table, all of it as JSON."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from database.investigation_models import Evidence, InvestigationOutput
from tasks.investigating.report import render
from tasks.reports import LIMIT, document, fit_rows, fit_text, in_run
from tasks.steps import courtesy

logger = logging.getLogger(__name__)


async def leave(found: InvestigationOutput, home: Path, place: str) -> None:
    """`place` is the environment whose timeline of reports it is in."""
    folder, page = home / found.repository, render(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(page, encoding="utf-8")
    (folder / "report.json").write_text(as_json(found, indent=2) + "\n", encoding="utf-8")
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
        await acreate_table_artifact(
            table=document(for_machines(found)),
            key=f"investigation-data-{place}",
            description="all of it, for machines",
        )


def for_machines(found: InvestigationOutput, limit: int = LIMIT) -> str:
    """All of it as JSON. Where that is too much for an artifact it is without excerpts, and then with less evidence."""
    for cut in (without_excerpts, with_three_places):
        if len(as_json(found).encode()) > limit:
            found = cut(found)
    return as_json(found)


def as_json(found: InvestigationOutput, indent: int | None = None) -> str:
    """The result, and beside its findings their problems in one list, the worst first."""
    problems = [one.model_dump(mode="json") for one in found.problems]
    return json.dumps({**found.model_dump(mode="json"), "problems": problems}, ensure_ascii=False, indent=indent)


def without_excerpts(found: InvestigationOutput) -> InvestigationOutput:
    said = "excerpts are not in this answer, which would be too long: they are in the worker's report.json"
    return with_evidence(found, lambda seen: [one.model_copy(update={"excerpt": ""}) for one in seen], said)


def with_three_places(found: InvestigationOutput) -> InvestigationOutput:
    said = "of each finding there are three places in this answer: all are in the worker's report.json"
    return with_evidence(found, lambda seen: seen[:3], said)


def with_evidence(
    found: InvestigationOutput, change: Callable[[list[Evidence]], list[Evidence]], said: str
) -> InvestigationOutput:
    return found.model_copy(
        update={
            "claims": [one.model_copy(update={"evidence": change(one.evidence)}) for one in found.claims],
            "findings": [one.model_copy(update={"evidence": change(one.evidence)}) for one in found.findings],
            "not_checked": [*found.not_checked, said],
        }
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
