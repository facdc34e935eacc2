"""Smoke test: ask the running API whether it is well. Run by hand or on a schedule; changes nothing.

The checks are those that the source's manifest names, else the environment's health path. What is not as a release
leaves it, a missing permission say, stands beside the checks that fail.
"""

from prefect import flow

from flows.opening import ROOT, opened, run_name
from flows.parameters import EnvironmentName, SourceSpec
from tasks.bundling.sources import load_manifest, parse_source
from tasks.gateway import inspect_api
from tasks.smoke import checks_for, smoke_api


@flow(name="smoke-test", flow_run_name=run_name)
async def smoke_test(environment: EnvironmentName = "local", source: SourceSpec = "python:api") -> None:
    """Ask the running API whether it is well."""
    manifest = load_manifest(parse_source(source, root=ROOT))
    async with opened(environment) as rollout:
        api, differences = inspect_api(rollout)
        checks = checks_for(rollout.environment, [check.model_dump() for check in manifest.smoke])
        smoke_api(rollout, api.url, checks, suspects=differences)
