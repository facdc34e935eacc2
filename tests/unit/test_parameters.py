"""What the form behind *Run* says: Prefect stores a flow's parameter schema, and its UI shows nothing else."""

import importlib
from typing import Any

import pytest

from deployments.environment_files import environment_names
from tests.unit.test_map import FLOWS


def properties(flow: str) -> dict[str, Any]:
    """The schema of the flow's parameters, as `prefect deploy` sends it."""
    return dict(getattr(importlib.import_module(f"flows.{flow}"), flow).parameters.properties)


@pytest.mark.parametrize("flow", FLOWS)
def test_every_parameter_has_its_name_and_a_sentence(flow: str) -> None:
    for name, schema in properties(flow).items():
        assert schema["title"] == name
        assert schema.get("description", "").endswith("."), f"{flow} says nothing about {name!r}"


@pytest.mark.parametrize("flow", ["release", "rollback", "teardown"])
def test_the_environment_is_chosen_among_those_that_have_a_file(flow: str) -> None:
    assert properties(flow)["environment"]["enum"] == environment_names()


def test_bounds_stand_in_the_schema() -> None:
    assert properties("release")["source"]["pattern"] == "^(python|rust|zip):.+$"
    assert {"type": "integer", "minimum": 0} in properties("migrate")["target_version"]["anyOf"]
