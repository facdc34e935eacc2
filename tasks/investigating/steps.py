"""The investigation as a step: check out, look, and say how far it is."""

import logging
from collections.abc import Sequence
from pathlib import Path

from database.investigation_models import InvestigationOutput
from tasks.investigating.building import built
from tasks.investigating.gathering import Finder
from tasks.investigating.investigation import IssueRead, investigate
from tasks.investigating.model import Built, Resource
from tasks.investigating.repository import checked_out
from tasks.steps import step

logger = logging.getLogger(__name__)


@step("Investigate the repository")
def investigate_repository(
    repository: str,
    ref: str,
    issue: IssueRead | None,
    *,
    addresses: Finder,
    cloud: Sequence[Resource] | None,
    home: Path,
    build: bool = False,
) -> InvestigationOutput:
    """The result; facts of files are kept in `home` for the next time. `build` runs the repository's code."""
    with checked_out(repository, ref) as subject:
        logger.info("%s at %s", subject.name, subject.commit or "no commit")
        kept = home / subject.name / "facts.json"
        tried = build_it(subject.folder, home / subject.name / "target") if build else None
        found = investigate(subject, issue, addresses=addresses, kept=kept, cloud=cloud, built=tried)
    for claim in found.claims:
        logger.info("%s: %s: %s (%s)", claim.verdict, claim.subject, claim.claimed, claim.actual)
    for line in found.not_checked:
        logger.warning("not checked: %s", line)
    logger.info("%d files in %.2f s: %s", found.files, found.seconds, found.headline)
    return found


@step("Build it")
def build_it(folder: Path, target: Path) -> Built:
    logger.info("`cargo build` of a copy: this runs the repository's build scripts")
    made = built(folder, target)
    logger.info("%s", made.says)
    return made
