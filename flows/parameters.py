"""The parameters of flows: types that check a value, and the words beside it in the form behind *Run* in the UI.

Prefect makes that form from a JSON schema, at deploy time, and puts a Field of its own over ours, without a description
(`process_v2_params`). `Shown` writes into the schema below that Field, so its words stay, the same in every flow. A
flow's own parameters use it in the same way.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from flows.opening import ROOT

ENVIRONMENTS = tuple(sorted(path.stem for path in (ROOT / "deployments" / "environments").glob("*.toml")))


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
