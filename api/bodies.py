"""What the bodies of several resources have in common."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from database.agents import AGENTS, find

LARGEST = 64 * 1024
"""Bytes of a value that is kept as it is, as JSON."""
T = TypeVar("T")


class Body(BaseModel):
    """What all bodies share: unknown fields are refused, and `"7"` and `true` are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True)


Id = Annotated[UUID, Field(strict=False)]
"""JSON has no UUIDs, only texts."""
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")]
Description = Annotated[str, Field(max_length=60_000)]


@dataclass(frozen=True)
class Done:
    """The answer of what has nothing else to say."""

    message: str


def small(value: T) -> T:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if size > LARGEST:
        raise ValueError(f"it has at most {LARGEST} bytes as JSON, this one has {size}")
    return value


Object = Annotated[dict[str, JsonValue], AfterValidator(small)]


def agent_id(name: str) -> str:
    """The id of an agent, by any of its names."""
    if (agent := find(name)) is None:
        raise ValueError(f"no such agent; there are {', '.join(AGENTS)}")
    return agent.id


AgentName = Annotated[str, Field(max_length=100), AfterValidator(agent_id)]


def not_null(value: T | None) -> T:
    """A field that is left out is not checked."""
    if value is None:
        raise ValueError("it cannot be null; leave it out to keep it")
    return value


def without_null(schema: dict[str, Any]) -> None:
    """What the description says of a field that `not_null` checks."""
    del schema["default"]
    (kind,) = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
    schema.update(kind)


Kept = Annotated[T | None, AfterValidator(not_null), Field(json_schema_extra=without_null)]
"""For fields that may be left out of a change, and not be emptied: `name: Kept[Name] = None`."""


def changes(body: Body) -> dict[str, Any]:
    """The fields that the caller sent."""
    return body.model_dump(exclude_unset=True)
