"""Programs under a supervisor: what they say, how they end, and that nothing of them is left."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.agents.processes import run
from tasks.agents.transcript import Transcript
from tasks.errors import Permanent

ROOT = Path(__file__).parents[2]


def shell(script: str, *, grace_s: float = 5.0) -> tuple[int, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    code = asyncio.run(
        run(["sh", "-c", script], cwd=ROOT, said=lambda stream, text: said.append((stream, text)), grace_s=grace_s)
    )
    return code, said


def test_both_streams_come_line_by_line() -> None:
    code, said = shell("echo one; echo two >&2; printf 'three'; exit 3")
    assert code == 3
    assert sorted(said) == [("stderr", "two"), ("stdout", "one"), ("stdout", "three")]


def test_a_signal_is_a_negative_code() -> None:
    assert shell("kill -9 $$")[0] == -9


def test_standard_input_is_closed() -> None:
    assert shell("cat; echo end")[1] == [("stdout", "end")]


def test_a_progress_bar_is_its_last_state_and_bytes_stay_readable() -> None:
    assert shell(r"printf '10%%\r50%%\r100%%\n'; printf '\377\n'")[1] == [("stdout", "100%"), ("stdout", "�")]


def test_a_long_line_is_cut() -> None:
    _, [(_, text)] = shell("head -c 3000000 /dev/zero | tr '\\0' x")
    assert text.endswith(f"x … ({3_000_000 - 16 * 1024} bytes more)")


def test_a_program_that_cannot_be_started_is_named() -> None:
    with pytest.raises(Permanent, match="the program 'no-such-program' cannot be started: No such file or directory"):
        asyncio.run(run(["no-such-program"], cwd=ROOT, said=print))


def test_what_it_leaves_running_is_ended() -> None:
    _, said = shell("sleep 600 & echo $!; setsid sleep 601 & echo $!")
    assert [psutil.pid_exists(int(pid)) for _, pid in said] == [False, False]


def test_a_stubborn_one_is_killed() -> None:
    pids: list[int] = []

    async def cancelled() -> None:
        script = "trap '' TERM; echo $$; setsid sleep 600 & echo $!; sleep 601"
        running = asyncio.create_task(
            run(["sh", "-c", script], cwd=ROOT, said=lambda _, text: pids.append(int(text)), grace_s=0.1)
        )
        while len(pids) < 2:
            await asyncio.sleep(0.01)
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert [psutil.pid_exists(pid) for pid in pids] == [False, False]


def test_it_ends_with_a_worker_that_is_killed() -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout:
        pids = [int(worker.stdout.readline()) for _ in range(2)]
    worker.kill()
    worker.wait()

    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [psutil.pid_exists(pid) for pid in pids] == [False, False]


WORKER = """
import asyncio, functools, pathlib
from tasks.agents.processes import run
said = functools.partial(print, flush=True)
script = "trap '' TERM; echo $$; setsid sleep 600 & echo $!; sleep 601"
asyncio.run(run(["sh", "-c", script], cwd=pathlib.Path("."), said=lambda _, text: said(text), grace_s=0.1))
"""


def test_a_transcript_keeps_the_beginning_and_the_end() -> None:
    written: list[tuple[str, str]] = []
    transcript = Transcript(lambda level, text: written.append((level, text)), lines=2, end=2)
    for number in range(10):
        transcript.line("stderr", str(number))
    transcript.line("stdout", '{"pr_number": 4}')
    transcript.close()

    missing = ("WARN", "7 lines of output are left out here: the program said too much")
    assert written == [("ERROR", "0"), ("ERROR", "1"), missing, ("ERROR", "9"), ("INFO", '{"pr_number": 4}')]
    assert (transcript.count, transcript.report, transcript.last_words) == (11, {"pr_number": 4}, list("56789"))


def test_a_transcript_is_bounded_in_size_too() -> None:
    written: list[str] = []
    transcript = Transcript(lambda _, text: written.append(text), size=100, end=1)
    for _ in range(10):
        transcript.line("stdout", "x" * 40)
    transcript.close()
    assert len(written) == 4
