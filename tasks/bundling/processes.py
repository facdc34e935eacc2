"""Running a build tool: its output goes line by line into the run's log, as it comes."""

import contextlib
import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

PLAIN = {"CARGO_TERM_COLOR": "never", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "RUST_BACKTRACE": "0"}


def stream(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, answer: Path | None = None
) -> tuple[int, list[str]]:
    """Run a program to its end; returns the exit code and the lines it said.

    With `answer`, its standard output goes to that file instead, and only the standard error is said. The program is
    killed when this is left early, such as by a cancelled run.
    """
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                command,
                cwd=cwd,
                env={**(os.environ if env is None else env), **PLAIN},
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context(answer.open("wb")) if answer else subprocess.PIPE,
                stderr=subprocess.PIPE if answer else subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        )
        stack.callback(process.kill)  # does nothing once it has ended
        lines = [said_line(line) for line in (process.stderr if answer else process.stdout) or ()]
        return process.wait(), lines


def said_line(line: str) -> str:
    line = line.rstrip()
    if line:
        logger.info("%s", line)
    return line


def tail(lines: Sequence[str], count: int = 15) -> str:
    """The last lines that say something, for an error message."""
    return "\n".join([line for line in lines if line.strip()][-count:])
