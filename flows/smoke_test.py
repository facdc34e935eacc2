"""Smoke test: ask the running API whether it is well. Run by hand or on a schedule; changes nothing.

The checks are those that the source's manifest names, else the environment's health path.
"""

from prefect import flow

from flows.opening import ROOT, EnvironmentName, SourceSpec, opened, run_name
from tasks.bundling.sources import load_manifest, parse_source
from tasks.errors import Permanent
from tasks.gateway import described, observe_api
from tasks.smoke import checks_for, smoke_api


@flow(name="smoke-test", flow_run_name=run_name)
async def smoke_test(environment: EnvironmentName = "local", source: SourceSpec = "python:api") -> None:
    """Ask the running API whether it is well."""
    manifest = load_manifest(parse_source(source, root=ROOT))
    async with opened(environment) as rollout:
        seen = observe_api(rollout, rollout.environment.names.api)
        if seen is None:
            raise Permanent(f"environment {environment!r} has no API yet; run `release` first")
        checks = checks_for(rollout.environment, [check.model_dump() for check in manifest.smoke])
        smoke_api(rollout, described(rollout, seen).url, checks)
