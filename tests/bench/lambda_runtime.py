"""The embedded Lambda with all its gateway work against two emulators, and the first answer of a cold process.

Ours does routing, permission check, throttling, START/END/REPORT lines and an access log; the peers do not. All run
four processes of the same function, 50 connections, in turns. The milliseconds shown are the 95th percentiles; the
ratio is requests a second, and its goal a lower bound.
"""

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from localcloud.cloud import Cloud
from localcloud.lambda_runtime import of
from tests.bench.lambda_sides import (
    FIXTURES,
    ROOT,
    Session,
    Side,
    cargo,
    deployed,
    plain,
    python_zip,
    status,
    wait_for,
    zip_of,
)
from tests.bench.results import Result

CONNECTIONS, SECONDS, TURNS, COLD_STARTS = 50, 1.0, 15, 11
Load = dict[str, float]


def bench() -> list[Result]:
    """The table's lines. What cannot be measured here is said on standard output."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(deployed(folder))
        results = against("awslambdaric", ours["python"], stack.enter_context(plain(folder)), "starlette", goal=1.5)
        cargo_lambda = shutil.which("cargo-lambda")
        if cargo_lambda is None:
            print("cargo-lambda is not on the PATH: the comparison with its emulator is left out")
        else:
            peer = stack.enter_context(cargo(Path(cargo_lambda), folder))
            results += against("native", ours["native"], peer, "cargo-lambda", goal=1.0)
    return results + cold()


def against(name: str, ours: Side, theirs: Side, peer: str, *, goal: float) -> list[Result]:
    """Both sides in short turns: medians over the turns, since others use the machine too.

    The second line is the CPU time of a request, which shows the same and depends less on what else runs.
    """
    turns: dict[Side, list[Load]] = {ours: [], theirs: []}
    for number in range(TURNS):
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            turns[side].append(measured(side))
    mine, other = middle(turns[ours]), middle(turns[theirs])
    for label, load in (("ours", mine), (peer, other)):
        print(f"embedded Lambda, {name}: {label} {load['per_second']:,.0f} requests/s, p50 {load['p50_ms']:.1f} ms, "
              f"CPU {load['cpu_ms'] * 1000:.0f} µs a request")  # fmt: skip
    rate, cost = mine["per_second"] / other["per_second"], mine["cpu_ms"] / other["cpu_ms"]
    title = f"embedded Lambda, {name}"
    return [
        Result(f"{title}: req/s, p95 in ms", mine["p95_ms"], other["p95_ms"], peer, rate, goal, ">="),
        Result(f"{title}: CPU a request", mine["cpu_ms"], other["cpu_ms"], peer, cost, 1 / goal, "<="),
    ]


def middle(loads: list[Load]) -> Load:
    return {key: statistics.median(load[key] for load in loads) for key in loads[0]}


def measured(side: Side) -> Load:
    """One turn, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.lambda_load", side.url, str(CONNECTIONS), str(SECONDS)]
    before = side.cpu_s()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    load: Load = json.loads(done.stdout)
    if load["bad"]:
        raise RuntimeError(f"{side.url} gave {load['bad']:.0f} answers that were not 200")
    return {**load, "cpu_ms": (side.cpu_s() - before) * 1000 / load["requests"]}


# --- cold starts --------------------------------------------------------------------------------------------------


def cold() -> list[Result]:
    """The first answer of a fresh process, through the gateway: a static Rust binary beside awslambdaric."""
    codes = {"python": python_zip()}
    cargo_program = shutil.which("cargo")
    with tempfile.TemporaryDirectory() as folder:
        if cargo_program is None:
            print("cargo is not on the PATH: the cold start of a Rust function is left out")
        else:
            codes["rust"] = rust_zip(cargo_program, Path(folder))
        firsts = {name: first_answers(name, code, Path(folder)) for name, code in codes.items()}
    if "rust" not in firsts:
        return []
    ours, peer = firsts["rust"], firsts["python"]
    return [Result("cold start to first answer, Rust", ours, peer, "awslambdaric", ours / peer, 0.15, "<=")]


def rust_zip(program: str, folder: Path) -> bytes:
    command = [program, "build", "--release", "--offline", "--quiet", "--features", "lambda"]
    source, target = FIXTURES / "rust-lambda", folder / "target"
    subprocess.run([*command, "--manifest-path", str(source / "Cargo.toml"), "--target-dir", str(target)], check=True)
    return zip_of("bootstrap", (target / "release" / "lambda-api").read_bytes(), mode=0o755)


def first_answers(name: str, code: bytes, folder: Path) -> float:
    """Milliseconds from the request to the answer of a process that did not exist; the median. Prints its parts."""
    cloud = Cloud(folder / name)
    cloud.start()
    try:
        session = Session(cloud.aws_endpoint)
        url = f"{cloud.api_endpoint}/_api/{session.deploy(name, code)}/api/v1/health"
        session.client("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {}})
        wait_for(url)
        rounds = [first_answer(cloud, url) for _ in range(COLD_STARTS)]
    finally:
        cloud.stop()
    total, spawn, init = (float(statistics.median(column)) for column in zip(*rounds, strict=True))
    rest = total - spawn - init
    print(f"cold start, {name}: {total:.1f} ms = spawn {spawn:.1f} + init {init:.1f} + request and gateway {rest:.1f}")
    return total


def first_answer(cloud: Cloud, url: str) -> tuple[float, float, float]:
    """One cold start in milliseconds: in all, until the process runs, until its runtime asks for work."""
    runtime = of(cloud)
    cloud.run(runtime.empty())
    begin = time.perf_counter()
    assert status(url) == 200
    total = time.perf_counter() - begin
    [sandbox] = runtime.sandboxes
    return total * 1000, sandbox.spawn_s * 1000, sandbox.init_s * 1000


if __name__ == "__main__":
    for result in bench():
        print(result)
