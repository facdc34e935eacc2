"""What the form behind *Run* says: Prefect stores a flow's parameter schema, and its UI shows nothing else."""

import importlib
from typing import Any

import pytest

from deployments.configuring.entries import flow_of, full_name, read_deployments, wanted_of
from deployments.environment_files import environment_names
from flows.parameters import TITLES


def properties(flow: str) -> dict[str, Any]:
    """The schema of the flow's parameters, as `prefect deploy` sends it."""
    return dict(getattr(importlib.import_module(f"flows.{flow}"), flow).parameters.properties)


def test_every_parameter_of_every_deployment_has_a_title_in_words_and_a_sentence() -> None:
    """In what is sent to Prefect, which calls a parameter by its bare name."""
    named = set[str]()
    for entry in read_deployments():
        sent = wanted_of(entry, flow_of(entry), [])["parameter_openapi_schema"]["properties"]
        named |= set(sent)
        for name, schema in sent.items():
            assert schema["title"] == TITLES.get(name), f"{full_name(entry)}: {name}"
            assert schema["title"][0].isupper()
            assert schema.get("description", "").endswith("."), f"{full_name(entry)} says nothing about {name!r}"
    assert named == set(TITLES)
    assert len(set(TITLES.values())) == len(TITLES)


@pytest.mark.parametrize("flow", ["release", "rollback", "teardown"])
def test_the_environment_is_chosen_among_those_that_have_a_file(flow: str) -> None:
    assert properties(flow)["environment"]["enum"] == environment_names()


def test_bounds_stand_in_the_schema() -> None:
    assert properties("release")["source"]["pattern"] == "^(python|rust|zip):.+$"
    assert {"type": "integer", "minimum": 0} in properties("migrate")["target_version"]["anyOf"]
