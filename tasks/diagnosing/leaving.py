"""What a diagnosis leaves: the page as an artifact and a file, its causes as a table, all of it as JSON."""

import logging
from pathlib import Path

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from blocks.environment import Environment
from tasks.diagnosing.model import Diagnosis
from tasks.diagnosing.page import as_json, render, rows_of
from tasks.reports import document, fit_text, in_run
from tasks.steps import courtesy

logger = logging.getLogger(__name__)


async def leave(
    found: Diagnosis, environment: Environment, home: Path, *, name: str = "diagnosis", table: str = "causes"
) -> None:
    """Write it down, and show it in Prefect. `name` is the files' and the page's, `table` the table's."""
    folder, page = home / environment.name, render(found, environment)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(page, encoding="utf-8")
    whole = as_json(found, environment)
    (folder / f"{name}.json").write_text(whole, encoding="utf-8")
    logger.info("the %s is in %s", name, folder)
    if not in_run():
        return
    with courtesy(f"the {name}"):
        await acreate_markdown_artifact(
            markdown=fit_text(page), key=f"{name}-{environment.name}", description=found.headline[:500]
        )
        for key, rows in ((table, rows_of(found, environment)), (f"{name}-data", document(whole))):
            await acreate_table_artifact(table=rows, key=f"{key}-{environment.name}", description=found.headline[:500])
