"""The summary of the last release: who, what, how long, how large, what was tried again, how it was judged. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from database.release_story import Story
from tasks.reporting.timeline import Moment
from tasks.reporting.wording import plural, seconds, size
from tasks.reports import table

BAR = 24
"""Blocks of the longest step's bar."""


@dataclass(frozen=True)
class Session:
    """A release, its steps by time, and the bytes of its package by version."""

    story: Story
    moments: Sequence[Moment]
    sizes: Mapping[str, int]

    @property
    def took(self) -> timedelta | None:
        release = self.story.release
        return release.finished_at - release.started_at if release.finished_at else None

    @property
    def retries(self) -> int:
        return sum(moment.tries - 1 for moment in self.moments)

    @property
    def began(self) -> datetime:
        """When the first step began: a release's row is opened after building and provisioning."""
        return min([self.story.release.started_at, *(one.began for one in self.moments if one.began)])


def render_session(session: Session) -> Iterator[str]:
    """A chapter of the report."""
    release = session.story.release
    yield f"## Session: the last release, {release.status}"
    yield table(("", ""), [(name, text) for name, text in summary(session) if text])
    if release.error:
        yield f"It ended with:\n\n```\n{release.error.strip()}\n```"
    if release.verdicts:
        yield verdict_line(release.verdicts)
    yield "### Timeline"
    yield timeline_table(session) if session.moments else "Prefect keeps no steps of this run any more."
    if session.story.steps:
        yield "### What can be put back (`miyabi rollback`)"
        yield table(
            ("", "change", "of", "state"),
            [(str(one.number), one.name, one.resource, one.status) for one in session.story.steps],
        )


def verdict_line(verdicts: Mapping[str, object]) -> str:
    failed = [check for check, ok in verdicts.items() if not ok]
    told = f"**Verdicts**: {len(verdicts) - len(failed)} of {plural(len(verdicts), 'check')} passed."
    return told + "".join(f"\n- failed: {check}" for check in failed)


def summary(session: Session) -> list[tuple[str, str]]:
    story, release = session.story, session.story.release
    before, after = release.lambda_version_before or "none", release.lambda_version_after
    package = session.sizes.get(after or "", 0)
    return [
        ("release", f"{release.id} ({story.count} in all)"),
        ("kind", release.kind),
        ("asked for by", release.requested_by or ""),
        ("git", release.git_sha or ""),
        ("source", release.source or ""),
        ("began", f"{session.began:%Y-%m-%d %H:%M:%S} UTC"),
        ("took", seconds(whole_seconds(session)) if release.finished_at else "it has not ended"),
        ("steps tried again", str(session.retries) if session.moments else ""),
        ("Lambda version", (f"{before} → {after}" if before != after else f"{after} (unchanged)") if after else ""),
        ("package", size(package) if package else ""),
        ("schema", str(release.schema_version or "")),
        ("site", f"{plural(story.site_files, 'file')}, {size(story.site_bytes)}" if story.site_files else ""),
        ("load test", load_line(story)),
    ]


def whole_seconds(session: Session) -> float:
    end = session.story.release.finished_at
    return (end - session.began).total_seconds() if end else 0.0


def load_line(story: Story) -> str:
    run = story.load
    if run is None:
        return ""
    verdict = "passed" if run.passed else "failed"
    p95 = "" if run.p95_ms is None else f", p95 {run.p95_ms:.0f} ms"
    return f"{run.profile}, {verdict}: {run.requests:,} requests, {run.errors:,} errors{p95}"


def timeline_table(session: Session) -> str:
    longest = max(moment.seconds for moment in session.moments) or 1.0
    rows = [
        (
            "" if moment.began is None else f"+{(moment.began - session.began).total_seconds():.1f} s",
            moment.step,
            seconds(moment.seconds),
            "▇" * max(1, round(BAR * moment.seconds / longest)),
            " ".join(notes(moment)),
        )
        for moment in session.moments
    ]
    return table(("at", "step", "took", "", ""), rows)


def notes(moment: Moment) -> Iterator[str]:
    if moment.tries > 1:
        yield f"tried {moment.tries} times"
    if moment.state != "Completed":
        yield moment.state
