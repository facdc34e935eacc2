"""What business agents are asked and answer: each field bounded, no unknown one taken, none that must be given."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from database.agents import AGENTS
from database.business_models import MODELS, Brief
from database.business_research import MarketSize, ModelAgent, Phase
from database.business_selling import Campaign

BOUNDS = {"string": {"maxLength", "enum", "const", "format"}, "array": {"maxItems"}, "integer": {"maximum"}}


def parts(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a schema that has a type."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield path, schema
        for key, inner in schema.items():
            yield from parts(inner, f"{path}.{key}")
    if isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from parts(inner, f"{path}.{number}")


def test_every_model_agent_has_its_models() -> None:
    assert {known.id for known in AGENTS.values() if known.kind == "model"} == MODELS.keys()
    assert len({model for pair in MODELS.values() for model in pair}) == 30


@pytest.mark.parametrize("agent", MODELS)
def test_every_field_is_bounded(agent: str) -> None:
    for model in MODELS[agent]:
        unbounded = [
            path
            for path, schema in parts(model.model_json_schema(), model.__name__)
            if schema["type"] in BOUNDS and not BOUNDS[schema["type"]] & schema.keys()
        ]
        assert unbounded == []


@pytest.mark.parametrize("agent", MODELS)
def test_no_object_takes_unknown_fields(agent: str) -> None:
    for model in MODELS[agent]:
        schemas = parts(model.model_json_schema(), model.__name__)
        assert [p for p, s in schemas if s["type"] == "object" and s["additionalProperties"]] == []


@pytest.mark.parametrize("agent", MODELS)
def test_an_input_may_be_empty(agent: str) -> None:
    """As rows of other backends are, which know of no input."""
    assert isinstance(AGENTS[agent].input.model_validate({}), Brief)


def test_all_problems_of_an_input_are_said() -> None:
    with pytest.raises(ValidationError) as caught:
        MODELS["persona"][0].model_validate({"personas_wanted": 9, "language": "tlh", "produkt": "x"})
    assert {error["loc"][0] for error in caught.value.errors()} == {"personas_wanted", "language", "produkt"}


def test_work_is_delegated_to_agents_that_exist() -> None:
    assert set(get_args(ModelAgent)) == MODELS.keys() - {"ai-entrepreneur", "discord-community"}


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (MarketSize, {"total": 5, "serviceable": 6, "obtainable": 1, "basis": "x"}, "'serviceable' (6) must not be"),
        (Phase, {"name": "x", "from_month": 4, "to_month": 3, "goal": "x", "tasks": []}, "'from_month' (4) must not"),
        (Campaign, {"name": "x", "channel": "x", "message": "x", "from_week": 2, "to_week": 1, "budget": 0,
                    "kpi": {"name": "x", "target": "x", "measured_by": "x"}}, "'from_week' (2) must not be"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(model: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert message in str(caught.value)
