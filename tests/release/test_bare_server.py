"""From a Prefect server that knows nothing to one that works, by the two commands of docs/operating.md."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
LEFT_OUT = "left out 'local': the embedded cloud of one machine, known to the server that `miyabi up` starts there"


def test_two_commands_from_an_empty_server(prefect_api: str, tmp_path: Path) -> None:
    """`miyabi configure`, then a worker; what it takes first was asked for with the button of a deployment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MIYABI_", "AWS_"))}
    told = {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(tmp_path), "MIYABI_ROOT": str(ROOT)}
    environment = {**kept, **told, "MIYABI_HOME": str(tmp_path / "state")}

    def run(*command: str) -> list[str]:
        tool = Path(sys.executable).with_name(command[0])
        ended = subprocess.run([tool, *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.splitlines()

    said = run("miyabi", "configure")
    assert {"made deployment release/staging", "made automation 'staging: what is released is watched'"} < set(said)
    assert (said[-1], [line for line in said if "/local" in line]) == (LEFT_OUT, [])
    with httpx.Client(base_url=prefect_api, timeout=30) as prefect:
        pools = prefect.post("/work_pools/filter", json={}).json()
        assert {pool["name"] for pool in pools} >= {"local", "agents"}
        deployment = prefect.get("/deployments/name/investigate/staging").json()["id"]
        asked = {"parameters": {"repository": "tests/fixtures/python-lambda"}}
        asked_for = prefect.post(f"/deployments/{deployment}/create_flow_run", json=asked).json()["id"]
        run("prefect", "worker", "start", "--pool", "local", "--run-once")
        assert prefect.get(f"/flow_runs/{asked_for}").json()["state"]["type"] == "COMPLETED"
