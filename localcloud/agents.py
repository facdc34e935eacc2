"""The local agent worker and dispatcher: `python -m localcloud.agents [--roles ROLES]`, run by the supervisor.

Becomes `deployments.agents` when `miyabi up` is through: its imports take 2 seconds of a processor, which `up` and the
registration after it need themselves.
"""

import fcntl
import os
import sys
from pathlib import Path


def wait_for_up(home: Path) -> None:
    """Return when nobody holds the lock of `up` and `down` (deployments/stack.py)."""
    with (home / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


if __name__ == "__main__":
    wait_for_up(Path(os.environ["MIYABI_HOME"]))
    os.execv(sys.executable, [sys.executable, "-m", "deployments.agents", "--environment", "local", *sys.argv[1:]])
