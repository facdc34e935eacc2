"""How a flow begins and ends: load the environment, open the door to AWS, leave the change table whatever happens.

Where the environment asks for it, a person approves the plan before the first write (`turns`, flows/approving.py).
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
from prefect import runtime
from prefect.context import SyncClientContext
from prefect.exceptions import Pause
from prefect.settings import PREFECT_API_URL

from blocks.environment import Environment
from flows.approving import approved
from flows.excluding import alone
from flows.telling import tell_end
from tasks.bundling.bundle import git_state
from tasks.bundling.sources import load_manifest, parse_source
from tasks.changes import Rollout
from tasks.errors import MiyabiError, Permanent, Temporary
from tasks.reports import publish_changes
from tasks.steps import aws_explained, seconds_by_step

ROOT = Path(os.environ.get("MIYABI_ROOT") or Path(__file__).resolve().parent.parent)
"""The repository: relative sources and migrations count from here."""
WORK = Path(os.environ.get("MIYABI_HOME") or ROOT / ".miyabi") / "build"
"""Packages, and what the next build can reuse."""


@asynccontextmanager
async def opened(
    environment: str, *, plan_only: bool = False, adopt: bool = False, writes: bool = True
) -> AsyncIterator[Rollout]:
    """A rollout on an environment, in which nobody else writes meanwhile if this flow does. At its end, also when it
    failed, its change table is published, and whoever listens is told."""
    seconds_by_step.set({})
    with without_prefect_explained(), SyncClientContext.get_or_create():  # one client for all steps, not one for each
        block = await load_environment(environment)
        rollout = Rollout(block, block.aws(planning=plan_only), release=str(runtime.flow_run.name or ""), adopt=adopt)
        try:
            async with alone(block) if writes and not plan_only else nullcontext():
                with aws_explained(rollout.release):  # what is asked between steps, too
                    yield rollout
        except Pause:  # it waits for approval; the plan is published, and nothing was done
            raise
        except BaseException as failure:
            await publish_changes(rollout, complete=False)
            tell_end(rollout, failure)
            raise
        await publish_changes(rollout)
        tell_end(rollout)


@contextmanager
def without_prefect_explained() -> Iterator[None]:
    """Say in words that Prefect's server is gone, which its client says as a bare ConnectError."""
    try:
        yield
    except httpx.TransportError as error:
        steps = list(seconds_by_step.get() or {})
        raise Temporary(
            f"Prefect's server at {PREFECT_API_URL.value()} does not answer any more ({error}); this run,"
            f" {runtime.flow_run.name!r}, ends {f'after step {steps[-1]!r}' if steps else 'before its first step'}."
            " What it has done stays, and running it again is safe: it goes on from there."
        ) from error


async def turns(rollout: Rollout, *, plan_first: bool = False) -> AsyncIterator[Rollout]:
    """The rollouts to work on, one after the other: where a person has to approve, or on request, first a plan."""
    asks = rollout.environment.approval
    if (asks or plan_first) and not rollout.planning:
        plan = planning_twin(rollout)
        yield plan
        if asks:
            rollout.approval = await approved(plan)
    yield rollout


def planning_twin(rollout: Rollout) -> Rollout:
    """A rollout on the same environment that cannot write."""
    environment = rollout.environment
    return Rollout(environment, environment.aws(planning=True), release=rollout.release, adopt=rollout.adopt)


async def reading(environment: str) -> Rollout:
    """A hold on the environment that cannot write, for a flow that only looks."""
    block = await load_environment(environment)
    return Rollout(block, block.aws(planning=True))


async def load_environment(name: str) -> Environment:
    """The environment's block. Raises Permanent with what to do when there is none or it is not valid."""
    try:
        return await Environment.aload(name)
    except ValueError as error:
        raise Permanent(f"environment {name!r} is not known to this Prefect: run `miyabi configure`") from error
    except RuntimeError as error:
        raise Permanent(f"environment {name!r} cannot be used: {error.__cause__ or error}") from error


def run_name() -> str:
    """`release local 1f3c2ab-dirty`, `smoke-test local`, `plan restore local`: flow, where, source's commit."""
    parameters: dict[str, Any] = runtime.flow_run.parameters
    planned = "plan" if parameters.get("plan_only") else ""
    environment, source = (str(parameters.get(name) or "") for name in ("environment", "source"))
    words = [planned, str(runtime.flow_run.flow_name), environment, commit_of(source) if source else ""]
    return " ".join(filter(None, words))


def commit_of(text: str) -> str:
    """The commit of a source as its package will show it; '' for one that is in no repository, or cannot be read."""
    try:
        source = parse_source(text, root=ROOT)
        sha, dirty = git_state(source, load_manifest(source), "")
    except MiyabiError:
        return ""  # the step that builds it says why
    return "" if sha.startswith("unversioned") else sha[:7] + ("-dirty" if dirty else "")
