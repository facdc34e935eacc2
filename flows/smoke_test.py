"""Smoke test: ask the running API and the site whether they are well. Run by hand or on a schedule.

The checks are those of `smoke.yaml` beside the source and in `dashboard/` (docs/smoke.md), else the environment's
health path. `quick` asks only what a release asks, and makes nothing. What is not as a release leaves it, a missing
permission say, stands beside the checks that fail. What could not be asked, for lack of access, of a release or of a
browser, fails the run as `NotAsked`, which says nothing of the API: people are told, and nothing is diagnosed or put
back.
"""

import logging
from collections.abc import Mapping
from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.opening import ROOT, WORK, opened, run_name
from flows.parameters import EnvironmentName, ReleasedSource, Shown
from flows.recording import Record
from flows.smoke_history import NOT_ASKED, remembered
from tasks.bundling.bundle import Bundle
from tasks.bundling.sources import load_manifest, parse_source
from tasks.changes import Change, Rollout
from tasks.errors import MiyabiError, Permanent
from tasks.gateway import Api, NoApi, inspect_api
from tasks.releases import last_released
from tasks.smoke import checks_for, smoke_api
from tasks.smoke_answers import Result, SmokeFailed
from tasks.smoke_browser import browser_problem
from tasks.smoke_suites import Target, smoke_suites
from tasks.suites import SUITE, Suite, load_suite

logger = logging.getLogger(__name__)
SHOTS = WORK.parent / "screenshots"
SITE, DEFAULT = ROOT / "dashboard", "python:api"
Which = Annotated[Literal["all", "api", "site"], Shown("Which suites.", ("all", "api", "site"))]
Quick = Annotated[bool, Shown("Only the checks that a release asks at once; they make nothing.")]


@flow(name="smoke-test", flow_run_name=run_name)
async def smoke_test(
    environment: EnvironmentName = "local",
    source: ReleasedSource = "",
    suite: Which = "all",
    quick: Quick = False,
) -> State[None]:
    """Ask the running API and the site whether they are well."""
    try:
        async with opened(environment, writes=False) as rollout, remembered(rollout):
            ask(rollout, source, suite, quick=quick)
    except SmokeFailed:
        raise
    except MiyabiError as failure:
        return Failed(name=NOT_ASKED, message=f"could not ask: {failure}")
    return Completed()


def ask(rollout: Rollout, source: str, suite: str, *, quick: bool) -> None:
    """Raises SmokeFailed for what is not well, and other errors where that cannot be asked."""
    released, _ = last_released(rollout)
    suites = suites_of(source or released or DEFAULT)
    api, differences = standing_api(rollout, released)
    if quick:
        smoke_api(rollout, api.url, checks_for(rollout.environment, suites["api"]), suspects=differences)
        return
    suites, missing = without_visits(suites) if rollout.environment.smoke.browser else (suites, "")
    targets = targets_of(rollout, api.url, {name: suites[name] for name in suites if suite in ("all", name)})
    smoke_suites(rollout, rollout.environment.name, targets, suspects=differences, shots=SHOTS)
    if missing and any(target.suite == suites["site"] for target in targets):
        raise Permanent(f"no page was visited: {missing}")


def without_visits(suites: dict[str, Suite]) -> tuple[dict[str, Suite], str]:
    """Where there is no browser, the suites without pages, and what is missing."""
    if not suites["site"].pages or not (missing := browser_problem()):
        return suites, ""
    return suites | {"site": suites["site"].model_copy(update={"pages": ()})}, missing


def standing_api(rollout: Rollout, released: str) -> tuple[Api, list[Change]]:
    """The API, and what a release would change at it. One that was released and is gone is a failing API."""
    try:
        return inspect_api(rollout)
    except NoApi as gone:
        if not released:
            raise
        raise SmokeFailed("the API", [Result("the API is there", None, 0.0, False, str(gone))]) from gone


def suites_of(source: str) -> dict[str, Suite]:
    """The checks of a source, and those of the site. Raises Rejected."""
    place = parse_source(source, root=ROOT)
    load_manifest(place)
    return {"api": load_suite(place.folder), "site": load_suite(SITE)}


def smoke(rollout: Rollout, record: Record, bundle: Bundle) -> None:
    """The last proof of a release: the whole suites, if it changed something and there is more than the quick checks.

    A worker without a browser visits no pages, which is a finding. The smoke test itself is `NotAsked` there.
    """
    suites, missing = without_visits({"api": bundle.suite, "site": load_suite(SITE)})
    if rollout.planning or not rollout.changes or record.api is None:
        logger.info("nothing has changed: the smoke suites are not asked")
        return
    if missing:
        rollout.find("site", f"no page was visited: {missing}")
    if record.site is None or record.site.name != SITE.name:
        del suites["site"]  # it is another one's suite
    site_url = record.site.url if record.site else None
    targets = [target for target in targets_of(rollout, record.api.url, suites, site_url) if target.suite.has_more]
    if targets:
        record.smoke = smoke_suites(rollout, rollout.environment.name, targets, shots=SHOTS)


def targets_of(
    rollout: Rollout, api_url: str, suites: Mapping[str, Suite], site_url: str | None = None
) -> list[Target]:
    """Each suite with its address. A site that is not published, or says nothing to ask, is a finding."""
    targets, site_url = [], site_url or rollout.environment.site_url
    if "api" in suites:
        targets.append(Target("the API", suite_or_health(rollout, suites["api"]), api_url, api_url))
    if "site" in suites and site_url and suites["site"] != Suite():
        targets.append(Target("the site", suites["site"], site_url, api_url))
    elif "site" in suites:
        missing = "it is not published" if suites["site"] != Suite() else f"there is no {SUITE} in {SITE.name}/"
        rollout.find("site", f"was not asked: {missing}")
    return targets


def suite_or_health(rollout: Rollout, suite: Suite) -> Suite:
    """A source without a suite is asked for its health."""
    return suite if suite.checks else suite.model_copy(update={"checks": checks_for(rollout.environment, suite)})
