"""How long a person waits: `miyabi --help`, `status`, `up` on existing state, and a release that changes nothing.

The peer is the goal itself, in seconds, so a ratio up to 1 meets it. The stack is real, in a state folder of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx

from tests.bench.results import Result

MIYABI = Path(sys.executable).with_name("miyabi")
GOALS = {"--help": 0.3, "status": 0.3, "up, existing state": 6.0, "up + release, no change": 10.0}


def bench() -> list[Result]:
    """The table's lines."""
    with tempfile.TemporaryDirectory() as folder:
        home = {"MIYABI_HOME": folder}
        try:
            run(home, "up")
            run(home, "release")
            flows = [flow_seconds(home)]
            run(home, "down")
            times = {
                "up, existing state": run(home, "up"),
                "up + release, no change": run(home, "up") + run(home, "release"),
                "--help": median(run(home, "--help") for _ in range(5)),
                "status": median(run(home, "status") for _ in range(5)),
            }
            flows.append(flow_seconds(home))
        finally:
            run(home, "down")
    first, again = (1000 * seconds for seconds in flows)
    return [
        Result("flow time, the second release", again, first, "the first one", again / first, 0.25, "<="),
    ] + [
        Result(f"miyabi {name}", 1000 * times[name], 1000 * goal, "the goal", times[name] / goal, 1.0, "<=")
        for name, goal in GOALS.items()
    ]


def flow_seconds(environment: dict[str, str]) -> float:
    """The run time of the latest release, as Prefect counts it."""
    done = subprocess.run([MIYABI, "status", "--json"], env={**os.environ, **environment}, capture_output=True)
    api = json.loads(done.stdout)["prefect_api"]
    body = {"flows": {"name": {"any_": ["release"]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}
    return float(httpx.post(f"{api}/flow_runs/filter", json=body).json()[0]["total_run_time"])


def run(environment: dict[str, str], *arguments: str) -> float:
    """Seconds of one command; its output is shown when it fails."""
    began = time.perf_counter()
    done = subprocess.run([MIYABI, *arguments], env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"miyabi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began
