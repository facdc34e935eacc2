"""Tell Prefect what there is: blocks, and the deployments of prefect.yaml. Run by `miyabi up` and `configure`.

Prefect ignores misspelt keys and keeps deployments that left the file, so the file is checked first and what it no
longer names is removed (reference: prefect.md §8).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL
from prefect_aws import AwsCredentials

from deployments.environment_files import BadEnvironment, environment_names
from deployments.settings import LocalCloud, read_environments

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_KEYS = frozenset(
    {"name", "entrypoint", "description", "parameters", "tags", "enforce_parameter_schema", "concurrency_limit"}
    | {"work_pool", "schedules", "triggers", "version"}
)
AGENT_POOL = "agents"
Report = Callable[[str], None]


class BadDeployments(Exception):
    """prefect.yaml cannot be applied; the message lists every problem."""


def read_deployments(path: Path = ROOT / "prefect.yaml") -> list[dict[str, Any]]:
    """The entries of prefect.yaml, checked. Raises BadDeployments with all problems."""
    entries = yaml.safe_load(path.read_text())["deployments"]
    problems = [problem for entry in entries for problem in entry_problems(entry)]
    names = [full_name(entry) for entry in entries]
    problems += [f"{name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise BadDeployments("\n".join(["prefect.yaml:", *(f"  - {problem}" for problem in problems)]))
    return list(entries)


def entry_problems(entry: dict[str, Any]) -> list[str]:
    """What Prefect would accept and then not do: unknown keys, flows that do not load, parameters they do not take."""
    name = full_name(entry)
    problems = [f"{name}: unknown key {key!r}" for key in sorted(set(entry) - ALLOWED_KEYS)]
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entry["entrypoint"], use_placeholder_flow=False)
    except Exception as error:
        return [*problems, f"{name}: the flow does not load: {error}"]
    unknown = sorted(set(entry.get("parameters", {})) - set(flow.parameters.properties))
    return problems + [f"{name}: the flow has no parameter {key!r}" for key in unknown]


def full_name(entry: dict[str, Any]) -> str:
    """`release/local`, as Prefect names it."""
    return f"{entry['entrypoint'].rsplit('.', 1)[-1].replace('_', '-')}/{entry['name']}"


async def save_environments(names: list[str], cloud: LocalCloud | None, report: Report) -> None:
    """Save the blocks of these environments. Keys that a person entered in a credentials block stay."""
    for name, environment in zip(names, read_environments(names, cloud), strict=True):
        block_name = f"miyabi-{name}"
        credentials = environment.credentials
        kept = await saved_credentials(block_name)
        if kept is not None and name != "local":
            credentials = merged(kept, credentials)
        await credentials.asave(block_name, overwrite=True)
        environment.credentials = credentials
        await environment.asave(name, overwrite=True)
        report(f"environment {name}")


def merged(kept: AwsCredentials, wanted: AwsCredentials) -> AwsCredentials:
    """What is saved with what the file says: the region alone where a person entered keys, for those are used then."""
    update: dict[str, Any] = {"region_name": wanted.region_name}
    if not kept.aws_access_key_id:
        endpoint = {"endpoint_url": wanted.aws_client_parameters.endpoint_url}
        update["profile_name"] = wanted.profile_name
        update["aws_client_parameters"] = kept.aws_client_parameters.model_copy(update=endpoint)
    return kept.model_copy(update=update)


async def saved_credentials(block_name: str) -> AwsCredentials | None:
    """Credentials saved earlier under this name."""
    try:
        return await AwsCredentials.aload(block_name)
    except ValueError:
        return None


async def ensure_agent_pool(client: PrefectClient, limit: int) -> None:
    """The work pool of agents that need a process of their own. A limit that a person has set stays."""
    try:
        pool = await client.read_work_pool(AGENT_POOL)
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker  # 0.3 s, and mostly the pool is there

        template = ProcessWorker.get_default_base_job_template()
        pool = await client.create_work_pool(
            WorkPoolCreate(name=AGENT_POOL, type="process", base_job_template=template)
        )
    if pool.concurrency_limit is None:
        await client.update_work_pool(AGENT_POOL, WorkPoolUpdate(concurrency_limit=limit))


def deploy(report: Report) -> None:
    """`prefect deploy --all`, its output kept for when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env={**os.environ, "PREFECT_LOGGING_LEVEL": "WARNING"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BadDeployments(f"`prefect deploy --all` failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    report("deployments")


async def prune(client: PrefectClient, wanted: set[str], report: Report) -> None:
    """Remove deployments of our flows that prefect.yaml no longer names."""
    flows = {flow.id: flow.name for flow in await client.read_flows()}
    ours = {name.split("/")[0] for name in wanted}
    for deployment in await client.read_deployments():
        name = f"{flows.get(deployment.flow_id, '?')}/{deployment.name}"
        if name not in wanted and name.split("/")[0] in ours:
            try:
                await client.delete_deployment(deployment.id)
            except ObjectNotFound:
                continue
            report(f"removed {name}")


async def apply(cloud: LocalCloud | None, report: Report) -> None:
    """Blocks, the agents' pool, deployments, prune. Environments that this machine cannot have are left out."""
    entries = read_deployments()
    names = [name for name in environment_names() if name != "local" or cloud is not None]
    await save_environments(names, cloud, report)
    async with get_client() as client:
        limits = [environment.agents.limits.isolated for environment in read_environments(names, cloud)]
        await ensure_agent_pool(client, max(limits))
        deploy(report)
        await prune(client, {full_name(entry) for entry in entries}, report)


def main() -> int:
    """`python -m deployments.apply [AWS_ENDPOINT API_ENDPOINT POSTGRES SITE]`, run by `miyabi up` and `configure`."""
    cloud = LocalCloud(*sys.argv[1:5]) if len(sys.argv) > 3 else None
    try:
        asyncio.run(apply(cloud, lambda line: print(line, flush=True)))
    except (BadDeployments, BadEnvironment) as error:
        print(error, file=sys.stderr)
        return 2
    except httpx.TransportError as error:
        print(f"Prefect does not answer at {PREFECT_API_URL.value()}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
