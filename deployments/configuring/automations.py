"""The automations of deployments/automations/*.yaml, brought to the server.

The files have the form of `prefect automation create --from-file`, which makes duplicates when it is run twice, with
words of ours for what is not known before: `deployment: diagnose/local` stands for a `deployment_id`; a notification
without a block goes to all that the environment's `[notify]` names; `$silence` is after how many seconds without a
heartbeat a run is dead, by the heartbeats that Prefect's settings say here. What says `$environment` is made
for each environment, but for those of `except`, and those in which the setting of `for` is off. Ours are known by their
tag; one that a person has turned off stays off.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import get_current_settings
from pydantic import ValidationError

from blocks.environment import Environment
from deployments.configuring.entries import BadDeployments
from deployments.configuring.server import LEFT_OVER, Report, Server, everything
from deployments.environment_files import ROOT

FOLDER = ROOT / "deployments" / "automations"
TAG = "miyabi"
SOME_ID = str(UUID(int=0))
HEARTBEAT_S, LATE_S = 180, 10
"""Prefect's default, and what a busy machine may add."""
READ_ONLY = {"owner_resource"}
Automation = dict[str, Any]
Blocks = Mapping[str, Sequence[str]]
"""Of each environment: the notification blocks that it names, `slack-webhook/oncall`, or their ids."""


def read_automations(environments: Sequence[Environment], folder: Path = FOLDER) -> list[Automation]:
    """All of them, one for each environment that it is for. Raises BadDeployments with all problems."""
    try:
        found = [one for path in sorted(folder.glob("*.yaml")) for one in read_file(path, environments)]
    except (yaml.YAMLError, KeyError, AttributeError, TypeError) as error:
        raise BadDeployments(f"deployments/automations cannot be read: {type(error).__name__}: {error}") from error
    problems = [problem for automation in found for problem in automation_problems(automation)]
    names = [str(automation.get("name")) for automation in found]
    problems += [f"{name!r} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise BadDeployments("\n".join(["deployments/automations:", *(f"  - {problem}" for problem in problems)]))
    return found


def read_file(path: Path, environments: Sequence[Environment]) -> Iterator[Automation]:
    text = Template(path.read_text(encoding="utf-8")).safe_substitute(silence=silence())
    for one in yaml.safe_load(text)["automations"]:
        setting, but = one.pop("for", ""), one.pop("except", [])
        if "$environment" not in json.dumps(one):
            yield {**one, "environment": None}
            continue
        for environment in environments:
            if environment.name not in but:
                off: Automation = {"actions": []} if setting and not is_on(environment, setting) else {}
                yield {**filled(one, environment.name), "environment": environment.name, **off}


def silence() -> int:
    """Seconds: three heartbeats, of which one may be late. Fewer would end runs that are well."""
    return 3 * (get_current_settings().flows.heartbeat_frequency or HEARTBEAT_S) + LATE_S


def is_on(environment: Environment, setting: str) -> bool:
    """Whether `rollback.automatic` is."""
    return bool(reduce(getattr, setting.split("."), environment))


def filled(value: Any, environment: str) -> Any:
    """The value with `$environment` in all its texts filled in."""
    if isinstance(value, str):
        return Template(value).safe_substitute(environment=environment)
    if isinstance(value, Mapping):
        return {key: filled(one, environment) for key, one in value.items()}
    return [filled(one, environment) for one in value] if isinstance(value, list) else value


def automation_problems(automation: Automation) -> list[str]:
    """What Prefect would refuse, or not understand."""
    try:
        core_of(automation, Ids({}, {}, anything=True))
    except ValidationError as error:
        return [f"{automation.get('name')!r}: {problem['loc']}: {problem['msg']}" for problem in error.errors()]
    except KeyError as missing:
        return [f"{automation.get('name')!r} has no {missing}"]
    known = set(AutomationCore.model_fields) | {"environment"}
    return [f"{automation.get('name')!r}: unknown key {key!r}" for key in sorted(set(automation) - known)]


def check_named(automations: Sequence[Automation], known: Collection[str]) -> list[str]:
    """All deployments that they name. Raises BadDeployments with those that prefect.yaml does not have."""
    named = {action["deployment"] for one in automations for action in one["actions"] if "deployment" in action}
    if missing := sorted(named - set(known)):
        listed = [f"  - there is no deployment {name!r}, which automations name" for name in missing]
        raise BadDeployments("\n".join(["prefect.yaml (each environment has the same lines there):", *listed]))
    return sorted(named)


class Ids:
    """What Prefect calls the deployments and notification blocks that automations name."""

    def __init__(self, deployments: Mapping[str, str], blocks: Blocks, *, anything: bool = False) -> None:
        self._deployments, self._blocks, self._anything = deployments, blocks, anything

    def deployment(self, name: str) -> str:
        if self._anything:
            return SOME_ID
        return self._deployments[name]

    def blocks(self, environment: str | None) -> Sequence[str]:
        return [SOME_ID] if self._anything else self._blocks.get(environment or "", [])


def core_of(automation: Automation, ids: Ids) -> AutomationCore:
    """As Prefect takes it, with ids for names. A notification that nobody gets is left out."""
    actions = [one for action in automation["actions"] for one in with_ids(action, automation["environment"], ids)]
    plain = {key: value for key, value in automation.items() if key != "environment"}
    return AutomationCore.model_validate({**plain, "actions": actions, "tags": [TAG, *automation.get("tags", [])]})


def with_ids(action: Mapping[str, Any], environment: str | None, ids: Ids) -> Iterator[dict[str, Any]]:
    given = dict(action)
    if name := given.pop("deployment", None):
        yield {**given, "deployment_id": ids.deployment(name)}
    elif given["type"] == "send-notification" and "block_document_id" not in given:
        yield from ({**given, "block_document_id": block} for block in ids.blocks(environment))
    else:
        yield given


def ensure_automations(
    server: Server, automations: Sequence[Automation], ids: Ids, report: Report, *, prune: bool
) -> None:
    """Make, change, and remove or report. One without anything to do, since nobody is to be told, is not made, and
    removed if it is there: it would go on to do what its environment does not allow any more."""
    described = {core.name: core for core in (core_of(one, ids) for one in automations)}
    wanted = {name: core for name, core in described.items() if core.actions}
    there = {one["name"]: one for one in everything(server, "/automations/filter") if TAG in one.get("tags", [])}
    for name, core in wanted.items():
        ensure(server, core, there.get(name), report)
    for name in sorted(there.keys() - wanted.keys()):
        if gone := prune or name in described:
            server.request("DELETE", f"/automations/{there[name]['id']}")
        report(f"{'removed' if gone else LEFT_OVER} automation {name!r}")


def ensure(server: Server, core: AutomationCore, have: Mapping[str, Any] | None, report: Report) -> None:
    if have is None:
        server.request("POST", "/automations/", core.model_dump(mode="json", exclude=READ_ONLY))
        return report(f"made automation {core.name!r}")
    wanted = core.model_copy(update={"enabled": have["enabled"]})
    if AutomationCore.model_validate(have) != wanted:
        server.request("PUT", f"/automations/{have['id']}", wanted.model_dump(mode="json", exclude=READ_ONLY))
        report(f"changed automation {core.name!r}")


def find_blocks(server: Server, named: Blocks, report: Report) -> dict[str, list[str]]:
    """The ids of the notification blocks that environments name; one that is missing is said, with what to do."""
    found: dict[str, list[str]] = {}
    for environment, names in named.items():
        for name in names:
            slug, _, block = name.partition("/")
            document = server.request("GET", f"/block_types/slug/{slug}/block_documents/name/{block}")
            if document is None:
                report(f"{environment} tells nobody through {name!r}: make this block in the Prefect UI, then again")
            else:
                found.setdefault(environment, []).append(document["id"])
    return found
