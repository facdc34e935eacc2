"""Running a program to its end: its lines as they come, and nothing of it left when the caller goes.

Each program runs under a small supervisor (supervisor.py) in a process group of its own. Cancelling the call stops it:
TERM, then KILL. So does the death of this process, whatever killed it. Output is read in pieces of 64 KiB and handed on
line by line, so 100 MB of it, with or without line ends, cost no more memory than one line.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from tasks.errors import Permanent, Temporary

SUPERVISOR = Path(__file__).with_name("supervisor.py")
PIECE = 64 * 1024
LONGEST = 16 * 1024
"""Bytes of a line; what is longer is cut."""

Stream = Literal["stdout", "stderr"]
Said = Callable[[Stream, str], None]

PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE",
             "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
             "http_proxy", "https_proxy", "no_proxy", "CARGO_HOME", "RUSTUP_HOME")  # fmt: skip
PLAIN = {"NO_COLOR": "1", "CARGO_TERM_COLOR": "never", "PYTHONUNBUFFERED": "1", "GIT_TERMINAL_PROMPT": "0",
         "EMAIL": "agents@miyabi.invalid"}  # fmt: skip
"""EMAIL is what git falls back on where nobody has set `user.email`."""


def environment(extra: Sequence[str] = (), variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a program may see of our environment: the usual, and the variables named in `extra`. No secret otherwise."""
    return {name: variables[name] for name in (*PASSED_ON, *extra) if name in variables} | PLAIN


async def run(
    command: Sequence[str],
    *,
    cwd: Path,
    said: Said,
    env: Mapping[str, str] | None = None,
    holding: Sequence[int] = (),
    longest: int = LONGEST,
    grace_s: float = 5.0,
) -> int:
    """Run a program to its end; returns its exit status, negative for the signal that ended it.

    `holding` are file descriptors (locks) that stay open until the last of the program is gone, even if this process
    dies before. Lines are cut after `longest` bytes. Raises Permanent if the program cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(SUPERVISOR), str(grace_s), *command,
                cwd=cwd, env=environment() if env is None else env, start_new_session=True, pass_fds=holding,
                stdin=theirs.fileno(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        await finished(process, ours, said, longest, grace_s)
        return exit_status(ours, command[0])


async def finished(
    process: asyncio.subprocess.Process, wire: socket.socket, said: Said, longest: int, grace_s: float
) -> None:
    """Hand on what it says until it has ended; when cancelled, stop it first."""
    assert process.stdout is not None
    assert process.stderr is not None
    tasks = [
        asyncio.create_task(hand_on(process.stdout, "stdout", said, longest)),
        asyncio.create_task(hand_on(process.stderr, "stderr", said, longest)),
        asyncio.create_task(process.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        if process.returncode is None:
            wire.shutdown(socket.SHUT_WR)
            await asyncio.wait(tasks, timeout=grace_s + 5)
        if process.returncode is None:
            kill_group(process)


def exit_status(wire: socket.socket, program: str) -> int:
    """What the supervisor said last."""
    wire.setblocking(False)
    try:
        told = json.loads(wire.recv(4096) or b"{}")
    except BlockingIOError:
        told = {}
    if reason := told.get("refused"):
        raise Permanent(f"the program {program!r} cannot be started: {reason}. Install it where the worker runs, or "
                        "name another one in the environment's setting `agents.command`")  # fmt: skip
    if told.get("code") is None:
        raise Temporary(f"the program {program!r} was killed together with its supervisor")
    return int(told["code"])


async def hand_on(reader: asyncio.StreamReader, stream: Stream, said: Said, longest: int) -> None:
    """Each line without its end; of a progress bar (`\\r`) the last state. Bytes that are no UTF-8 are marked."""
    rest, lost = b"", 0
    while piece := await reader.read(PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            said(stream, readable(line, lost, longest))
            lost = 0
        lost += max(0, len(rest) - longest)
        rest = rest[:longest]
    if rest:
        said(stream, readable(rest, lost, longest))


def readable(line: bytes, lost: int, longest: int) -> str:
    """A line as text; `lost` bytes of it were thrown away before."""
    shown = line.rstrip(b"\r").rpartition(b"\r")[2]
    cut = lost + max(0, len(shown) - longest)
    text = shown[:longest].decode(errors="replace")
    return f"{text} … ({cut} bytes more)" if cut else text


async def output_of(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a program that is quick, says little and starts nothing: without a supervisor.

    Raises Permanent if it cannot be started.
    """
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=env, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise Permanent(f"the program {command[0]!r} cannot be started in {cwd}: {error.strerror}") from error
    try:
        output, problem = await process.communicate()
    finally:
        if process.returncode is None:
            kill_group(process)
    return await process.wait(), output.decode(errors="replace").rstrip("\n"), problem.decode(errors="replace").strip()


def kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
