"""What `POST /agents/execute` takes: the input is checked against the agent's own model, and every problem is told.

What is kept is the input as it was sent: the agent worker reads it with the same model, whose defaults may have changed
by then, and the same request twice is the same row.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ConfigDict, Field, JsonValue, ValidationInfo, field_validator

from api.bodies import Body, Id
from database.agent_models import MAX_INPUT_BYTES
from database.agents import AGENTS, find
from database.execution_rows import Request


class Options(Body):
    use_worktree: bool = False
    auto_pr: bool = False
    slack_notify: bool = False


def with_nul(value: JsonValue, place: str) -> Iterator[str]:
    """Where in an input a text has a NUL."""
    match value:
        case str() if "\0" in value:
            yield place.removeprefix(".") or "it"
        case dict():
            for key, part in value.items():
                yield from ("a name",) if "\0" in key else with_nul(part, f"{place}.{key}")
        case list():
            for number, part in enumerate(value):
                yield from with_nul(part, f"{place}.{number}")


class NewExecution(Body):
    """`GET /agents/{agent_type}` has the schema of `input`. Any name of the agent will do."""

    model_config = ConfigDict(validate_default=True)

    repository_id: Id
    agent_type: str
    issue_number: int | None = Field(None, ge=1, le=2**31 - 1)
    priority: Literal["P0", "P1", "P2", "P3"] = "P2"
    options: Options = Options()
    input: dict[str, JsonValue] = Field({})

    @field_validator("agent_type")
    @classmethod
    def is_known(cls, agent_type: str) -> str:
        known = find(agent_type)
        if known is None:
            raise ValueError(f"no such agent; there are {', '.join(AGENTS)}")
        return known.id

    @field_validator("input")
    @classmethod
    def is_small(cls, input: dict[str, JsonValue]) -> dict[str, JsonValue]:
        size = len(json.dumps(input, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        if size > MAX_INPUT_BYTES:
            raise ValueError(f"an input has at most {MAX_INPUT_BYTES} bytes as JSON, this one has {size}")
        return input

    @field_validator("input")
    @classmethod
    def suits_the_agent(cls, input: dict[str, JsonValue], others: ValidationInfo) -> dict[str, JsonValue]:
        """pydantic gives the problems that the agent's model has with it their places in this body."""
        if found := next(with_nul(input, ""), None):
            raise ValueError(f"{found} contains the character NUL, which Postgres cannot keep")
        if (agent := AGENTS.get(others.data.get("agent_type", ""))) is None:
            return input
        agent.check(input)
        if "issue_number" in others.data and (lacking := agent.lacks(others.data["issue_number"], input)):
            raise ValueError(lacking)
        return input

    def request(self) -> Request:
        values: dict[str, Any] = self.model_dump()
        return Request(**values, max_attempts=AGENTS[self.agent_type].max_attempts)
