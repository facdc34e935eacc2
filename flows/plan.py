"""Plan: what a release of this source would change, as a table. Reads only: it waits for nobody, nor anybody for it."""

from prefect import flow

from flows.deploy_backend import package_of
from flows.deploy_frontend import DASHBOARD, site_of
from flows.opening import ROOT, opened, run_name
from flows.parameters import Adopt, EnvironmentName, SiteSpec, SourceSpec
from flows.release import roll_out
from tasks.migrations import read_migrations


@flow(name="plan", flow_run_name=run_name)
async def plan(
    environment: EnvironmentName = "local",
    source: SourceSpec = "python:api",
    site: SiteSpec = DASHBOARD,
    adopt: Adopt = False,
) -> None:
    """What a release would change."""
    async with opened(environment, plan_only=True, adopt=adopt) as rollout:
        bundle = package_of(rollout, source)
        await roll_out(rollout, bundle, read_migrations(ROOT / "migrations"), (site, site_of(rollout, site)))
