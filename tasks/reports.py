"""What a run leaves for people: the change table, the smoke table and the release report, as Prefect artifacts.

Rendering is pure. Publishing does nothing outside a Prefect run, so plain functions and tests may call it. Every
artifact has one key per environment, which makes its versions a timeline in the UI; what was only planned is on another
one than what was done. None is above 100 kB, and credentials in a URL are masked on their way out.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_table_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.context import FlowRunContext, TaskRunContext

from tasks.changes import Change, Finding, Rollout
from tasks.steps import courtesy

if TYPE_CHECKING:
    from tasks.sites.building import BuiltSite
    from tasks.sites.publishing import Published

LIMIT = 100_000
"""Bytes of an artifact. Prefect has no limit of its own and its page becomes slow."""
SHOWN = 40
"""Changes that the report lists; all of them are in the change table."""
CREDENTIALS = re.compile(r"(?<=://)[^\s/@]+(?=@)")

Row = Mapping[str, str]


@dataclass(frozen=True)
class ReleaseFacts:
    """Everything that a release report tells. Nothing in it is secret."""

    environment: str
    verdict: str
    """`succeeded`, `failed`, `rolled_back`, or `planned`."""
    planning: bool = False
    """A plan, which has a heading and a timeline of its own."""
    source: str = ""
    git_sha: str = ""
    approved: str = ""
    """By whom, when, and why."""
    version_before: str | None = None
    version_after: str | None = None
    code_sha256: str = ""
    schema_version: int | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    """What is reached where: `api`, `site`, `flow run`."""
    changes: Sequence[Change] = ()
    findings: Sequence[Finding] = ()
    smoke: Sequence[Row] = ()
    canary: Sequence[Row] = ()
    """A row for each share of the traffic."""
    durations: Sequence[tuple[str, float]] = ()
    """Step and seconds, in the order of their ends."""
    error: str = ""


def masked(text: str) -> str:
    """The text without user and password in any URL of it."""
    return CREDENTIALS.sub("***", text)


def change_rows(
    changes: Sequence[Change], findings: Sequence[Finding] = (), *, complete: bool = True
) -> list[dict[str, str]]:
    """The change table; findings stand below the changes. An empty one says so, and so does one that is cut short."""
    rows = [change.row() for change in changes]
    rows += [Change("run", finding.subject, why=finding.text).row() | {"change": "finding"} for finding in findings]
    if not complete:
        rows.append({"change": "failed", "what": "the run ended here; what comes after was not looked at"})
    return fit_rows(rows or [{"change": "none", "what": "everything is as it should be"}])


def fit_rows(rows: Sequence[Row], limit: int = LIMIT) -> list[dict[str, str]]:
    """As many rows as fit, masked; a last one counts those that do not."""
    kept, size = list[dict[str, str]](), 0
    for row in rows:
        clean = {key: masked(value) for key, value in row.items()}
        size += len(json.dumps(clean)) + 1
        if size > limit:
            return [*kept, {next(iter(row)): f"… and {len(rows) - len(kept)} more"}]
        kept.append(clean)
    return kept


def document(text: str) -> list[dict[str, str]]:
    """JSON for machines as a table of one cell, masked; what may be long is made to fit before."""
    return [{"json": masked(text)}]


def fit_text(text: str, limit: int = LIMIT) -> str:
    """The text, masked and cut to `limit` bytes."""
    data = masked(text).encode()
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 40].decode(errors="ignore") + "\n\n… cut at 100 kB\n"


def render_release(facts: ReleaseFacts) -> str:
    """The release report as markdown."""
    parts = [
        title(facts),
        table(("", ""), summary(facts)),
        section("Why it stopped", [f"```\n{facts.error}\n```"] if facts.error else []),
        section("Smoke test", [markdown_rows(facts.smoke)] if facts.smoke else []),
        section("Canary", [markdown_rows(facts.canary)] if facts.canary else []),
        section("Findings", [f"- **{finding.subject}**: {finding.text}" for finding in facts.findings]),
        section(f"Changes: {count(facts.changes)}", listed(facts.changes)),
        section("Steps", [table(("step", "seconds"), [(name, f"{s:.2f}") for name, s in facts.durations])]
                if facts.durations else []),
    ]  # fmt: skip
    return fit_text("\n\n".join(filter(None, parts)) + "\n")


def title(facts: ReleaseFacts) -> str:
    if facts.verdict == "planned":
        return f"# Plan {facts.environment}"
    return f"# {'Plan' if facts.planning else 'Release'} {facts.environment}: {facts.verdict}"


def summary(facts: ReleaseFacts) -> list[tuple[str, str]]:
    """The head of the report: only what is known."""
    before, after = facts.version_before, facts.version_after
    versions = f"{before or 'none'} → {after}" if before != after else f"{after} (unchanged)"
    lines = [
        ("source", facts.source),
        ("git", facts.git_sha),
        ("approved", facts.approved),
        ("Lambda version", versions if after else ""),
        ("code sha256", facts.code_sha256),
        ("schema version", "" if facts.schema_version is None else str(facts.schema_version)),
        *facts.urls.items(),
    ]
    return [(name, value) for name, value in lines if value]


def section(title: str, lines: Sequence[str]) -> str:
    return "\n\n".join([f"## {title}", "\n".join(lines)]) if lines else ""


def count(changes: Sequence[Change]) -> str:
    """`2 create, 1 update`, or `none`."""
    counted = Counter(change.action for change in changes)
    return ", ".join(f"{number} {action}" for action, number in counted.items()) or "none"


def listed(changes: Sequence[Change]) -> list[str]:
    more = [f"- … and {len(changes) - SHOWN} more"] if len(changes) > SHOWN else []
    return [f"- {change}" for change in changes[:SHOWN]] + more or ["Everything was as it should be."]


def markdown_rows(rows: Sequence[Row]) -> str:
    return table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def in_run() -> bool:
    """True inside a flow or task run, where artifacts belong."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


async def publish_changes(rollout: Rollout, *, complete: bool = True) -> None:
    """The change table of the run: what was changed, or what a plan would change; all of it, or up to a failure."""
    if not in_run():
        return
    with courtesy("the change table"):
        done = "what would change" if rollout.planning else "what was changed"
        rows = change_rows(rollout.changes, rollout.findings, complete=complete)
        await acreate_table_artifact(
            table=rows,
            key=f"{'planned-' if rollout.planning else ''}changes-{rollout.environment.name}",
            description=f"{rollout.environment.name}: {done}" + ("" if complete else ", up to the failure"),
        )


async def publish_drift(environment: str, drift: Sequence[Change]) -> None:
    """What is not as it was released, or that nothing differs: a timeline of its own."""
    if not in_run():
        return
    with courtesy("the drift"):
        await acreate_table_artifact(
            table=change_rows(drift),
            key=f"drift-{environment}",
            description=f"{environment}: differences from what was released: {len(drift)}",
        )


def publish_smoke(environment: str, rows: Sequence[Row], where: str) -> None:
    """The smoke table, from inside a synchronous task. `where` says what was asked: a version, or the public URL."""
    if not in_run():
        return
    with courtesy("the smoke table"):
        create_table_artifact(table=fit_rows(rows), key=f"smoke-{environment}", description=f"{environment}: {where}")


def publish_canary(environment: str, rows: Sequence[Row], what: str) -> None:
    """The canary's table, from inside a synchronous task; a row for each share of the traffic so far."""
    if not in_run():
        return
    with courtesy("the canary's table"):
        create_table_artifact(table=fit_rows(rows), key=f"canary-{environment}", description=f"{environment}: {what}")


def publish_screenshot(environment: str, name: str, jpeg: bytes, description: str) -> None:
    """What a browser saw, from inside a synchronous task. It has to fit: a picture that is cut shows nothing."""
    if not in_run():
        return
    with courtesy("the screenshot"):
        create_markdown_artifact(
            markdown=f"# {description}\n\n![{description}](data:image/jpeg;base64,{base64.b64encode(jpeg).decode()})\n",
            key=f"screenshot-{environment}-{name}"[:200],
            description=f"{environment}: {description}",
        )


def publish_site_report(rollout: Rollout, published: "Published", site: "BuiltSite") -> None:
    """Where the site is, what was uploaded, and where its API's address was found; from inside a synchronous task."""
    if not in_run():
        return
    with courtesy("the site's report"):
        create_markdown_artifact(
            markdown=fit_text(render_site(published, site)),
            key=f"{'planned-' if rollout.planning else ''}site-{rollout.environment.name}",
            description=f"{rollout.environment.name}: the site {site.name}",
        )


def render_site(published: "Published", site: "BuiltSite") -> str:
    facts = [
        ("site", published.url),
        ("its API", site.address),
        (
            "files",
            f"{published.files}, {published.uploaded} of them uploaded ({published.uploaded_bytes / 1e6:.1f} MB)",
        ),
        ("removed", str(published.removed)),
    ]
    hits = [("pointed at the API" if hit in site.used else "left as it is", str(hit)) for hit in site.hits]
    return "\n\n".join([f"# Site {site.name}", table(("", ""), facts), "## Where its API's address was found",
                        table(("", "place"), hits)]) + "\n"  # fmt: skip


async def publish_release(facts: ReleaseFacts) -> None:
    """The release report."""
    if not in_run():
        return
    with courtesy("the report"):
        await acreate_markdown_artifact(
            markdown=render_release(facts),
            key=f"{'plan' if facts.planning else 'release'}-{facts.environment}",
            description=f"{facts.environment}: {facts.verdict}",
        )


def publish_load(environment: str, page: str, outcome: str) -> None:
    """The report of a load test, from inside a synchronous task; its picture is in it."""
    if not in_run():
        return
    with courtesy("the load test's report"):
        create_markdown_artifact(
            markdown=fit_text(page), key=f"load-{environment}", description=f"{environment}: {outcome}"
        )


def publish_page(environment: str, kind: str, page: str, outcome: str) -> None:
    """A page of a flow's own, `backup` say, from inside a synchronous task."""
    if not in_run():
        return
    with courtesy(f"the page {kind!r}"):
        create_markdown_artifact(
            markdown=fit_text(page), key=f"{kind}-{environment}", description=f"{environment}: {outcome}"
        )
