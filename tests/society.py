"""The repository of the mission's shape, as it is now and as it was when issue #970 was written."""

import shutil
from pathlib import Path

from database.investigation_models import InvestigationOutput, JudgedClaim
from tasks.agents.issue_source import issue_of_file
from tasks.investigating.investigation import IssueRead, Subject, investigate
from tasks.sites.search import hits_in

SOCIETY = Path(__file__).parent / "fixtures" / "society"
ISSUE = SOCIETY / "issue-970.md"
API = "crates/miyabi-web-api"


def now(folder: Path) -> Path:
    """A copy of it as it is now."""
    return Path(shutil.copytree(SOCIETY / "now", folder / "society", dirs_exist_ok=True))


def earlier(folder: Path) -> Path:
    """A copy of it from before the code changed: all but health commented out, two migrations not yet written."""
    root = Path(shutil.copytree(SOCIETY / "earlier", now(folder), dirs_exist_ok=True))
    for later in (root / API / "migrations").glob("20251125*"):
        later.unlink()
    return root


def looked_at(root: Path, issue: Path | None = ISSUE) -> InvestigationOutput:
    read = issue_of_file(issue) if issue else None
    told = IssueRead(read.title, read.body, issue.name) if read and issue else None
    return investigate(Subject(root, root.name), told, addresses=hits_in)


def by_subject(found: InvestigationOutput) -> dict[str, JudgedClaim]:
    return {claim.subject: claim for claim in found.claims}
