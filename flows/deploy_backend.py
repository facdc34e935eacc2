"""Deploy the backend: a checked package becomes a version, the version is smoke-tested, then traffic moves to it.

Run by hand on infrastructure that exists, or as the last part of a release. Traffic moves only through the alias
`live`, share by share, while the new version is watched beside the old one (tasks/canary). Whatever fails after it
began to move puts it back. `releases` and `release_steps` record it, so `rollback` can put it back later, also after
kill -9.
"""

from prefect import flow

from flows.migrate import migrate_database
from flows.opening import ROOT, WORK, opened, planning_twin, run_name, turns
from flows.parameters import Adopt, EnvironmentName, PlanOnly, SourceSpec
from flows.provision import Foundation, lay_foundation
from flows.recording import Record, recorded
from flows.watching import watch_over
from tasks.aliases import ensure_alias, shift_traffic
from tasks.bundling.bundle import Bundle, build_package
from tasks.canary.bake import Canary
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.functions import ensure_function
from tasks.gateway import Api, ensure_api
from tasks.migrations import Schema, read_migrations
from tasks.provisioned import ensure_provisioned, settle_provisioned
from tasks.pruning import prune
from tasks.releases import recall
from tasks.smoke import checks_for, smoke_api, smoke_version
from tasks.variables import variable_names


@flow(name="deploy-backend", flow_run_name=run_name)
async def deploy_backend(
    environment: EnvironmentName = "local",
    source: SourceSpec = "python:api",
    plan_only: PlanOnly = False,
    adopt: Adopt = False,
) -> None:
    """Build, check, deploy, smoke-test and shift traffic; infrastructure and schema must be up to date."""
    async with opened(environment, plan_only=plan_only, adopt=adopt) as rollout:
        bundle = package_of(rollout, source)
        foundation, schema = standing(rollout)
        async for turn in turns(rollout):
            async with recorded(turn, bundle, schema.after) as record:
                watch_over(turn, deploy(turn, record, bundle, foundation))


def package_of(rollout: Rollout, source: str) -> Bundle:
    """The source as a checked package, with every variable that it requires set by the deployment."""
    return build_package(rollout, source, root=ROOT, work=WORK, provided=variable_names(rollout.environment))


def standing(rollout: Rollout) -> tuple[Foundation, Schema]:
    """What the backend is to stand on, which must need no change."""
    plan = planning_twin(rollout)
    foundation = lay_foundation(plan)
    schema = migrate_database(plan, read_migrations(ROOT / "migrations"))
    if plan.changes:
        missing = "\n".join(f"  - {change}" for change in plan.changes)
        raise Permanent(f"run `release` instead, or `provision` and `migrate` first; they would:\n{missing}")
    return foundation, schema


def deploy(rollout: Rollout, record: Record, bundle: Bundle, foundation: Foundation) -> Api:
    """From a package to a version that has all traffic, tidied up; what it comes to is in the record."""
    recall(rollout, bundle.code_sha256)
    checks = checks_for(rollout.environment, bundle.suite)
    version = record.version = ensure_function(rollout, bundle, foundation.wiring, description=bundle.version)
    record.smoke = smoke_version(rollout, version.version, checks)
    ensure_provisioned(rollout, version.version, undoable=record.undoable)
    alias = ensure_alias(rollout, version.version)
    api = record.api = ensure_api(rollout, alias.arn)
    canary = Canary(rollout, version.version, api, checks, record.journal)
    record.canary = canary.rows
    shift_traffic(rollout, version.version, undoable=record.undoable, bake=canary.bake)
    record.smoke = smoke_api(rollout, api.url, checks)
    settle_provisioned(rollout, version.version, undoable=record.undoable)
    prune(rollout, version)
    return api
