"""Report: what there is, what it costs, what is open, and what has changed since the last report. Reads only.

Run by hand at any time, and by a release that changed something, at its end. The door to AWS cannot write. What cannot
be looked at (no access, no database, nothing released yet) is said, and the rest is reported all the same. The report
is artifacts of the run and files in `.miyabi/reports/<environment>/` (docs/report.md).
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from prefect import flow, runtime

from blocks.reporting import Assumptions
from database.release_story import Story, last_story
from flows.opening import WORK, planning_twin, reading, run_name
from flows.parameters import EnvironmentName, Shown
from tasks.alarms import observe_alarms
from tasks.aliases import Alias, observe_alias
from tasks.backups.archive import Archive
from tasks.backups.proof import observe_backups
from tasks.changes import Rollout
from tasks.dashboards import observe_dashboard
from tasks.database_snapshots import observe_snapshots
from tasks.databases import observe_database
from tasks.functions import observe_function
from tasks.gateway import observe_api, url_of
from tasks.gateway_parts import SeenApi
from tasks.logs import observe_log_group
from tasks.network import SeenNetwork, observe_network, observe_vpc
from tasks.provisioned import Provisioned, observe_provisioned
from tasks.releases import Store
from tasks.reporting.assuming import assumptions_of
from tasks.reporting.components import components_of
from tasks.reporting.costs import costs_of
from tasks.reporting.drift import drift_between, facts_of, same_release
from tasks.reporting.leaving import harmless, last_facts, leave
from tasks.reporting.looking import Observers, look_at_everything
from tasks.reporting.mission import judged_tables
from tasks.reporting.model import Scene
from tasks.reporting.prices import Book, read_book
from tasks.reporting.quickstart import place_of, render_quickstart
from tasks.reporting.refreshing import refresh_prices
from tasks.reporting.report import Report
from tasks.reporting.security import findings_of, weighed
from tasks.reporting.session import Session
from tasks.reporting.setup import setup_of
from tasks.reporting.timeline import timeline_of
from tasks.roles import observe_role
from tasks.secrets import observe_secret
from tasks.sites.bucket import SeenBucket, observe_bucket
from tasks.sites.distribution import observe_distribution
from tasks.sites.origins import bucket_behind
from tasks.steps import seconds_by_step
from tasks.topics import observe_topic, topic_of

logger = logging.getLogger(__name__)
PATIENCE = 1.0
"""Seconds for the database to answer: a report does without it."""
Assumed = Annotated[
    Mapping[str, float],
    Shown(f"For a month, instead of the environment's [report]: {', '.join(Assumptions.model_fields)}."),
]
Refresh = Annotated[bool, Shown("Ask AWS's Pricing API for the prices; what it does not tell stays as in the book.")]


@flow(name="report", flow_run_name=run_name)
async def report(
    environment: EnvironmentName = "local",
    assume: Assumed = {},  # noqa: B006
    refresh: Refresh = False,
) -> None:
    """Say what there is, what it costs, and what has changed since the last report."""
    rollout = await reading(environment)
    assumed = assumptions_of(rollout.environment, assume)
    await report_on(rollout, assumed, book_of(rollout, refresh=refresh))


async def report_released(rollout: Rollout) -> None:
    """The report at the end of a release that has changed something. The release is good, whatever becomes of it."""
    if rollout.planning or not rollout.environment.report.after_release:
        return
    if not rollout.changes:
        logger.info("no report: the release has changed nothing")
        return
    with harmless("report"):
        await report_on(planning_twin(rollout), rollout.environment.report.assumptions, read_book())


def book_of(rollout: Rollout, *, refresh: bool) -> Book:
    return refresh_prices(rollout, read_book(), today=datetime.now(UTC).date()) if refresh else read_book()


async def report_on(rollout: Rollout, assumed: Assumptions, book: Book) -> Report:
    """Look at everything, and leave the report."""
    scene = look_at_everything(rollout, observers(rollout))
    last, now = await last_facts(rollout.environment.name), datetime.now(UTC)
    findings = findings_of(scene, now.date())
    components = weighed(components_of(scene), findings)
    facts = facts_of(components, last[0] if last else None)
    made = Report(
        environment=rollout.environment.name,
        region=rollout.environment.region,
        account=rollout.environment.account_id,
        at=now,
        components=components,
        costs=costs_of(setup_of(scene), assumed, book),
        mission=judged_tables(book),
        findings=findings,
        quickstart=render_quickstart(rollout.environment, place_of(scene)),
        session=await session_of(scene),
        drift=drift_between(last[0], facts) if last else (),
        since=last[1] if last else None,
        by_hand=last is not None and same_release(last[0], facts),
    )
    await leave(made, facts, WORK.parent / "reports")
    return made


async def session_of(scene: Scene) -> Session | None:
    """The last release with its steps. In a release's own run those that Prefect has not recorded yet, too."""
    story, function = scene.get("releases"), scene.get("function")
    if story is None:
        return None
    run = story.release.flow_run_id
    known = seconds_by_step.get() if run and str(run) == runtime.flow_run.id else None
    return Session(story, await timeline_of(run, known), function.sizes if function else {})


def observers(rollout: Rollout) -> Observers:
    """Who looks at what, by kind."""
    aws, names = rollout.aws, rollout.environment.names
    return {
        "network": partial(network_of, rollout),
        "secrets": lambda: {name: observe_secret(rollout, name) for name in (names.database_secret, names.jwt_secret)},
        "database": partial(observe_database, rollout),
        "snapshots": partial(observe_snapshots, rollout),
        "role": partial(observe_role, rollout, names.role),
        "log groups": lambda: {
            name: observe_log_group(rollout, name) for name in (names.function_logs, names.api_logs)
        },
        "function": lambda: observe_function(aws("lambda"), names.function),
        "alias": partial(alias_of, rollout),
        "API": partial(api_of, rollout),
        "topic": lambda: observe_topic(rollout, topic_of(rollout).arn),
        "alarms": lambda: observe_alarms(rollout) or None,
        "dashboard": partial(observe_dashboard, rollout),
        "backups": lambda: observe_backups(Archive(rollout), datetime.now(UTC)),
        "bucket": partial(bucket_of, rollout),
        "distribution": partial(observe_distribution, rollout),
        "releases": partial(releases_of, rollout),
    }


def network_of(rollout: Rollout) -> SeenNetwork | None:
    vpc = observe_vpc(rollout)
    return observe_network(rollout, vpc) if vpc else None


def alias_of(rollout: Rollout) -> tuple[Alias, dict[str, Provisioned]] | None:
    client, names = rollout.aws("lambda"), rollout.environment.names
    alias = observe_alias(client, names.function, names.alias)
    return (alias, observe_provisioned(client, names.function)) if alias else None


def api_of(rollout: Rollout) -> tuple[SeenApi, str] | None:
    seen = observe_api(rollout, rollout.environment.names.api)
    return (seen, url_of(rollout, seen.id, seen.endpoint)) if seen else None


def bucket_of(rollout: Rollout) -> tuple[str, SeenBucket] | None:
    """The site's: our own, or the one behind the distribution that the environment names."""
    given = observe_distribution(rollout) if rollout.environment.site.distribution else None
    name = (bucket_behind(given.config) if given else None) or rollout.environment.names.site_bucket
    seen = observe_bucket(rollout.aws("s3"), name)
    return (name, seen) if seen else None


def releases_of(rollout: Rollout) -> Story | None:
    with Store(rollout, patience=PATIENCE).connection() as connection:
        return last_story(connection, rollout.environment.name)
