"""The registry: complete, without doubles, and no input that could grow without an end."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from database.agents import AGENTS, find

FLOWS = ["coordinator", "review", "issue", "deployment", "waterspider", "refresher"]
OURS = ["investigation"]
COMMANDS = ["codegen", "pr", "autofix"]


def test_kinds_and_colours_are_the_mission_s() -> None:
    assert sorted(agent.id for agent in AGENTS.values() if agent.kind == "flow") == sorted(FLOWS + OURS)
    assert len(AGENTS) - len(OURS) == 24
    assert sorted(agent.id for agent in AGENTS.values() if agent.isolated) == sorted(COMMANDS)
    assert {agent.kind for agent in AGENTS.values() if agent.category != "coding"} == {"model"}
    of_the_documents = [agent for agent in AGENTS.values() if agent.character]
    assert Counter(agent.colour for agent in of_the_documents)["red"] == 2
    assert [agent.id for agent in AGENTS.values() if not agent.character] == [
        "autofix", "waterspider", "discord-community", *OURS,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["codegen", "CodeGenAgent", "codegenagent", "codegen-agent", "つくるん"])
def test_an_agent_is_found_by_any_of_its_names(name: str) -> None:
    assert find(name) is AGENTS["codegen"]


def test_nobody_is_found_by_another_s_name() -> None:
    assert find("つくろん") is AGENTS["product-concept"]
    for agent in AGENTS.values():
        assert {find(name) for name in (agent.id, agent.name, f"{agent.id}-agent")} == {agent}
    assert find("jonathan-ive-design") is None
    assert find("") is None


def test_a_label_starts_one_agent() -> None:
    labels = [label for agent in AGENTS.values() for label in agent.triggers]
    assert len(labels) == len(set(labels))
    assert {"agent:codegen", "trigger:agent-execute", "trigger:deploy-staging", "trigger:deploy-production",
            "trigger:auto-merge"} <= set(labels)  # fmt: skip


@pytest.mark.parametrize("agent_id", AGENTS)
def test_an_input_that_another_backend_left_empty_is_understood(agent_id: str) -> None:
    agent = AGENTS[agent_id]
    assert agent.input.model_validate({}).model_dump(mode="json").keys() == agent.input.model_fields.keys()
    assert agent.lacks(270, {}) is None
    json.dumps(agent.output.model_json_schema())


@pytest.mark.parametrize("agent_id", AGENTS)
def test_every_part_of_an_input_has_a_bound(agent_id: str) -> None:
    schema = AGENTS[agent_id].input.model_json_schema()
    endless = [path for path, part in parts(schema, agent_id) if is_endless(part)]
    assert endless == []


def parts(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All subschemas with where they are."""
    if isinstance(schema, dict):
        yield path, schema
        for key, part in schema.items():
            yield from parts(part, f"{path}.{key}")
    if isinstance(schema, list):
        for part in schema:
            yield from parts(part, path)


def is_endless(part: dict[str, Any]) -> bool:
    match part.get("type"):
        case "string":
            return not part.keys() & {"maxLength", "enum", "const", "format", "pattern"}
        case "array":
            return "maxItems" not in part
        case "integer":
            return not part.keys() >= {"minimum", "maximum"}
        case "object":
            return part.get("additionalProperties") is not False and "maxProperties" not in part
        case _:
            return False


def test_what_an_agent_cannot_begin_without() -> None:
    assert AGENTS["codegen"].lacks(None, {"instructions": "x"})
    assert AGENTS["persona"].lacks(None, {})
    assert not AGENTS["persona"].lacks(None, {"brief": "x"})
    assert not AGENTS["waterspider"].lacks(None, {})
