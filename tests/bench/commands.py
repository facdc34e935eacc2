"""How long a person waits: `miyabi --help`, `status`, `up` on existing state, and a release that changes nothing.

The peer is the goal itself, in seconds, so a ratio up to 1 meets it. The stack is real, in a state folder of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

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
            run(home, "down")
            times = {
                "up, existing state": run(home, "up"),
                "up + release, no change": run(home, "up") + run(home, "release"),
                "--help": median(run(home, "--help") for _ in range(5)),
                "status": median(run(home, "status") for _ in range(5)),
            }
        finally:
            run(home, "down")
    return [
        Result(f"miyabi {name}", 1000 * times[name], 1000 * goal, "the goal", times[name] / goal, 1.0, "<=")
        for name, goal in GOALS.items()
    ]


def run(environment: dict[str, str], *arguments: str) -> float:
    """Seconds of one command; its output is shown when it fails."""
    began = time.perf_counter()
    done = subprocess.run([MIYABI, *arguments], env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"miyabi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began
