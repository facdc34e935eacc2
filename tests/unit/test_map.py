"""The map of the house, checked: deployments, flows, files and the README name the same things."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from deployments.cli import main
from deployments.configuring.entries import BadDeployments, flow_of, full_name, read_deployments
from deployments.environment_files import environment_names, read_file

ROOT = Path(__file__).parents[2]
SHARED = {
    "__init__",
    "approving",
    "excluding",
    "opening",
    "parameters",
    "recording",
    "rollback_guard",
    "smoke_history",
    "telling",
    "watching",
}
FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("*.py") if path.stem not in SHARED)


def test_every_flow_has_a_button_in_every_environment() -> None:
    entries = read_deployments()
    assert {full_name(entry) for entry in entries} == {
        f"{flow.replace('_', '-')}/{environment}" for flow in FLOWS for environment in environment_names()
    }
    for entry in entries:
        assert entry["parameters"]["environment"] == entry["name"]
        assert entry["entrypoint"] == "flows.{0}.{0}".format(entry["entrypoint"].rsplit(".", 1)[-1])


IN_TURN = {"release", "load-test"}
SCHEDULED = {"smoke-test": "*/15 * * * *", "check-drift": "40 4 * * *", "report": "0 6 * * 1", "run-agent": "* * * * *"}


def test_a_release_waits_its_turn_what_looks_is_asked_once_and_a_question_waits_for_nobody() -> None:
    for entry in read_deployments():
        flow = full_name(entry).partition("/")[0]
        limit = entry.get("concurrency_limit") or {}
        if flow in IN_TURN:
            assert limit == {"limit": 1, "collision_strategy": "ENQUEUE"}, flow
        elif flow in SCHEDULED and flow != "run-agent":
            assert limit == {"limit": 1, "collision_strategy": "CANCEL_NEW"}, flow
        elif flow == "plan" or "plan_only" in flow_of(entry).parameters.properties:
            assert limit == {}, flow
        assert entry["work_pool"]["name"] == ("agents" if flow == "run-agent" else "local")
        assert entry["tags"][-1] == entry["name"]
        assert len(entry["description"]) < 120


def test_schedules_are_the_same_everywhere_but_on_a_laptop() -> None:
    for entry in read_deployments():
        flow, _, environment = full_name(entry).partition("/")
        for schedule in entry.get("schedules", []):
            if flow in SCHEDULED:
                assert (schedule["cron"], schedule["timezone"]) == (SCHEDULED[flow], "UTC")
            assert schedule.get("active", True) is not (flow == "run-agent" and environment == "local")
        assert bool(entry.get("schedules")) >= (flow in SCHEDULED)
    (smoke,) = [entry for entry in read_deployments() if full_name(entry) == "smoke-test/local"]
    assert smoke["schedules"][0]["parameters"] == {"quick": True}  # nothing is made, and no browser is started


def test_forms_explain_every_parameter() -> None:
    for entry in read_deployments():
        for name, schema in flow_of(entry).parameters.properties.items():
            assert schema.get("description"), f"{full_name(entry)}: {name}"


def test_bad_schedules_are_refused(tmp_path: Path) -> None:
    entry = {"name": "local", "entrypoint": "flows.report.report", "work_pool": {"name": "local"}}
    bad = [{"cron": "61 * * * *", "timezone": "UTC"}, {"slug": "b", "cron": "0 * * * *", "parameters": {"x": 1}}]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [{**entry, "schedules": bad}]}))
    with pytest.raises(BadDeployments) as caught:
        read_deployments(tmp_path / "prefect.yaml")
    for problem in ("'?' needs a slug", "'?': ", "'b' needs a timezone", "'b': the flow has no parameter 'x'"):
        assert problem in str(caught.value)


def test_destroying_production_is_hard() -> None:
    """The button only plans; beyond it stand the name to type, the database's protection and a person's approval."""
    (button,) = [entry for entry in read_deployments() if full_name(entry) == "teardown/production"]
    assert button["parameters"] == {"environment": "production", "confirm": "", "plan_only": True}
    production = read_file("production")
    assert production["approval"]
    assert production["database"]["deletion_protection"]


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_a_table_of_contents(name: str) -> None:
    tree = ast.parse((ROOT / "flows" / f"{name}.py").read_text())
    flow = next(node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == name)
    assert ast.get_docstring(tree)
    assert ast.get_docstring(flow)
    assert flow.end_lineno is not None
    assert flow.end_lineno - flow.lineno <= 40


def test_no_file_is_named_like_a_module_of_others() -> None:
    """Prefect may import a flow file as a top-level module."""
    import sys

    assert not set(FLOWS) & set(sys.stdlib_module_names)


def test_matplotlib_is_imported_by_whoever_draws_and_when_he_does() -> None:
    """It takes half a second, which each flow run would pay."""
    drawing = [
        path for path in (ROOT / "tasks").rglob("*.py") if re.search(r"^from matplotlib", path.read_text(), re.M)
    ]
    names = "|".join(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in drawing)
    assert names.count("|") == 2
    sources = [path for folder in ("tasks", "flows") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in sources if re.search(rf"^from ({names}) import", path.read_text(), re.M)] == []


def test_misspelt_deployments_are_refused_with_all_problems(tmp_path: Path) -> None:
    """Prefect would accept each of these and then not do it."""
    entry = {
        "name": "local",
        "entrypoint": "flows.release.release",
        "parametrs": {},
        "parameters": {"envrionment": "x"},
    }
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [entry, entry]}))
    with pytest.raises(BadDeployments) as caught:
        read_deployments(tmp_path / "prefect.yaml")
    for problem in ("unknown key 'parametrs'", "no parameter 'envrionment'", "release/local stands there twice"):
        assert problem in str(caught.value)


def test_nothing_is_templated_outside_pull() -> None:
    """Prefect resolves blocks and variables at deploy time and stores the plain text."""
    data = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert "{{" not in yaml.safe_dump(data["deployments"]) + yaml.safe_dump(data["definitions"])


def test_the_readme_names_every_command_and_folder() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in main.commands:
        assert f"miyabi {command}" in readme, command
    for folder in re.findall(r"^(\w+)/", readme, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
    for link in re.findall(r"\]\((docs/[^)]+)\)", readme):
        assert (ROOT / link).is_file(), link
