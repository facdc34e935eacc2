"""Starts a function's process as Lambda does: its command, its environment, its own process group, nothing inherited.

`provided.*` runs the `bootstrap` at the root of the zip; `python3.X` runs awslambdaric. What cannot be started is a
`CannotStart` in the words of AWS, since people search for those.
"""

import contextlib
import errno
import os
import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localcloud.lambda_code import BadPackage, unpacked
from localcloud.lambda_facts import Function
from localcloud.lambda_python import START, NoInterpreter, interpreter, provided_packages

ELF_MACHINES = {"x86_64": 62, "arm64": 183}


class CannotStart(Exception):
    """The entry point cannot be run; `kind` is the error type that AWS gives it."""

    def __init__(self, message: str, kind: str = "Runtime.InvalidEntrypoint") -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True)
class Start:
    """A process that can be started: command, folder and environment."""

    command: tuple[str, ...]
    task_root: Path
    environment: dict[str, str]


def prepare(
    home: Path, function: Function, *, runtime_api: str, log_stream: str, endpoint: str, provisioned: bool = False
) -> Start:
    """Unpack the code and put command and environment together. Raises `CannotStart`."""
    try:
        root = unpacked(home, function.code_sha256, function.code)
        if function.runtime.startswith("python3."):
            command = _python(home, function, root)
        elif function.runtime.startswith("provided"):
            command = _bootstrap(function, root)
        else:
            raise CannotStart(
                f"the embedded cloud runs provided.* and python3.*, not {function.runtime!r}", "Runtime.InvalidRuntime"
            )
    except (BadPackage, NoInterpreter) as error:
        raise CannotStart(str(error)) from None
    environment = _environment(function, root, runtime_api=runtime_api, log_stream=log_stream, endpoint=endpoint)
    if provisioned:
        environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "provisioned-concurrency"
    return Start(command, root, environment)


def spawn(start: Start, output: int) -> "subprocess.Popen[bytes]":
    """Start it, with stdout and stderr both to the file descriptor `output`. Raises `CannotStart`."""
    try:
        return subprocess.Popen(
            start.command,
            cwd=start.task_root,
            env=start.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise CannotStart(f"fork/exec {start.command[0]}: {reason}") from None


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End the whole process group at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
        os.killpg(process.pid, signal.SIGKILL)


def describe_exit(returncode: int) -> str:
    """A return code in Go's words, which are AWS's: `exit status 1`, `signal: killed`."""
    if returncode >= 0:
        return f"exit status {returncode}"
    words = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "aborted"}
    return f"signal: {words.get(signal.Signals(-returncode), signal.strsignal(-returncode) or -returncode)}"


def _python(home: Path, function: Function, root: Path) -> tuple[str, ...]:
    packages = provided_packages(home, function.runtime)
    executable = str(interpreter(function.runtime))
    # -B: the task's folder stays as it was uploaded. Bytecode that is in the zip is used, as on Lambda.
    return (executable, "-B", "-s", "-S", "-c", START, str(root), str(packages), function.handler)


def _bootstrap(function: Function, root: Path) -> tuple[str, ...]:
    path = root / "bootstrap"
    if not path.exists():
        raise CannotStart(f"Couldn't find valid bootstrap(s): [{path}]")
    with path.open("rb") as file:
        head = file.read(20)
    if head[:4] == b"\x7fELF" and struct.unpack("<H", head[18:20])[0] != ELF_MACHINES[function.architecture]:
        raise CannotStart(f"fork/exec {path}: exec format error")  # this machine might be able to, Lambda is not
    return (str(path),)


def _environment(function: Function, root: Path, *, runtime_api: str, log_stream: str, endpoint: str) -> dict[str, str]:
    """As on Lambda, and nothing of this machine's. A function's own variables cannot replace the reserved ones."""
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LD_LIBRARY_PATH": f"{root}:{root}/lib",
        "AWS_ENDPOINT_URL": endpoint,
        **({"AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}"} if function.runtime.startswith("python") else {}),
        **dict(function.variables),
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(root),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ACCESS_KEY_ID": "ASIAEMBEDDEDCLOUD000",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_SESSION_TOKEN": "embedded",
    }
