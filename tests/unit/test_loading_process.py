"""The engine's process: told by a pipe, stopped by SIGTERM or by its parent's death, and never without a word."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.loading import process
from tasks.loading.job import Closed, Job, Open, Request, read_job
from tasks.loading.samples import Table
from tests.awkward_server import OK, always, serving

ROOT = Path(__file__).parents[2]
REQUESTS = (Request("get", "/", headers={"Authorization": "Bearer not-to-be-seen"}, accept=(200,)),)
PARENT = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "tasks.loading"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(sys.argv[1].encode() + b"\\n")
child.stdin.flush()
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_job_crosses_as_json() -> None:
    for load in (Open(50, 3), Closed(((0.0, 1.0), (2.0, 5.0)), requests=7, think_s=(0.1, 0.2), rate_cap=9.0)):
        job = Job("http://h", REQUESTS, load, connections=3, samples="x")
        assert read_job(json.loads(json.dumps(job.dump()))) == job


def test_a_run_is_followed_and_leaves_its_lines(tmp_path: Path) -> None:
    heard = list[Mapping[str, Any]]()
    with serving(always(OK)) as server:
        job = Job(server.url, REQUESTS, Open(100, 1.2), samples=str(tmp_path / "lines.npz"))
        told = process.run(job, lambda progress: bool(heard.append(progress)))
    assert (told["requests"], told["good"], told["partial"]) == (120, 120, False)
    assert told["per_second"] == pytest.approx(100, rel=0.1)
    assert heard
    assert heard[0]["requests"] > 10
    assert len(Table.load(tmp_path / "lines.npz").due) == 120


def test_a_run_that_is_ended_early_is_partial() -> None:
    with serving(always(OK)) as server:
        told = process.run(Job(server.url, REQUESTS, Open(50, 60)), lambda progress: True)
    assert told["partial"]
    assert 1 <= told["requests"] < 300
    assert told["per_second"] == pytest.approx(50, rel=0.3)  # of the time that it had


def test_a_host_that_is_not_known_is_said() -> None:
    with pytest.raises(process.EngineFailed, match=r"http://nowhere\.invalid: "):
        process.run(Job("http://nowhere.invalid", REQUESTS, Open(1, 1)))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_it_ends_with_its_parent_and_shows_no_token_to_others() -> None:
    with serving(always(OK)) as server:
        told = json.dumps(Job(server.url, REQUESTS, Open(50, 60)).dump())
        parent = subprocess.Popen([sys.executable, "-c", PARENT, told], cwd=ROOT, stdout=subprocess.PIPE)
        assert parent.stdout
        child = int(parent.stdout.readline())
        place = Path(f"/proc/{child}")
        assert b"not-to-be-seen" not in (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 20
        while place.exists() and (place / "stat").read_text().split()[2] != "Z":
            assert time.monotonic() < deadline, "the engine outlives its parent"
            time.sleep(0.05)
