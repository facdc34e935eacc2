"""Site sync against `aws s3 sync`: 500 files, 20 MB, both as whole programs, on the same embedded cloud, in turns.

The cloud runs in a process of its own. First upload into an empty bucket, then again with nothing changed; the requests
of both sides are counted, and ours must not be more.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import boto3
import httpx

from localcloud.ports import free_port
from tests.bench.results import Result

FILES, BYTES, ROUNDS = 500, 20_000_000, 5
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
TARGETS = {"first upload": 0.8, "no change": 0.5}
Command = Callable[[str, str, Path], Sequence[str]]


def ours(endpoint: str, bucket: str, folder: Path) -> Sequence[str]:
    return [sys.executable, "-m", "tests.bench.site_once", endpoint, bucket, str(folder)]


def theirs(endpoint: str, bucket: str, folder: Path) -> Sequence[str]:
    aws = str(Path(sys.executable).with_name("aws"))
    return [aws, "--endpoint-url", endpoint, "s3", "sync", "--only-show-errors", str(folder), f"s3://{bucket}"]


def bench(*, rounds: int = ROUNDS) -> list[Result]:
    """The table's lines."""
    with tempfile.TemporaryDirectory() as folder, cloud(Path(folder, "cloud")) as endpoint:
        site = write_site(Path(folder, "site"))
        times: dict[str, list[tuple[float, float]]] = {what: [] for what in TARGETS}
        requests: dict[str, tuple[int, int]] = {}
        for number in range(rounds):
            sides = [timed(command, endpoint, f"bench-{name}-{number}", site) for name, command in PEERS]
            for index, what in enumerate(TARGETS):
                times[what].append((sides[0][index][0], sides[1][index][0]))
                requests[what] = (sides[0][index][1], sides[1][index][1])
    results = []
    for what, goal in TARGETS.items():
        us, peer = (1000 * median(pair[side] for pair in times[what]) for side in (0, 1))
        mine, other = requests[what]
        name = f"site sync, {what}, {mine} requests to {other}"
        results.append(Result(name, us, peer, "aws s3 sync", us / peer, goal, "<="))
    return results


PEERS: tuple[tuple[str, Command], ...] = (("ours", ours), ("aws", theirs))


def timed(command: Command, endpoint: str, bucket: str, site: Path) -> list[tuple[float, int]]:
    """Seconds and requests of a first sync into a new bucket, and of the same again."""
    keys = {name.lower(): value for name, value in KEYS.items() if name.endswith(("KEY", "KEY_ID"))}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=bucket)
    measured = []
    for _ in TARGETS:
        httpx.delete(f"{endpoint}/_cloud/calls")
        began = time.perf_counter()
        subprocess.run(command(endpoint, bucket, site), check=True, env={**os.environ, **KEYS})
        seconds = time.perf_counter() - began
        measured.append((seconds, len(httpx.get(f"{endpoint}/_cloud/calls").json())))
    return measured


def write_site(folder: Path) -> Path:
    """Files of many sizes, 20 MB in all: most are small, a few are large."""
    draw = random.Random(7)
    weights = [draw.lognormvariate(0, 1) for _ in range(FILES)]
    for number, weight in enumerate(weights):
        place = folder / ("assets" if number else ".") / (f"part-{number:08x}.js" if number else "index.html")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(draw.randbytes(int(BYTES * weight / sum(weights))))
    return folder


@contextmanager
def cloud(home: Path) -> Iterator[str]:
    """An embedded cloud in a process of its own; its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "localcloud.cloud", "--home", str(home), "--aws-port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        endpoint = f"http://127.0.0.1:{port}"
        try:
            wait_for(endpoint)
            yield endpoint
        finally:
            process.terminate()


def wait_for(endpoint: str) -> None:
    for _ in range(1200):
        try:
            httpx.get(f"{endpoint}/_cloud/health")
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the embedded cloud did not come up")


if __name__ == "__main__":
    for result in bench():
        print(result)
