"""The README's commands, as a newcomer types them. The tests stand in their order."""

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest

from localcloud.state import load_state
from tests.e2e.machine import BIN, ROOT, Machine, until


def health(machine: Machine) -> httpx.Response:
    return machine.http.get(f"{machine.status()['api_url']}/api/v1/health")


def test_make_release(machine: Machine) -> None:
    output = machine.run("make", "release")
    assert "Release local: succeeded" in output
    run = machine.releases()[0]
    assert run["state_type"] == "COMPLETED"
    assert run["name"].startswith("release local ")
    answer = health(machine)
    assert answer.status_code == 200
    assert answer.json()["schema_version"] == max(int(p.name.split("_")[0]) for p in ROOT.glob("migrations/*.sql"))


def test_aws_cli_and_sql_see_what_the_flow_made(machine: Machine) -> None:
    alias = machine.aws("lambda", "get-alias", "--function-name", "miyabi-api-local", "--name", "live")
    machine.version = alias["FunctionVersion"]
    database = machine.aws("rds", "describe-db-instances", "--db-instance-identifier", "miyabi-postgres-local")
    assert database["DBInstances"][0]["EngineVersion"] == "15.15"
    with psycopg.connect(machine.status()["database_url"]) as connection:
        row = connection.execute("SELECT status, lambda_version_after FROM releases").fetchone()
        assert row == ("succeeded", machine.version)


def test_a_plan_shows_no_change(machine: Machine) -> None:
    assert "everything is as it should be" in machine.run(BIN / "miyabi", "plan")


def test_the_second_release_changes_nothing(machine: Machine) -> None:
    assert "(unchanged)" in machine.run("make", "release")
    versions = machine.aws("lambda", "list-versions-by-function", "--function-name", "miyabi-api-local")["Versions"]
    assert [v["Version"] for v in versions if v["Version"] != "$LATEST"] == [machine.version]


def test_a_report_for_machines_has_all_its_tables(machine: Machine) -> None:
    told = json.loads(machine.run(BIN / "miyabi", "report", "--json"))
    assert told["state"] == "Completed"
    assert {row["standing"] for row in told["components"]} == {"working"}
    assert told["costs"][-1]["component"] == "Total"
    assert told["report"]["progress"]["done"] == len(told["components"]) == len(told["report"]["components"])
    assert {row["what"] for row in told["drift"]} == {"releases the record of releases"}  # the second one's
    assert told["findings"]


def test_migrate_info_speaks_as_sqlx_does(machine: Machine) -> None:
    machine.environment["DATABASE_URL"] = machine.status()["database_url"]
    output = machine.run(BIN / "miyabi", "migrate", "--info")
    assert "20251024000000/installed initial schema" in output
    assert machine.run(BIN / "miyabi", "migrate", "--dry-run") == "No migrations to apply\n"
    del machine.environment["DATABASE_URL"]
    assert "20251024000000/installed initial schema" in machine.run(BIN / "miyabi", "migrate", "--info")


@pytest.mark.parametrize("deployment", ["smoke-test/local", "rollback/local"])
def test_prefects_own_command_runs_the_other_flows(machine: Machine, deployment: str) -> None:
    machine.environment["PREFECT_API_URL"] = machine.status()["prefect_api"]
    output = machine.run(BIN / "prefect", "deployment", "run", deployment, "--watch")
    del machine.environment["PREFECT_API_URL"]
    assert "finished successfully" in output


def test_a_rollback_of_the_first_release_says_that_there_is_nothing_to_put_back(machine: Machine) -> None:
    api = machine.status()["prefect_api"]
    said = "stays where it is: there is nothing to put back"
    rollbacks = {"flows": {"name": {"any_": ["rollback"]}}, "sort": "EXPECTED_START_TIME_DESC"}
    state = machine.http.post(f"{api}/flow_runs/filter", json=rollbacks).json()[0]["state"]
    assert (state["name"], said in state["message"]) == ("NotDone", True)
    (row,) = json.loads(machine.http.get(f"{api}/artifacts/changes-local/latest").json()["data"])
    assert said in row["why"]


def test_an_agent_works(machine: Machine) -> None:
    """Its row and its flow run know each other, and both say that it is done."""
    asked = ["--repository", "me/shop", "--follow", "--input", '{"issue": {"title": "Login fails"}}']
    assert "issue me/shop: completed" in machine.run(BIN / "miyabi", "agents", "run", "issue", *asked)
    assert "me/shop" in machine.run(BIN / "miyabi", "agents", "list")
    with psycopg.connect(machine.status()["database_url"]) as connection:
        query = (
            "SELECT e.id, e.flow_run_id FROM agent_executions AS e JOIN repositories AS r ON r.id = e.repository_id "
            "WHERE e.status = 'completed' AND r.full_name = 'me/shop'"
        )
        ((execution, flow_run),) = connection.execute(query).fetchall()
    run = machine.http.get(f"{machine.status()['prefect_api']}/flow_runs/{flow_run}").json()
    assert (run["name"], run["parameters"]["execution"]) == ("issue me/shop", str(execution))
    assert set(run["tags"]) == {"agent", "local", "agent:issue", "repository:me/shop"}


def test_an_unknown_environment_is_wrong_usage(machine: Machine) -> None:
    done = machine.shell(BIN / "miyabi", "release", "--environment", "nosuch")
    assert done.returncode == 2
    assert (
        "there is no deployment 'release/nosuch' (environments of this flow: local, production, staging)" in done.stderr
    )


def test_scheduled_runs_appear(machine: Machine) -> None:
    """With SQLAlchemy 2.1 they would not, without a word: this guards the pin."""
    api = machine.status()["prefect_api"]
    deployment = machine.http.get(f"{api}/deployments/name/smoke-test/local").json()["id"]
    schedule = {"schedule": {"cron": "0 3 1 1 *", "timezone": "UTC"}, "active": True}
    made = machine.http.post(f"{api}/deployments/{deployment}/schedules", json=[schedule]).json()[0]["id"]
    wanted = {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    until(lambda: machine.http.post(f"{api}/flow_runs/filter", json=wanted).json(), bool, patience=60)
    machine.http.delete(f"{api}/deployments/{deployment}/schedules/{made}")


def test_the_run_page_shows_the_steps(machine: Machine, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import expect, sync_playwright

    run = machine.releases()[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.goto(f"{machine.status()['prefect_ui']}/runs/flow-run/{run['id']}")
        expect(page.get_by_text(run["name"]).first).to_be_visible(timeout=30_000)
        page.get_by_role("tab", name="Task Runs").or_(page.get_by_text("Task Runs", exact=True)).first.click()
        expect(page.get_by_text("Smoke-test the version").first).to_be_visible(timeout=30_000)
        page.screenshot(path=tmp_path / "run.png")
        browser.close()


def release_until(machine: Machine, step: str) -> subprocess.Popen[str]:
    """A release that has just done a step."""
    releasing = subprocess.Popen(
        [BIN / "miyabi", "release"],
        cwd=ROOT,
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert releasing.stdout
    while step not in releasing.stdout.readline():
        assert releasing.poll() is None
    return releasing


def test_a_release_that_died_with_the_stack_is_seen_to_be_dead(machine: Machine) -> None:
    releasing = release_until(machine, "Build and check")
    machine.run(BIN / "miyabi", "down")
    output, _ = releasing.communicate()
    assert releasing.returncode == 1
    assert "running it again is safe" in output
    assert "marked Crashed" in machine.run(BIN / "miyabi", "up")


def test_the_next_one_is_not_blocked_and_outlives_prefects_server(machine: Machine) -> None:
    releasing = release_until(machine, "Build and check")
    server = load_state(machine.home).services["prefect"].process
    assert server
    os.kill(server.pid, signal.SIGKILL)
    output, _ = releasing.communicate()
    assert releasing.returncode == 0, output
    assert "‖ Prefect does not answer; waiting for it" in output
    assert "Release local: succeeded" in output
    machine.wait_well()


def test_yesterdays_resources_are_there_today_on_another_port(machine: Machine) -> None:
    """RDS endpoints never move; PostgreSQL's port does, when another program has taken it meanwhile."""
    api = machine.status()["api_url"]
    address = machine.aws("rds", "describe-db-instances")["DBInstances"][0]["Endpoint"]
    machine.run(BIN / "miyabi", "down")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", address["Port"]))
        taken.listen()
        machine.run(BIN / "miyabi", "up")
    moved = machine.aws("rds", "describe-db-instances")["DBInstances"][0]["Endpoint"]
    assert moved["Port"] != address["Port"]
    assert machine.status()["api_url"] == api
    assert health(machine).status_code == 200
    assert "everything is as it should be" in machine.run(BIN / "miyabi", "plan")
