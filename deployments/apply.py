"""Bring Prefect to what the files say: blocks, work pools, deployments with their schedules and limits, automations.
Run by `miyabi up` and `miyabi configure`.

Everything is read and checked first, so that nothing is saved of files that are wrong. Then each kind of thing is
compared with what is there, and only what differs is written and told: a second run says nothing (deployments/
configuring/). What is ours on the server and no longer in the files is told, and removed with `--prune`.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from blocks.environment import Environment
from deployments.configuring.automations import Automation, Ids, ensure_automations, find_blocks, read_automations
from deployments.configuring.entries import BadDeployments, Entry, ensure_deployments, read_deployments
from deployments.configuring.environments import save_environments, save_inbox
from deployments.configuring.leftovers import LOCAL, tell_leftovers
from deployments.configuring.pool_files import BadPool, check_pools
from deployments.configuring.pools import ensure_pools
from deployments.configuring.server import PrefectServer, Refused, Report, Server
from deployments.environment_files import BadEnvironment, environment_names
from deployments.settings import LocalCloud, read_environments


def apply(cloud: LocalCloud | None, report: Report, *, prune: bool) -> None:
    """All of it. What `local` is, this machine's stack, another server is not told."""
    names = [name for name in environment_names() if name != LOCAL or cloud is not None]
    environments = read_environments(names, cloud)
    entries = [entry for entry in read_deployments() if entry["name"] in names]
    automations = read_automations(environments)
    check_pools(entry["work_pool"]["name"] for entry in entries)
    asyncio.run(save_blocks(environments, cloud, report))
    with get_client(sync_client=True) as client:
        configure(PrefectServer(client), environments, entries, automations, report, prune=prune)
    if cloud is None:
        report(
            f"left out {LOCAL!r}: the embedded cloud of one machine, known to the server that `miyabi up` starts there"
        )


async def save_blocks(environments: Sequence[Environment], cloud: LocalCloud | None, report: Report) -> None:
    await save_environments(environments, report)
    if cloud:
        await save_inbox(f"{cloud.aws_endpoint}/_cloud/inbox", report)


def configure(
    server: Server,
    environments: Sequence[Environment],
    entries: Sequence[Entry],
    automations: Sequence[Automation],
    report: Report,
    *,
    prune: bool,
) -> None:
    """What is neither file nor block."""
    agents = max(environment.agents.limits.isolated for environment in environments)
    ensure_pools(server, {entry["work_pool"]["name"] for entry in entries}, report, agents=agents)
    deployments = ensure_deployments(server, entries, report)
    blocks = find_blocks(server, {one.name: one.notify.blocks for one in environments}, report)
    ensure_automations(server, automations, Ids(deployments, blocks), report, prune=prune)
    tell_leftovers(server, set(deployments), {one.name for one in environments}, report, prune=prune)


def main() -> int:
    """`python -m deployments.apply [--prune] [AWS_ENDPOINT API_ENDPOINT POSTGRES SITE]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prune", action="store_true")
    parser.add_argument("cloud", nargs="*")
    given = parser.parse_args()
    cloud = LocalCloud(*given.cloud) if given.cloud else None
    try:
        apply(cloud, lambda line: print(line, flush=True), prune=given.prune)
    except (BadDeployments, BadEnvironment, BadPool) as error:
        print(error, file=sys.stderr)
        return 2
    except Refused as error:
        print(f"Prefect refused: {error}", file=sys.stderr)
        return 1
    except httpx.TransportError as error:
        print(f"Prefect does not answer at {PREFECT_API_URL.value()}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
