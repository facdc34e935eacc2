"""The engine in a process of its own, seen from its parent: start it, hear how it goes, have its result.

It gets the job through a pipe, since headers may hold a token. The pipe's end, whatever ends the parent, stops it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.loading.job import Job

ROOT = Path(__file__).resolve().parents[2]
GRACE_S = 30.0
"""After SIGTERM, to tell the partial result."""

Progress = Callable[[Mapping[str, Any]], bool]
"""Hears of progress once a second; True ends the run early."""


class EngineFailed(Exception):
    """The engine could not begin, or died; the message says how."""


def run(job: Job, heard: Progress = lambda progress: False, *, python: str = sys.executable) -> dict[str, Any]:
    """Run a job to its end; its figures (samples.figures, Engine.account). Raises EngineFailed."""
    process = subprocess.Popen(
        [python, "-m", "tasks.loading"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        return follow(process, job, heard)
    finally:
        end(process)


def follow(process: subprocess.Popen[bytes], job: Job, heard: Progress) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(json.dumps(job.dump()).encode() + b"\n")
    process.stdin.flush()
    for line in process.stdout:
        said = json.loads(line)
        if "result" in said:
            return dict(said["result"])
        if "refused" in said:
            raise EngineFailed(said["refused"])
        if heard(said["progress"]):
            process.terminate()
    raise EngineFailed(f"the engine ended with {process.wait()}: {process.stderr.read().decode()[-2000:].strip()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Whatever has happened, no process stays."""
    if process.poll() is None:
        process.terminate()
    try:
        process.communicate(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
