"""Bring Prefect to what the files say: blocks, work pools, deployments with their schedules and limits, automations.
Run by `miyabi up` and `miyabi configure`.

Everything is read and checked first, so that nothing is saved of files that are wrong. Then each kind of thing is
compared with what is there, and only what differs is written and told: a second run says nothing (deployments/
configuring/). What is ours on the server and no longer in the files is told, and removed with `--prune`.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from blocks.environment import Environment
from deployments.configuring.automations import (
    Automation,
    Ids,
    check_named,
    ensure_automations,
    find_blocks,
    read_automations,
)
from deployments.configuring.entries import BadDeployments, Entry, ensure_deployments, full_name, read_deployments
from deployments.configuring.environments import save_environments, save_inbox
from deployments.configuring.leftovers import LOCAL, tell_leftovers
from deployments.configuring.pool_files import BadPool, check_pools
from deployments.configuring.pools import ensure_pools
from deployments.configuring.server import PrefectServer, Refused, Report, Server
from deployments.environment_files import ROOT, BadEnvironment, environment_names
from deployments.settings import LocalCloud, read_environments

T = TypeVar("T")
BAD = (BadDeployments, BadEnvironment, BadPool)


class BadFiles(Exception):
    """Files that cannot be applied; the message lists every problem of every one."""


def apply(cloud: LocalCloud | None, report: Report, *, prune: bool) -> None:
    """All of it. What `local` is, this machine's stack, another server is not told."""
    names = [name for name in environment_names() if name != LOCAL or cloud is not None]
    environments, entries, automations = read_all(names, cloud)
    asyncio.run(save_blocks(environments, cloud, report))
    with get_client(sync_client=True) as client:
        configure(PrefectServer(client), environments, entries, automations, report, prune=prune)
    if cloud is None:
        report(
            f"left out {LOCAL!r}: the embedded cloud of one machine, known to the server that `miyabi up` starts there"
        )


def read_all(
    names: Sequence[str], cloud: LocalCloud | None, root: Path = ROOT
) -> tuple[list[Environment], list[Entry], list[Automation]]:
    """What the files say of these environments. Raises BadFiles with the problems of all of them."""
    files, problems = root / "deployments", list[str]()
    environments = [
        found
        for name in names
        for found in read(partial(read_environments, [name], cloud, files / "environments"), problems)
    ]
    deployments = read(lambda: read_deployments(root / "prefect.yaml"), problems)
    entries = [entry for entry in deployments if entry["name"] in names]
    known = environment_names(files / "environments")
    problems += [
        f"prefect.yaml: {full_name(entry)}: there is no deployments/environments/{entry['name']}.toml"
        for entry in deployments
        if entry["name"] not in known
    ]
    automations = read(lambda: read_automations(environments, files / "automations"), problems)
    read(lambda: check_pools([entry["work_pool"]["name"] for entry in entries], files / "work_pools"), problems)
    if deployments:
        read(lambda: check_named(automations, [full_name(entry) for entry in entries]), problems)
    if problems:
        raise BadFiles("\n".join(problems))
    return environments, entries, automations


def read(reading: Callable[[], list[T]], problems: list[str]) -> list[T]:
    """What is read, or its problems noted."""
    try:
        return reading()
    except BAD as error:
        problems.append(str(error))
        return []


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
    except BadFiles as error:
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
