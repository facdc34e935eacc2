"""Load test: ask the running API as much as a profile says, and judge the figures. Run by hand, or after a release.

1. plan the load, and refuse what the gateway would throttle, and production without its name, before anything is asked
2. warm the function up, ask (tasks/loading/, a process of its own), watch the database's connections and cold starts
3. compare with the last runs of this load, publish the report with its picture, fail if a threshold is missed
"""

import logging
from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from flows.opening import ROOT, WORK, opened, run_name
from flows.parameters import EnvironmentName, Shown, SourceSpec
from flows.recording import Record
from tasks.bundling.sources import load_manifest, parse_source
from tasks.changes import Rollout
from tasks.gateway import inspect_api
from tasks.load_test import LoadPlan, judge_load, plan_load, run_load
from tasks.loading.profiles import Wish

logger = logging.getLogger(__name__)

LOAD = WORK.parent / "load"
"""Figures, picture and a line per request of the last runs."""

ProfileName = Annotated[
    Literal["quick", "phase-4", "baseline", "spike", "sustained", "agents"],
    Shown("How many ask, how often, for how long: tasks/loading/profiles.py."),
]
Duration = Annotated[float | None, Field(gt=0, le=14_400), Shown("Seconds. Empty: as the profile says.")]
Rate = Annotated[
    float | None,
    Field(gt=0, le=20_000),
    Shown("Requests a second: of a load with a rate its rate, of one with users their common limit."),
]
Users = Annotated[int | None, Field(ge=1, le=2_000), Shown("Users at a time, at most, of a load with users.")]
Confirm = Annotated[
    str, Shown("Where people work (the environment has `approval`): its name, to show that you mean it.")
]


@flow(name="load-test", flow_run_name=run_name)
async def load_test(
    environment: EnvironmentName = "local",
    profile: ProfileName = "baseline",
    duration_s: Duration = None,
    rate: Rate = None,
    users: Users = None,
    source: SourceSpec = "python:api",
    confirm: Confirm = "",
) -> None:
    """Ask the running API as much as a profile says, and judge the figures."""
    mixes = load_manifest(parse_source(source, root=ROOT)).load_mixes()
    async with opened(environment, writes=False) as rollout:
        wish = Wish(duration_s, rate, users)
        plan = plan_load(rollout.environment, profile, mixes, wish=wish, confirm=confirm)
        api, _ = inspect_api(rollout)
        measure(rollout, api.url, plan)


def load_released(rollout: Rollout, record: Record, plan: LoadPlan | None) -> None:
    """Load the version that has just got the traffic. A release that moved none has nothing to do."""
    version = record.version
    if plan is None or version is None or record.api is None:
        return
    if version.version == version.previous_version:
        logger.info("no load test: version %s had the traffic before", version.version)
        return
    measure(rollout, record.api.url, plan, version=version.version)


def measure(rollout: Rollout, url: str, plan: LoadPlan, *, version: str = "") -> None:
    """Ask, then judge. Raises LoadFailed when a threshold is missed."""
    measured = run_load(rollout, url, plan, folder=LOAD)
    judge_load(rollout, plan, measured, version=version)
