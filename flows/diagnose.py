"""Diagnose: why does a URL, a function or a release not answer as it should, and what would mend it?

It reads, and makes the request once more: to the URL, and past the gateway to the function, which is what any visitor
does (docs/diagnose.md). Probes and causes are listed in tasks/diagnosing. With `fix` the safe remedies are shown as a
plan, applied, and looked at again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from textwrap import shorten
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.opening import ROOT, WORK, load_environment, opened, turns
from flows.parameters import EnvironmentName, Shown
from flows.recording import recorded
from flows.telling import tell_diagnosis
from tasks.aliases import ensure_alias, shift_traffic
from tasks.changes import Rollout
from tasks.diagnosing.leaving import leave
from tasks.diagnosing.letter import verdict_of
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import Diagnosis, Remedy
from tasks.diagnosing.steps import examine
from tasks.diagnosing.subject import last_good_version
from tasks.gateway import ensure_api
from tasks.logs import ensure_log_group
from tasks.permissions import ensure_permission
from tasks.releases import require_none_running
from tasks.restoring import ensure_variables, secret_arns
from tasks.roles import ensure_role
from tasks.secrets import ensure_secrets
from tasks.variables import blotter

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
Checks = Annotated[Sequence[str], Shown("The checks of a smoke test that failed, where that is why it is asked.")]


def run_name() -> str:
    """`diagnose local`, `diagnose local https://…`."""
    given: dict[str, Any] = runtime.flow_run.parameters
    return " ".join(filter(None, ["diagnose", str(given.get("environment", "")), str(given.get("target") or "")[:120]]))


@flow(name="diagnose", flow_run_name=run_name)
async def diagnose(
    environment: EnvironmentName = "local",
    target: Target = "",
    source: Source = "",
    fix: FixIt = False,
    checks: Checks = (),
) -> State[None]:
    """Find the cause, and say how to mend it."""
    block = await load_environment(environment)
    asking = Rollout(block, block.aws(planning=True, besides=INVOKING))
    look = Look(asking, target, source, ROOT, blotter(asking))
    found = examine(look)
    await leave(found, block, DIAGNOSES)  # before a person is asked to approve what follows from it
    if fix and found.remedies:
        done = await mend(environment, found)
        found = replace(examine(look), mended=done)
        await leave(found, block, DIAGNOSES)
    tell_diagnosis(found, block, checks)
    return Completed(message=verdict_of(found, checks))


async def mend(environment: str, found: Diagnosis) -> tuple[str, ...]:
    """Apply the safe remedies, after their plan; what was done, in words."""
    async with opened(environment) as rollout:
        async for turn in turns(rollout, plan_first=True):
            for name in found.remedies:
                await REMEDIES[name](turn, found)
    return (f"it was: {found.headline}", *(shorten(str(change), 160, placeholder=" …") for change in rollout.changes))


async def give_permission(rollout: Rollout, found: Diagnosis) -> None:
    ensure_permission(rollout, found.facts.subject.api_id)


async def put_api_back(rollout: Rollout, found: Diagnosis) -> None:
    names = rollout.environment.names
    alias = rollout.aws.arn("lambda", f"function:{names.function}:{names.alias}")
    ensure_api(rollout, alias, patience=5.0)  # what else is wrong is the next look's to say


async def make_alias(rollout: Rollout, found: Diagnosis) -> None:
    """On the version of the last good release that is still there, else the newest."""
    good = last_good_version(rollout)
    ensure_alias(rollout, good or found.facts.alias.newest)


async def give_variables(rollout: Rollout, found: Diagnosis) -> None:
    """A release of its own: a version with the same code, which gets the traffic and can be rolled back."""
    require_none_running(rollout)
    contract = found.facts.contract
    async with recorded(rollout, source=found.facts.subject.source) as record:
        record.version = ensure_variables(rollout, sorted({*contract.absent, *contract.unset} & contract.known))
        shift_traffic(rollout, record.version.version, undoable=record.undoable)


async def give_rights(rollout: Rollout, found: Diagnosis) -> None:
    ensure_role(rollout, secret_arns(rollout), keep_strays=True)


async def make_log_group(rollout: Rollout, found: Diagnosis) -> None:
    ensure_log_group(rollout, rollout.environment.names.function_logs)


async def restore_secrets(rollout: Rollout, found: Diagnosis) -> None:
    ensure_secrets(rollout)


REMEDIES: Mapping[Remedy, Callable[[Rollout, Diagnosis], Awaitable[None]]] = {
    "alias": make_alias,
    "api": put_api_back,
    "permission": give_permission,
    "secrets": restore_secrets,
    "variables": give_variables,
    "role": give_rights,
    "logs": make_log_group,
}
"""What `fix` may do. Each puts back a part as a release leaves it; what a person may have meant, such as a reserved
concurrency of 0, is not among them."""
