"""`cargo build` of a copy, when it was asked for: the only part of an investigation that runs the repository's code.

Build scripts and procedural macros are programs. They see neither the worker's variables nor its credentials, and the
folder itself is not touched; they are not kept from the network or from the worker's files.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tasks.investigating.files import listed
from tasks.investigating.linking import aside
from tasks.investigating.looking import count
from tasks.investigating.model import Built, Place

PATIENCE_S = 1800.0
PASSED = re.compile(r"^(PATH|HOME|LANG|LC_\w+|TMPDIR|CARGO_HOME|RUSTUP_\w+|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_\w+)$", re.I)
ERROR = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):\d+: (?P<text>error(\[E\d+\])?: .*)$", re.MULTILINE)
WARNINGS = re.compile(r"generated (\d+) warnings?")
AWAY = re.compile(
    r"failed to (download|get|fetch|load source)|could not resolve host|spurious network error|no matching package",
    re.IGNORECASE,
)
SHOWN, MOST_ERRORS = 12, 20
"""Last lines of the output, and places, that are evidence."""


def built(folder: Path, target: Path, *, patience_s: float = PATIENCE_S, cargo: str = "cargo") -> Built:
    """Build every workspace of a folder, in a copy. `target` is where cargo keeps what it made for the next time."""
    command = f"{cargo} build"
    if not (manifests := roots(listed(folder).paths)):
        return Built(command, False, "there is no Cargo.toml, and only Rust is built", "", untried=True)
    if shutil.which(cargo) is None:
        return Built(command, False, f"`{command}` was asked for, and {cargo} is not where the worker runs", "",
                     untried=True)  # fmt: skip
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="miyabi-build-") as place:
        copy = copied(folder, Path(place).resolve())
        for root in manifests:
            left = patience_s - (time.monotonic() - began)
            words = [cargo, "build", "--workspace", *features(copy / root)]
            command = " ".join(words)
            code, output = run([*words, "--message-format=short"], copy / root, target, max(left, 0.1))
            output = output.replace(f"{copy}/", "").replace(str(copy), ".")
            if code != 0:
                return failed(command, root, code, output, patience_s)
    warnings = sum(map(int, WARNINGS.findall(output)))
    says = f"builds in {time.monotonic() - began:.0f} s, {count(warnings, 'warning')}"
    return Built(command, True, says, last_lines(output))


def roots(paths: Sequence[str]) -> list[str]:
    """Folders with a Cargo.toml that are in none with one: the workspaces, but those of tests."""
    found: list[str] = []
    manifests = [path for path in paths if path.rpartition("/")[2] == "Cargo.toml" and not aside(path)]
    for path in sorted(manifests, key=lambda one: one.count("/")):
        folder = path.rpartition("/")[0]
        if not any(not root or folder.startswith(f"{root}/") for root in found):
            found.append(folder)
    return found


def features(workspace: Path) -> list[str]:
    """Those without which cargo passes over a program in silence (`required-features`)."""
    needed: set[str] = set()
    for manifest in workspace.rglob("Cargo.toml"):
        with contextlib.suppress(ValueError, OSError):
            bins = tomllib.loads(manifest.read_text(encoding="utf-8")).get("bin", [])
            needed |= {str(name) for one in bins for name in one.get("required-features", [])}
    return ["--features", ",".join(sorted(needed))] if needed else []


def copied(folder: Path, copy: Path) -> Path:
    """What belongs to the repository; no link, which may lead out of it, and no values of settings."""
    for path in listed(folder).paths:
        source = folder / path
        if source.is_file() and not source.is_symlink() and not source.name.startswith(".env"):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy / path)
            shutil.copymode(source, copy / path)
    return copy


def run(command: Sequence[str], folder: Path, target: Path, patience_s: float) -> tuple[int | None, str]:
    """The exit code, None after too long, and all output. Whatever it started ends with it."""
    env = {name: value for name, value in os.environ.items() if PASSED.match(name)}
    env |= {"CARGO_TARGET_DIR": str(target), "CARGO_TERM_COLOR": "never", "CARGO_NET_RETRY": "1"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        try:
            code: int | None = process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(process)
        output.seek(0)
        return code, output.read().decode(errors="replace")


def end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def failed(command: str, root: str, code: int | None, output: str, patience_s: float) -> Built:
    where = f" in {root}" if root else ""
    if code is None:
        says = f"`{command}`{where} has not ended after {patience_s:g} s"
        return Built(command, False, says, last_lines(output), untried=True)
    errors = [*errors_in(root, output)]
    if not errors and AWAY.search(output):
        says = f"`{command}`{where} could not get what the code depends on: {first_error(output)}"
        return Built(command, False, says, last_lines(output), untried=True)
    says = f"does not build{where}: {count(len(errors), 'error') if errors else first_error(output)}"
    return Built(command, False, says, last_lines(output), errors[:MOST_ERRORS])


def errors_in(root: str, output: str) -> Iterator[tuple[Place, str]]:
    for found in ERROR.finditer(output):
        line = int(found["line"])
        yield Place(str(PurePosixPath(root) / found["file"]), line, line), found["text"][:300]


def first_error(output: str) -> str:
    lines = output.splitlines()
    return next((line for line in lines if line.startswith("error")), lines[-1] if lines else "it says nothing")[:300]


def last_lines(output: str) -> str:
    return "\n".join(line[:200] for line in output.strip().splitlines()[-SHOWN:])
