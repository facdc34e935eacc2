"""A process with everything imported that forks a child per flow run.

A sweep runs a release two hundred times and kills half of them. Importing Prefect and boto3 takes two seconds, reading
the models of eight AWS services half a second, and a fork two milliseconds, so the child starts ready. `Zygote` is the
parent's handle; `main` is the process.
"""

import asyncio
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM = (
    "flows.release", "flows.teardown", "flows.rollback", "flows.deploy_frontend", "psycopg", "boto3", "httpx",
    # what Prefect imports only when a flow runs
    "anyio._backends._asyncio", "fastapi", "prefect.concurrency._sync", "prefect.task_engine",
    "prefect.utilities.visualization",
)  # fmt: skip
SERVICES = (
    "apigatewayv2", "cloudfront", "cloudwatch", "ec2", "iam", "lambda", "logs", "rds", "s3", "secretsmanager", "sns",
    "sts",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a run ended: 0 done, 1 failed, -9 killed; and the error's text."""

    code: int
    error: str


class Zygote:
    """Runs flows in forked children. `run` tells the child's pid to `started` before the flow begins."""

    def __init__(self, environment: Mapping[str, str], errors: Path) -> None:
        self.errors, self.environment = errors, dict(environment)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        """In a group of its own, so that ending it ends the child, too."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.release.zygote", str(self.errors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, flow: str, started: Callable[[int], None] = lambda pid: None, **parameters: Any) -> Ended:
        """Run `flows.<flow>` with these parameters in a child of its own, to its end.

        One that is broken off, by a test's time limit, takes the process with it: its answers would be the next one's.
        """
        try:
            return self._run(flow, started, parameters)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.close()
            self._process = self._start()
            raise

    def _run(self, flow: str, started: Callable[[int], None], parameters: Mapping[str, Any]) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        self.errors.write_text("")
        self._process.stdin.write(json.dumps({"flow": flow, "parameters": dict(parameters)}) + "\n")
        self._process.stdin.flush()
        started(int(self._answer()))
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return Ended(int(self._answer()), self.errors.read_text())

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the zygote died with {self._process.wait()}")
        return line


def main() -> None:
    """Fork a child for each job read from standard input; answer its pid, then its exit code."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a flow prints is not an answer
    warm_up()
    while line := sys.stdin.readline():
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            sys.stdin.readline()  # the parent has the pid: go
            os._exit(run(job, Path(sys.argv[1])))
        print(pid, file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def warm_up() -> None:
    """Import what a run imports, and read what its AWS clients read."""
    for module in WARM:
        importlib.import_module(module)
    import boto3

    from blocks.aws import MODELS

    session = boto3.Session(aws_access_key_id="warm", aws_secret_access_key="up", region_name="us-east-1")
    session._session.register_component("data_loader", MODELS)
    for service in SERVICES:
        session.client(service)
    gc.disable()  # a child lives for a second, and a collection would copy every page


def run(job: dict[str, Any], errors: Path) -> int:
    flow = getattr(importlib.import_module(f"flows.{job['flow']}"), job["flow"])
    try:
        asyncio.run(flow(**job["parameters"]))
    except BaseException:
        errors.write_text(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    main()
