"""Diagnose: why does a URL, a function or a release not answer as it should, and what would mend it?

It reads, and makes the request once more: to the URL, and past the gateway to the function, which is what any visitor
does (docs/diagnose.md). Probes and causes are listed in tasks/diagnosing. With `fix` the safe remedies are shown as a
plan, applied, and looked at again.
"""

import logging
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.opening import ROOT, WORK, load_environment
from flows.parameters import EnvironmentName, Shown
from tasks.changes import Rollout
from tasks.diagnosing.leaving import leave
from tasks.diagnosing.looking import Look
from tasks.diagnosing.steps import examine
from tasks.variables import blotter

logger = logging.getLogger(__name__)
DIAGNOSES = WORK.parent / "diagnoses"
INVOKING = ("lambda.Invoke",)
"""What a diagnosis may do besides reading."""
Target = Annotated[
    str,
    Field(max_length=500, pattern=r"^\S*$"),
    Shown("What fails: a URL, a function's name, or a release's id. Empty: what is deployed."),
]
Source = Annotated[
    str,
    Field(pattern=r"^((python|rust|zip):.+)?$"),
    Shown("Whose variables are required: python:FOLDER and so on. Empty: the last release's source."),
]
FixIt = Annotated[bool, Shown("Apply the safe remedies: shown as a plan first.")]


def run_name() -> str:
    """`diagnose local`, `diagnose local https://…`."""
    given: dict[str, Any] = runtime.flow_run.parameters
    return " ".join(filter(None, ["diagnose", str(given.get("environment", "")), str(given.get("target") or "")[:120]]))


@flow(name="diagnose", flow_run_name=run_name)
async def diagnose(
    environment: EnvironmentName = "local", target: Target = "", source: Source = "", fix: FixIt = False
) -> State[None]:
    """Find the cause, and say how to mend it."""
    block = await load_environment(environment)
    asking = Rollout(block, block.aws(planning=True, besides=INVOKING))
    found = examine(Look(asking, target, source, ROOT, blotter(asking)))
    await leave(found, block, DIAGNOSES)
    return Completed(message=found.headline)
