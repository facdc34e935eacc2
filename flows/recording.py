"""The record around a deployment: opened before it, closed after it, and on failure the way back.

On an error the undo log is replayed at once (traffic back to where it was), the release is closed with its reason, and
the report is published in any case. A run that was killed closes nothing: the next release takes its log over.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from prefect import runtime

from database.releases import Outcome, Release, Request
from tasks import aliases, provisioned
from tasks.bundling.bundle import Bundle
from tasks.changes import Rollout
from tasks.errors import MiyabiError
from tasks.functions import FunctionVersion
from tasks.gateway import Api
from tasks.releases import Journal, close_release, open_release
from tasks.reports import ReleaseFacts, publish_release
from tasks.returning import live_version
from tasks.sites import publishing
from tasks.sites.publishing import Published
from tasks.smoke_answers import Result, SmokeFailed, told
from tasks.steps import seconds_by_step
from tasks.undo import Undoer, replay_undo

logger = logging.getLogger(__name__)

UNDOERS: Mapping[str, Undoer] = {
    aliases.KIND: aliases.restore_alias,
    provisioned.KIND: provisioned.restore_provisioned,
    publishing.KIND: publishing.restore_site,
}
"""How each kind of reversible change is put back, and in which order: traffic first."""


class Record:
    """What a deployment has come to so far; its steps fill it in."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.version: FunctionVersion | None = None
        self.api: Api | None = None
        self.site: Published | None = None
        self.smoke: tuple[Result, ...] = ()
        self.canary: Sequence[Mapping[str, str]] = ()

    @property
    def undoable(self) -> Callable[[str, str, str, Mapping[str, Any]], AbstractContextManager[None]]:
        return self.journal.undoable

    @property
    def urls(self) -> dict[str, str]:
        """What is reached where."""
        return {**({"API": self.api.url} if self.api else {}), **({"site": self.site.url} if self.site else {})}

    def outcome(self, schema_version: int | None, bundle: Bundle | None, error: str = "") -> Outcome:
        """How it ended, for the store."""
        return Outcome(
            status="failed" if error else "succeeded",
            code_sha256=bundle.code_sha256 if bundle else self.version.code_sha256 if self.version else None,
            schema_version=schema_version,
            lambda_version_before=self.version.previous_version if self.version else None,
            lambda_version_after=self.version.version if self.version else None,
            api_url=self.api.url if self.api else None,
            verdicts={result.check: result.ok for result in self.smoke if result.ok is not None},
            site_manifest=self.site.manifest if self.site else None,
            error=error or None,
        )


@asynccontextmanager
async def recorded(
    rollout: Rollout, bundle: Bundle | None = None, schema_version: int | None = None, *, source: str = ""
) -> AsyncIterator[Record]:
    """Around the steps of a deployment, which fill in the record; without a bundle: of a site, or of variables alone.
    `source` is where the code came from that stays."""
    record = Record(open_release(rollout, request(rollout, bundle, source)))
    verdict, error = ("planned" if rollout.planning else "succeeded"), ""
    try:
        yield record
        close_release(record.journal, record.outcome(schema_version, bundle))
    except Exception as failure:
        verdict, error = "failed", str(failure)
        if isinstance(failure, SmokeFailed):
            record.smoke = failure.results
        if put_back(rollout, record.journal, record.outcome(schema_version, bundle, error)):
            verdict = "rolled_back"
        raise
    finally:
        rollout.facts |= told_of(record, bundle, verdict)
        await publish_release(facts(rollout, bundle, record, schema_version, verdict, error))


@contextmanager
def going_back(rollout: Rollout, target: Release) -> Iterator[Record]:
    """Around the steps that go back to an earlier release: a release of its own, which can be undone like any other."""
    record = Record(open_release(rollout, request_to_go_back(rollout, target)))
    outcome = Outcome(
        status="succeeded",
        code_sha256=target.code_sha256,
        lambda_version_before=live_version(rollout),
        lambda_version_after=target.lambda_version_after,
        api_url=target.api_url,
        site_manifest=target.site_manifest,
    )
    try:
        yield record
        close_release(record.journal, outcome)
    except Exception as failure:
        put_back(rollout, record.journal, replace(outcome, status="failed", error=str(failure)))
        raise


def put_back(rollout: Rollout, journal: Journal, outcome: Outcome) -> bool:
    """Undo what was recorded, then close the release; true if there was something and all of it was undone.

    Trouble here is logged and does not hide why the deployment failed. The release is closed all the same and says what
    is not as it was; its log stays, for `rollback` or the next release.
    """
    if journal.release_id is None:
        return False
    undone: Sequence[str] = ()
    try:
        undone = replay_undo(rollout, UNDOERS, release_id=journal.release_id)
    except MiyabiError as trouble:
        logger.error("the release could not be put back; run `rollback`: %s", trouble)
        outcome = replace(outcome, error=f"{outcome.error}\n{trouble}")
    try:
        close_release(journal, outcome)
    except MiyabiError as trouble:
        logger.error("the release could not be closed: %s", trouble)
        return False
    return bool(undone)


def request(rollout: Rollout, bundle: Bundle | None, source: str) -> Request:
    """Who releases what."""
    parameters, run_id = runtime.flow_run.parameters, runtime.flow_run.id
    return Request(
        environment=rollout.environment.name,
        requested_by=rollout.approver,
        git_sha=bundle.git_sha if bundle else None,
        source=source or parameters.get("source") or parameters.get("site"),
        flow_run_id=UUID(run_id) if run_id else None,
    )


def request_to_go_back(rollout: Rollout, target: Release) -> Request:
    """Who goes back to what."""
    run_id = runtime.flow_run.id
    return Request(
        environment=rollout.environment.name,
        git_sha=target.git_sha,
        source=target.source,
        flow_run_id=UUID(run_id) if run_id else None,
        kind="rollback",
        target_id=target.id,
    )


def approval_of(rollout: Rollout) -> str:
    """Who approved the plan, when and why; '' where nobody is asked."""
    if (given := rollout.approval) is None:
        return ""
    return f"by {given.approver or 'somebody'}, {given.decided_at:%Y-%m-%d %H:%M} UTC: {given.reason}"


def told_of(record: Record, bundle: Bundle | None, verdict: str) -> dict[str, Any]:
    """What the event at the end says besides how it ended."""
    version = record.version
    return {
        "verdict": verdict,
        "release": str(record.journal.release_id or ""),
        "git_sha": bundle.git_sha if bundle else "",
        "version_before": version.previous_version or "" if version else "",
        "version_after": version.version if version else "",
        "urls": record.urls,
    }


def facts(
    rollout: Rollout, bundle: Bundle | None, record: Record, schema_version: int | None, verdict: str, error: str
) -> ReleaseFacts:
    """What the report tells."""
    return ReleaseFacts(
        environment=rollout.environment.name,
        verdict=verdict,
        planning=rollout.planning,
        source=str(runtime.flow_run.parameters.get("source") or runtime.flow_run.parameters.get("site") or ""),
        git_sha=bundle.version if bundle else "",
        approved=approval_of(rollout),
        version_before=record.version.previous_version if record.version else None,
        version_after=record.version.version if record.version else None,
        code_sha256=bundle.code_sha256 if bundle else "",
        schema_version=schema_version,
        urls=record.urls,
        changes=rollout.changes,
        findings=rollout.findings,
        canary=record.canary,
        smoke=told(record.smoke),
        durations=tuple((seconds_by_step.get() or {}).items()),
        error=error,
    )
