"""A release's AWS work in its flow, against the same calls from one warm boto3 process and from the aws CLI.

The cloud is in this process and the client in another, so neither slows the other down; resources settle at once, as
waiting is not work. Rounds alternate; a round of the first kind begins with an empty account.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from localcloud.cloud import Cloud, Timings
from localcloud.postgres import Postgres
from localcloud.prefect_settings import FLOW_RUN, RECORDER, prefect_settings
from tests.bench.results import Result

ROUNDS = 5
CLI_COMMANDS = (
    ("sts", "get-caller-identity"),
    ("rds", "describe-db-instances"),
    ("lambda", "list-functions"),
    ("iam", "list-roles"),
)


class Client:
    """The other process: `flow` or `boto3`, answered by seconds and calls."""

    def __init__(self, cloud: Cloud, postgres: Postgres, work: Path) -> None:
        places = [cloud.aws_endpoint, cloud.api_endpoint, f"127.0.0.1:{postgres.port}", str(work)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.release_calls", *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(work.parent / "client.log").open("w"),
            text=True,
            env={**os.environ, **worker_settings(work.parent)},
        )
        while self.read() != "ready":
            pass

    def ask(self, word: str) -> tuple[float, int]:
        assert self.process.stdin
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        seconds, calls = self.read().split()
        return float(seconds), int(calls)

    def read(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with {self.process.wait()}")
        return line.strip()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


def worker_settings(home: Path) -> dict[str, str]:
    """The settings of a flow run of `miyabi up`, and of its server as far as they do not place it."""
    settings = prefect_settings(home, {"prefect": 0}) | FLOW_RUN | RECORDER
    return {name: value for name, value in settings.items() if name not in ("PREFECT_API_URL", "PREFECT_HOME")}


def bench(postgres: Postgres, *, rounds: int = ROUNDS) -> list[Result]:
    """The table's lines."""
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder, "cloud"), postgres=postgres, timings=Timings(database=0, function=0))
        cloud.start()
        client = Client(cloud, postgres, Path(folder, "work"))
        try:
            first = [round_on_empty_account(cloud, client) for _ in range(rounds)]
            again = [(client.ask("flow"), client.ask("boto3")) for _ in range(rounds)]
            cli = seconds_of_a_cli_call(cloud)
        finally:
            client.close()
            cloud.stop()
    results = []
    for name, pairs in (("first release", first), ("no change", again)):
        ours, boto3 = (1000 * median(pair[side][0] for pair in pairs) for side in (0, 1))
        calls = pairs[-1][0][1]
        results.append(Result(f"AWS work, {name}, {calls} calls", ours, boto3, "warm boto3", ours / boto3, 2.0, "<="))
        by_cli = 1000 * cli * calls
        peer = "aws CLI, a process a call"
        results.append(Result(f"AWS work, {name}, speed", ours, by_cli, peer, by_cli / ours, 30.0, ">="))
    return results


def round_on_empty_account(cloud: Cloud, client: Client) -> tuple[tuple[float, int], tuple[float, int]]:
    cloud.reset()
    ours = client.ask("flow")
    cloud.reset()
    return ours, client.ask("boto3")


def seconds_of_a_cli_call(cloud: Cloud) -> float:
    """The median over some quick commands."""
    aws = Path(sys.executable).with_name("aws")
    times = []
    for command in CLI_COMMANDS * 2:
        began = time.perf_counter()
        subprocess.run(
            [aws, "--endpoint-url", cloud.aws_endpoint, "--region", cloud.region, *command],
            check=True,
            capture_output=True,
            env={"PATH": "", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"},
        )
        times.append(time.perf_counter() - began)
    return median(times)
