"""The parameters of flows: types that check a value, and the words beside it in the form behind *Run* in the UI.

Prefect makes that form from a JSON schema, at deploy time, and puts a Field of its own over ours, with the bare name as
title and without a description (`process_v2_params`). `Shown` writes into the schema below that Field, so its words
stay, the same in every flow. A flow's own parameters use it in the same way. What each is called stands in TITLES, and
is put over Prefect's title where deployments are configured (deployments/configuring/entries.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from flows.opening import ROOT

ENVIRONMENTS = tuple(sorted(path.stem for path in (ROOT / "deployments" / "environments").glob("*.toml")))

TITLES = {
    "environment": "Environment",
    "source": "Source of the backend",
    "site": "Site",
    "adopt": "Take over what is there",
    "plan_only": "Only plan",
    "reset_password": "Reset the database's password",
    "directory": "Folder of migrations",
    "target_version": "Up to this version",
    "info": "Only list migrations",
    "ignore_missing": "Pass over missing files",
    "suite": "Suites",
    "quick": "Only quick checks",
    "profile": "Profile of the load",
    "duration_s": "Duration in seconds",
    "rate": "Requests a second",
    "users": "Users at a time",
    "confirm": "The environment again",
    "assume": "Assumed usage",
    "refresh": "Ask AWS for prices",
    "target": "What to look at",
    "fix": "Apply safe remedies",
    "checks": "Checks that failed",
    "name": "Runbook",
    "repository": "Repository",
    "ref": "Branch, tag or commit",
    "issue": "Issue",
    "build": "Try to build",
    "only_list": "Only list",
    "backup": "Backup",
    "snapshot": "Snapshot",
    "to_time": "Point in time",
    "into": "Name of the new instance",
    "release_id": "Release to go back to",
    "only_if_failing": "Only if it fails",
    "final_snapshot": "Keep a last snapshot",
    "agent": "Agent",
    "input": "Input",
    "priority": "Priority",
    "execution": "Execution (leave empty)",
}
"""What the form calls each parameter, in all flows."""


def titled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a flow's parameters, with our titles."""
    named = {name: {**one, "title": TITLES.get(name, name)} for name, one in schema["properties"].items()}
    return {**schema, "properties": named}


@dataclass(frozen=True)
class Shown:
    """What the form says of a parameter. Prefect refuses what is not among the `choices` before it makes a run."""

    description: str
    choices: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        choices = {"enum": list(self.choices)} if self.choices else {}
        return {**handler(core), "description": self.description, **choices}


EnvironmentName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{1,20}$"),
    Shown("Where: an environment of deployments/environments.", ENVIRONMENTS),
]
SourceSpec = Annotated[
    str,
    Field(pattern=r"^(python|rust|zip):.+$"),
    Shown("What: python:FOLDER, rust:FOLDER or zip:FILE; a relative one counts from the repository."),
]
ReleasedSource = Annotated[
    str,
    Field(pattern=r"^((python|rust|zip):.+)?$"),
    Shown("Whose checks: python:FOLDER, rust:FOLDER or zip:FILE. Empty: what was released last."),
]
SiteSpec = Annotated[
    str,
    Shown("The site: site:FOLDER, from the repository unless it is a whole path. Empty: none."),
]
PlanOnly = Annotated[bool, Shown("Only show what would change. A plan cannot write.")]
Adopt = Annotated[bool, Shown("Take over resources of the right names that were not made by these flows.")]
