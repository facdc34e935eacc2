"""Runbook: check one trouble of the mission's troubleshooting sections, and say what to do about it.

It reads; a runbook that has to see an answer makes the request that any visitor makes, as `diagnose` does
(docs/runbooks.md). They are listed in tasks/runbooks/runbooks.py.
"""

from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.diagnose import INVOKING
from flows.opening import ROOT, WORK, load_environment
from flows.parameters import EnvironmentName, Shown
from tasks.changes import Rollout
from tasks.diagnosing.leaving import leave
from tasks.diagnosing.looking import Look
from tasks.errors import Permanent
from tasks.runbooks.runbooks import NAMES
from tasks.runbooks.steps import follow
from tasks.variables import blotter

HOME = WORK.parent / "runbooks"
RunbookName = Annotated[str, Field(max_length=40), Shown("Which trouble.", tuple(NAMES))]
Target = Annotated[
    str,
    Field(max_length=500, pattern=r"^\S*$"),
    Shown("What exactly: a URL, a function, a folder of migrations, a table, a cluster. Empty: what is deployed."),
]


def run_name() -> str:
    given: dict[str, Any] = runtime.flow_run.parameters
    return f"runbook {given.get('environment', '')} {given.get('name', '')}"


@flow(name="runbook", flow_run_name=run_name)
async def runbook(
    name: RunbookName = "http-500", environment: EnvironmentName = "local", target: Target = ""
) -> State[None]:
    """Follow one runbook."""
    if (chosen := NAMES.get(name)) is None:
        raise Permanent(f"there is no runbook {name!r}; there are {', '.join(NAMES)}")
    if target and not chosen.target:
        raise Permanent(f"the runbook {name!r} takes no target")
    block = await load_environment(environment)
    asking = Rollout(block, block.aws(planning=True, besides=INVOKING if chosen.requests else ()))
    found = follow(chosen, Look(asking, target, "", ROOT, blotter(asking)))
    await leave(found, block, HOME / name, name="runbook", table="runbook-causes")
    return Completed(message=found.headline)
