"""A computer on which somebody works with Miyabi: a shell, what it printed, and what `ps` showed meanwhile."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil

from localcloud.state import load_state

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"


class Machine:
    """A shell with a state folder; remembers what an earlier test saw."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "MIYABI_HOME": str(home)}
        self.version = ""
        self.printed = ""
        """By commands that change something. `miyabi status` shows where the database is, with its password."""
        self.arguments: set[str] = set()
        """Of every process that was seen, of this machine or not."""
        self.http = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
        """Patient, and without connections that outlive a server."""
        self._status: dict[str, Any] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def begin(self) -> None:
        self._watcher.start()

    def end(self) -> None:
        """Stop the stack; nothing of it may be left."""
        self._over.set()
        self._watcher.join()
        self.http.close()
        self.run(BIN / "miyabi", "down")
        assert [line for line in processes() if str(self.home) in line] == []

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.arguments.update(processes())

    def shell(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        self._status = {}
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)

    def run(self, *command: str | Path) -> str:
        """Standard output of a command that must succeed."""
        done = self.shell(*command)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        if "status" not in command:
            self.printed += done.stdout + done.stderr
        return done.stdout

    def release(self, *options: str) -> int:
        """Release from the command line; the exit code."""
        done = self.shell(BIN / "miyabi", "release", *options)
        self.printed += done.stdout + done.stderr
        return done.returncode

    def stands(self) -> None:
        """Bring the stack up and release to it, if no test has done that before."""
        if load_state(self.home).supervisor is None:
            self.run("make", "release")

    def wait_well(self) -> None:
        """Wait until all services are, after something has befallen one of them."""
        deadline = time.monotonic() + 120
        while (done := self.shell(BIN / "miyabi", "status")).returncode:
            assert time.monotonic() < deadline, done.stdout
            time.sleep(1)

    def status(self) -> dict[str, Any]:
        """Where everything is. Asked once between two commands: what stands stays where it is."""
        if not self._status:
            self._status = json.loads(self.run(BIN / "miyabi", "status", "--json"))
        return self._status

    def client(self, service: str) -> Any:
        """To ask AWS again and again: the aws CLI is a second of CPU each time, which what is waited for lacks."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.status()["aws_endpoint"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def aws(self, *command: str) -> dict[str, Any]:
        """What the aws CLI says."""
        keys = {"AWS_ACCESS_KEY_ID": "cli", "AWS_SECRET_ACCESS_KEY": "cli", "AWS_DEFAULT_REGION": "us-east-1"}
        endpoint = self.status()["aws_endpoint"]
        done = subprocess.run(
            [BIN / "aws", "--endpoint-url", endpoint, *command], env={**self.environment, **keys}, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def releases(self) -> list[dict[str, Any]]:
        """Ended flow runs of the release, newest first."""
        body = {"flows": {"name": {"any_": ["release"]}}, "sort": "EXPECTED_START_TIME_DESC"}
        return list(self.http.post(f"{self.status()['prefect_api']}/flow_runs/filter", json=body).json())

    def change_environment(self, **changes: Any) -> None:
        """Change fields of the saved environment, and settings of its parts, as a person does in the UI."""
        script = (
            "import sys, json; from blocks.environment import Environment as E; e = E.load('local'); "
            "wanted = json.loads(sys.argv[1]); "
            "parts = {k: getattr(e, k).model_copy(update=v) if isinstance(v, dict) else v for k, v in wanted.items()}; "
            "e.model_copy(update=parts).save('local', overwrite=True)"
        )
        environment = {**self.environment, "PREFECT_API_URL": self.status()["prefect_api"]}
        command = [BIN / "python", "-c", script, json.dumps(changes)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


def until(look: Callable[[], Any], right: Callable[[Any], bool], *, patience: float = 240.0) -> Any:
    """What is found once it is right; it is looked at twice a second."""
    deadline = time.monotonic() + patience
    while not right(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def processes() -> list[str]:
    """What `ps` shows: the arguments of each process."""
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
