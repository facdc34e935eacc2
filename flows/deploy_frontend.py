"""Deploy the frontend: a site's folder, pointed at the environment's API, built, checked, and published.

Run by hand on an environment that has an API, or as the part of a release that follows the backend. A private bucket
behind a CloudFront distribution; only what differs is uploaded, and the edges have forgotten the old when it ends.
`rollback`, and a release that fails later, put the files of the release before it back.
"""

import logging

from prefect import flow

from flows.opening import ROOT, WORK, opened, run_name, turns
from flows.parameters import Adopt, EnvironmentName, PlanOnly, SiteSpec
from flows.recording import Record, recorded
from tasks.changes import PENDING, Rollout
from tasks.gateway import inspect_api, known_api_url
from tasks.sites.bucket import ensure_site_bucket
from tasks.sites.building import UNKNOWN_API, BuiltSite, build_site
from tasks.sites.distribution import ensure_access, ensure_distribution, find_place
from tasks.sites.publishing import publish_site

logger = logging.getLogger(__name__)
DASHBOARD = "site:dashboard"


@flow(name="deploy-frontend", flow_run_name=run_name)
async def deploy_frontend(
    environment: EnvironmentName = "local",
    site: SiteSpec = DASHBOARD,
    plan_only: PlanOnly = False,
    adopt: Adopt = False,
) -> None:
    """Point a site at the environment's API, build, check and publish it."""
    async with opened(environment, plan_only=plan_only, adopt=adopt) as rollout:
        api, _ = inspect_api(rollout)
        built = build_site(rollout, site, api.url, root=ROOT, work=WORK)
        async for turn in turns(rollout):
            async with recorded(turn) as record:
                record.api = api
                deploy_site(turn, record, site, built)


def site_of(rollout: Rollout, site: str) -> BuiltSite | None:
    """The site, built for the API that there is, so that a bad one ends a release before its first write.

    None where there is nothing to publish: none is asked for, or the repository has no dashboard.
    """
    if not site or (site == DASHBOARD and not (ROOT / "dashboard").is_dir()):
        logger.info("no site to publish: %s", "the repository has no dashboard" if site else "none is asked for")
        return None
    return build_site(rollout, site, known_api_url(rollout) or UNKNOWN_API, root=ROOT, work=WORK)


def deploy_site(rollout: Rollout, record: Record, site: str, built: BuiltSite | None) -> None:
    """From a built site to one that the edges serve; where it is, is in the record."""
    if built is None or record.api is None:
        return
    if built.api_url != record.api.url and PENDING not in record.api.url:
        built = build_site(rollout, site, record.api.url, root=ROOT, work=WORK)
    bucket = ensure_site_bucket(rollout, find_place(rollout))
    distribution = ensure_distribution(rollout, bucket)
    ensure_access(rollout, bucket, distribution)
    record.site = publish_site(rollout, built, bucket, distribution, undoable=record.undoable)
