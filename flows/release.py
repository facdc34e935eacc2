"""Release: from source to a running, smoke-tested system. The main button.

1. build and check the package, read and check the migrations: bad input ends here, before the first write
2. where the environment asks for it, show the plan and wait for a person's approval
3. provision (flows/provision.py): network, secrets, database, role, log groups
4. migrate (flows/migrate.py): snapshot, then what the database has not seen
5. deploy (flows/deploy_backend.py): new version, smoke test without traffic, API, traffic, smoke test with traffic
6. watch (flows/watching.py): topic, alarms, dashboard
7. the site (flows/deploy_frontend.py): pointed at the API, built, published; built and checked in 1 already
8. smoke (flows/smoke_test.py): the whole suites, of the API and of the site in a browser, if something has changed
9. load test (flows/load_test.py), where the environment asks for one and a new version has the traffic
10. report (flows/report.py), if something has changed; it takes nothing back

Undo: a failure after traffic moved puts the alias and the site back; migrations go forward only; what was provisioned
stays. Every step converges, so a run that died anywhere is run again. What it would change: flows/plan.py.
"""

from collections.abc import Sequence

from prefect import flow

from database.migration_files import Migration
from flows.deploy_backend import deploy, package_of
from flows.deploy_frontend import DASHBOARD, deploy_site, site_of
from flows.load_test import load_released
from flows.migrate import migrate_database
from flows.opening import ROOT, opened, run_name, turns
from flows.parameters import Adopt, EnvironmentName, SiteSpec, SourceSpec
from flows.provision import lay_foundation
from flows.recording import recorded
from flows.report import report_released
from flows.smoke_test import smoke
from flows.watching import watch_over
from tasks.bundling.bundle import Bundle
from tasks.changes import Rollout
from tasks.load_test import plan_after_release
from tasks.migrations import read_migrations
from tasks.sites.building import BuiltSite


@flow(name="release", flow_run_name=run_name)
async def release(
    environment: EnvironmentName = "local",
    source: SourceSpec = "python:api",
    site: SiteSpec = DASHBOARD,
    adopt: Adopt = False,
) -> None:
    """From source to a running, smoke-tested system."""
    async with opened(environment, adopt=adopt) as rollout:
        bundle = package_of(rollout, source)
        files = read_migrations(ROOT / "migrations")
        built = site_of(rollout, site)
        async for turn in turns(rollout):
            await roll_out(turn, bundle, files, (site, built))
        await report_released(rollout)


async def roll_out(
    rollout: Rollout, bundle: Bundle, files: Sequence[Migration], site: tuple[str, BuiltSite | None]
) -> None:
    """Everything that may write, in order. On a planning rollout: what it would write."""
    load = plan_after_release(rollout.environment, bundle.load)
    foundation = lay_foundation(rollout)
    schema = migrate_database(rollout, files)
    async with recorded(rollout, bundle, schema.after) as record:
        api = deploy(rollout, record, bundle, foundation)
        watch_over(rollout, api)
        deploy_site(rollout, record, *site)
        smoke(rollout, record, bundle)
        load_released(rollout, record, load)
