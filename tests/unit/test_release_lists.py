"""`miyabi releases`: a line each, also of a source that is in no repository."""

from datetime import UTC, datetime
from uuid import UUID

from database.release_history import ListedRelease
from deployments.releases import approval_lines, lines

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def release(git_sha: str | None, source: str = "python:api") -> ListedRelease:
    return ListedRelease(
        id=UUID(int=1), environment="local", kind="release", status="succeeded", requested_by=None, git_sha=git_sha,
        source=source, code_sha256=None, schema_version=None, lambda_version_before="1", lambda_version_after="2",
        api_url=None, verdicts={}, error=None, started_at=NOW, finished_at=NOW,
    )  # fmt: skip


def test_a_source_in_no_repository_is_named_by_what_it_holds() -> None:
    shown = list(
        lines([release("1f3c2ab" + 33 * "0"), release("unversioned-0123456789ab", "zip:a.zip"), release(None)])
    )
    ends = [line.partition("1 → 2")[2].strip() for line in shown]
    assert ends == ["1f3c2ab              python:api", "unversioned-0123456  zip:a.zip", "python:api"]


def test_that_nothing_waited_is_said() -> None:
    assert list(approval_lines([])) == ["no plan has waited for a person here"]
