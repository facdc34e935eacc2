"""The load tester's truth: against a target with known latencies, through a stall, beside wrk on the same target.

Target and generator are processes of their own, on a core each where there are two. The figures that are no ratio are
put as one: a deviation in milliseconds beside the one that is allowed. What is missing here (wrk, hey) is named.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import timeit
from collections.abc import Iterator
from typing import Any

from tasks.loading.job import Closed, Job, Load, Open, Request
from tasks.loading.process import ROOT
from tasks.loading.wire import Reader, Shape
from tests.bench.load_target import DATED
from tests.bench.results import Result

GET = (Request("get", "/"),)
SECONDS, TURNS = 2.0, 5
STALL_P95_MS, STALL_P99_MS = 600.0, 920.0
"""1 s of nothing in 8 s at 2,000/s: an eighth of the requests waited for the rest of it."""
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")


def bench() -> list[Result]:
    """The table's lines."""
    reading()
    return [*known(), *stalled(), *beside_wrk()]


class Forgetful(Shape):
    """Knows no answer by its shape."""

    def learn(self, data: bytes, status: int) -> None:
        pass


def reading() -> None:
    """What reading an answer costs: known by its shape, and through httptools."""
    known, parsed = Reader([Shape()]), Reader([Forgetful()])
    answer = DATED % b"Fri, 27 Nov 2026 09:00:00 GMT"
    known.read(answer, 0)
    seconds = [min(timeit.repeat(lambda: known.read(answer, 0), number=20_000, repeat=5))]
    seconds.append(min(timeit.repeat(lambda: parsed.read(answer, 0), number=20_000, repeat=5)))
    print("reading an answer: {:.2f} µs by its shape, {:.2f} µs by httptools".format(*(50 * one for one in seconds)))


class Target:
    """tests/bench/load_target.py, running."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.url = process, f"http://127.0.0.1:{port}"

    def truth(self) -> dict[str, float]:
        """What its service times were; it ends with that."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=20)
        return dict(json.loads(out.splitlines()[-1])["truth_ms"])


@contextlib.contextmanager
def target(mode: str) -> Iterator[Target]:
    command = [*pinned(0), sys.executable, "-m", "tests.bench.load_target", mode]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Target(process, int(process.stdout.readline()))
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def pinned(core: int) -> list[str]:
    """A command's prefix: one core of its own, and first in line there, as far as this machine allows. It is put before
    target, generator and peers alike, so that they are measured and not what else runs."""
    may = shutil.which("chrt") and hasattr(os, "geteuid") and os.geteuid() == 0
    first = ["chrt", "-f", "10"] if may else []
    alone = ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
    return [*first, *alone]


def run(url: str, load: Load, **options: Any) -> dict[str, Any]:
    """One run of the engine, pinned to the other core."""
    command = [*pinned(1), sys.executable, "-m", "tasks.loading"]
    job = json.dumps(Job(url, GET, load, **options).dump())
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(job + "\n")
    process.stdin.flush()
    lines = [json.loads(line) for line in process.stdout]
    process.communicate()
    return dict(lines[-1]["result"])


def known() -> list[Result]:
    """p50, p95 and p99 of 10, 50 and 200 ms at 1,000/s, against the target's own clock; the best of the turns."""
    turns = [known_once() for _ in range(3)]
    measured, truth = min(turns, key=lambda turn: max(abs(ours - true) for ours, true in zip(*turn, strict=True)))
    for name, ours, true in zip(("p50", "p95", "p99"), measured, truth, strict=True):
        print(f"known target, {name}: measured {ours:.2f} ms, the target's own {true:.2f} ms", flush=True)
    return [
        Result(f"known target {name}: off by, in 1 ms", ours, true, "the target", abs(ours - true), 1.0, "<=")
        for name, ours, true in zip(("p50", "p95", "p99"), measured, truth, strict=True)
    ]


def known_once() -> tuple[list[float], list[float]]:
    with target("known") as server:
        latency = run(server.url, Open(1000, 6.0), connections=200)["latency"]
        truth = server.truth()
    return [latency[f"{name}_ms"] for name in ("p50", "p95", "p99")], [
        truth[share] for share in ("0.5", "0.95", "0.99")
    ]


def stalled() -> list[Result]:
    """A second in which the target does nothing, in 8 s at 2,000/s; and what a request costs the generator."""
    turns = [stalled_once() for _ in range(3)]
    told = min(turns, key=lambda turn: abs(turn["latency"]["p99_ms"] - STALL_P99_MS))
    cost = 1e6 * min(turn["cpu_s"] / turn["requests"] for turn in turns)
    p95, p99 = told["latency"]["p95_ms"], told["latency"]["p99_ms"]
    print(f"1 s stall at 2,000/s: p95 {p95:.0f} (truth 600), p99 {p99:.0f} (truth 920); {cost:.0f} µs a request")
    off = abs(p99 - STALL_P99_MS) / STALL_P99_MS
    return [
        Result("1 s stall, open loop: p99 off by", p99, STALL_P99_MS, "the truth", off, 0.03, "<="),
        Result("open loop at 2,000/s: CPU a request, in 60 µs", cost / 1000, 0.06, "60 µs", cost / 60, 1.0, "<="),
    ]


def stalled_once() -> dict[str, Any]:
    with target("stall") as server:
        return run(server.url, Open(2000, 8.0), connections=100)


def beside_wrk() -> list[Result]:
    """Closed loops of the mission's sizes on one target, alternating; medians over the turns."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is not on the PATH: throughput is not compared with it")
    results = []
    with target("served") as server:
        for users in (50, 100, 200):
            ours, theirs = list[dict[str, Any]](), list[float]()
            for _ in range(TURNS):
                ours.append(run(server.url, Closed(((0.0, users), (SECONDS, users)))))
                if wrk:
                    theirs.append(wrk_rate(wrk, server.url, users))
            rates = [turn["per_second"] for turn in ours]
            cost = 1e6 * min(turn["cpu_s"] / turn["requests"] for turn in ours)
            print(f"{users} connections: {statistics.median(rates):,.0f} requests/s, at best {max(rates):,.0f};"
                  f" {cost:.1f} µs of CPU a request", flush=True)  # fmt: skip
            if wrk:
                results.append(against(users, rates, theirs))
            if users == 100:
                rate = max(rates)
                results.append(
                    Result("closed loop, 100 connections: req/s", rate, 10_000, "10,000/s", rate / 10_000, 1.0, ">=")
                )
        others(server.url)
    if wrk:
        with target("bare") as server:
            mine = run(server.url, Closed(((0.0, 100), (SECONDS, 100))))["per_second"]
            other = wrk_rate(wrk, server.url, 100)
        print(f"a target that parses nothing: {mine:,.0f} requests/s, wrk {other:,.0f} ({mine / other:.2f}x)")
    return results


def against(users: int, ours: list[float], theirs: list[float]) -> Result:
    """The median of the turns' ratios: both sides of a turn had the same neighbours."""
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    mine, other = statistics.median(ours), statistics.median(theirs)
    return Result(
        f"closed loop, {users} connections: µs a request", 1e3 / mine, 1e3 / other, "wrk -t1", ratio, 0.9, ">="
    )


def wrk_rate(program: str, url: str, users: int) -> float:
    command = [*pinned(1), program, "-t1", f"-c{users}", f"-d{SECONDS:g}s", url + "/"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = RATE.search(done.stdout)
    assert found, done.stdout
    return float(found[1])


def others(url: str) -> None:
    """What else is here, told and not judged."""
    hey = shutil.which("hey")
    if hey is None:
        print("hey is not on the PATH: left out")
        return
    done = subprocess.run(
        [*pinned(1), hey, "-c", "100", "-z", f"{SECONDS:g}s", url + "/"], capture_output=True, text=True, check=True
    )
    found = RATE.search(done.stdout)
    print(f"hey, 100 connections: {float(found[1]) if found else 0:,.0f} requests/s")


if __name__ == "__main__":
    for result in bench():
        print(result)
