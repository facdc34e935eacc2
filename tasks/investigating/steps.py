"""The investigation as a step: check out, look, and say how far it is."""

import logging
from collections.abc import Sequence
from pathlib import Path

from database.investigation_models import InvestigationOutput
from tasks.investigating.gathering import Finder
from tasks.investigating.investigation import IssueRead, investigate
from tasks.investigating.model import Resource
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
) -> InvestigationOutput:
    """The result; facts of files are kept in `home` for the next time."""
    with checked_out(repository, ref) as subject:
        logger.info("%s at %s", subject.name, subject.commit or "no commit")
        kept = home / subject.name / "facts.json"
        found = investigate(subject, issue, addresses=addresses, kept=kept, cloud=cloud)
    for claim in found.claims:
        logger.info("%s: %s: %s (%s)", claim.verdict, claim.subject, claim.claimed, claim.actual)
    for line in found.not_checked:
        logger.warning("not checked: %s", line)
    logger.info("%d files in %.2f s: %s", found.files, found.seconds, found.headline)
    return found
