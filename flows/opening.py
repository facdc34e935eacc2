"""How a flow begins and ends: load the environment, open the door to AWS, leave the change table whatever happens."""

import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import runtime
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from blocks.environment import Environment
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.reports import publish_changes

APPROVAL_SECONDS = 24 * 3600
ROOT = Path(os.environ.get("MIYABI_ROOT") or Path(__file__).resolve().parent.parent)
"""The repository: relative sources and migrations count from here."""
WORK = Path(os.environ.get("MIYABI_HOME") or ROOT / ".miyabi") / "build"
"""Packages, and what the next build can reuse."""


@asynccontextmanager
async def opened(environment: str, *, plan_only: bool = False, adopt: bool = False) -> AsyncIterator[Rollout]:
    """A rollout on an environment; its change table is published at the end, also when a step failed."""
    block = await load_environment(environment)
    rollout = Rollout(block, block.aws(planning=plan_only), release=str(runtime.flow_run.name or ""), adopt=adopt)
    try:
        yield rollout
    except BaseException:
        await publish_changes(rollout, complete=False)
        raise
    await publish_changes(rollout)


def planning_twin(rollout: Rollout) -> Rollout:
    """A rollout on the same environment that cannot write."""
    environment = rollout.environment
    return Rollout(environment, environment.aws(planning=True), release=rollout.release, adopt=rollout.adopt)


async def load_environment(name: str) -> Environment:
    """The environment's block. Raises Permanent with what to do when there is none or it is not valid."""
    try:
        return await Environment.aload(name)
    except ValueError as error:
        raise Permanent(f"environment {name!r} is not known to this Prefect: run `miyabi configure`") from error
    except RuntimeError as error:
        raise Permanent(f"environment {name!r} cannot be used: {error.__cause__ or error}") from error


class Approval(RunInput):
    """What a person answers before the first write."""

    decision: Literal["approve", "reject"]
    approver: Annotated[str, Field(min_length=2, description="who decides")]


async def approved(plan: Rollout) -> str:
    """Suspend the run until a person has approved exactly this plan; who it was. A plan that changed is asked again."""
    await publish_changes(plan)
    text = "\n".join(sorted(map(str, plan.changes))) or "nothing would change"  # steps plan side by side, in any order
    key = f"plan-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    form = Approval.with_initial_data(description=f"### Plan for {plan.environment.name}\n```\n{text[:8000]}\n```")
    answer = await suspend_flow_run(wait_for_input=form, timeout=APPROVAL_SECONDS, key=key)  # type: ignore[misc]
    if answer.decision != "approve":
        raise Permanent(f"{answer.approver} rejected the plan; nothing was written")
    return str(answer.approver)


def run_name() -> str:
    """`release local 1f3c2ab`, `plan local 1f3c2ab`, `smoke-test local`: flow or plan, environment, source commit."""
    parameters: dict[str, Any] = runtime.flow_run.parameters
    verb = "plan" if parameters.get("plan_only") else str(runtime.flow_run.flow_name)
    source = str(parameters.get("source") or "")
    return " ".join(filter(None, [verb, str(parameters.get("environment", "")), commit_of(source) if source else ""]))


def commit_of(source: str) -> str:
    """The short commit of the repository a source lies in; '' when it is in none."""
    folder = Path(source.partition(":")[2])
    where = folder if folder.is_dir() else folder.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(where), "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
