"""The dependencies of a Python package, vendored for the platform that will run them.

pip installs wheels (never building any) for that platform and Python into a folder; what a running function does not
need is dropped, bytecode is added, and the rest is kept as a deterministic zip under `<work>/wheels/`, by the hash of
everything that went into it. An unchanged release takes it from there, compressed and all.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks.bundling import bytecode, pip_for_target
from tasks.bundling.leftovers import SCRATCH, mark_used
from tasks.bundling.platforms import Platform
from tasks.bundling.processes import stream, tail
from tasks.bundling.zipping import Entry, pack, read_entries, write_zip
from tasks.errors import MiyabiError, Permanent, Temporary

logger = logging.getLogger(__name__)

OLDEST_MANYLINUX = 17
"""manylinux2014, which is glibc 2.17: older tags are implied by it."""
NOISE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "WHEEL")
"""Files of a .dist-info that installers use and programs do not; some differ from run to run."""
UNREACHABLE = ("Retrying (", "NewConnectionError", "ConnectTimeout", "ReadTimeout", "Connection broken", "503 Server")
LAYOUT = 1
"""Counts up when what is kept of a wheel changes, so that old caches are not used."""


@dataclass(frozen=True)
class Wanted:
    """What to vendor."""

    requirements: Path
    constraints: Path | None
    platform: Platform
    python: str
    for_this_machine: bool


def vendor(wanted: Wanted, *, work: Path) -> list[Entry]:
    """The dependencies as zip entries. Raises Permanent when they do not resolve, Temporary without a network."""
    interpreter = bytecode.interpreter_for(wanted.python)
    kept = work / "wheels" / f"{fingerprint(wanted, interpreter)}.zip"
    if kept.is_file():
        logger.info("the dependencies have not changed: taken from %s", kept.name)
        mark_used(kept)
        return read_entries(kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=SCRATCH) as scratch:
        folder = Path(scratch) / "site"
        install(wanted, folder)
        strip(folder)
        bytecode.compile_folder(folder, interpreter)
        entries = [pack(name, path.read_bytes()) for name, path in files_below(folder)]
        write_zip(Path(scratch) / "wheels.zip", entries)
        os.replace(Path(scratch) / "wheels.zip", kept)
    logger.info("vendored %d files, %.1f MB", len(entries), sum(entry.size for entry in entries) / 1e6)
    return entries


def fingerprint(wanted: Wanted, interpreter: bytecode.Interpreter | None) -> str:
    """Hash of all that decides what is vendored."""
    parts = [LAYOUT, requirement_text(wanted.requirements), pip_arguments(wanted), marker_values(wanted)]
    parts += [requirement_text(wanted.constraints) if wanted.constraints else None]
    parts += [interpreter.version if interpreter else None, sys.platform if wanted.for_this_machine else None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def requirement_text(path: Path) -> str:
    """A requirements file with those that it includes by -r and -c."""
    text = path.read_text(encoding="utf-8")
    words = [line.split() for line in text.splitlines()]
    included = [path.parent / word[1] for word in words if len(word) == 2 and word[0] in {"-r", "-c"}]
    return "\n".join([text, *map(requirement_text, included)])


def pip_arguments(wanted: Wanted) -> list[str]:
    """The options that choose wheels."""
    arguments = ["--only-binary=:all:", "--implementation=cp", f"--python-version={wanted.python}"]
    if not wanted.for_this_machine:
        arguments += [f"--platform={tag}" for tag in wheel_tags(wanted.platform)]
    return arguments


def wheel_tags(platform: Platform) -> list[str]:
    """The platform tags whose wheels run there, newest first: pip does not derive older ones from newer ones."""
    arch = "aarch64" if platform.machine == "arm64" else "x86_64"
    newest = platform.glibc[1] if platform.glibc else OLDEST_MANYLINUX
    modern = [f"manylinux_2_{minor}_{arch}" for minor in range(newest, OLDEST_MANYLINUX - 1, -1)]
    return [*modern, f"manylinux2014_{arch}"]


def marker_values(wanted: Wanted) -> dict[str, str]:
    """What environment markers are compared with, as far as it differs from this machine and interpreter.

    The patch level of Lambda's Python is not known beforehand; `.10` stands for "not one of the first".
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = {"python_version": wanted.python, "python_full_version": f"{wanted.python}.10"}
    if wanted.for_this_machine:
        return {} if wanted.python == running else python
    return {
        **python,
        "implementation_name": "cpython",
        "implementation_version": f"{wanted.python}.10",
        "os_name": "posix",
        "platform_machine": "aarch64" if wanted.platform.machine == "arm64" else "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "sys_platform": "linux",
    }


def install(wanted: Wanted, folder: Path) -> None:
    """Let pip fill the folder."""
    command = [sys.executable, "-P", pip_for_target.__file__, json.dumps(marker_values(wanted)), "install"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--root-user-action=ignore"]
    command += ["--no-compile", *pip_arguments(wanted), f"--target={folder}", f"--requirement={wanted.requirements}"]
    command += [f"--constraint={wanted.constraints}"] if wanted.constraints else []
    ours = {
        "PYTHONPATH",
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_USER",
        "PIP_PLATFORM",
        "PIP_REQUIRE_VIRTUALENV",
    }
    env = {name: value for name, value in os.environ.items() if name not in ours}
    logger.info("vendoring %s for %s, Python %s", wanted.requirements, wanted.platform.name, wanted.python)
    code, lines = stream(command, cwd=wanted.requirements.parent, env=env)
    if code != 0:
        raise pip_error(wanted, lines)


def pip_error(wanted: Wanted, lines: list[str]) -> MiyabiError:
    """Who has to act: the network, or the person who wrote the requirements."""
    said = tail(lines)
    if any(word in line for line in lines for word in UNREACHABLE):
        return Temporary(f"{wanted.requirements}: the package index could not be reached:\n{said}")
    return Permanent(
        f"{wanted.requirements}: no set of wheels for {wanted.platform.name} fits "
        f"(constraints: {wanted.constraints or 'none'}). Only wheels count, nothing is compiled here:\n{said}"
    )


def strip(folder: Path) -> None:
    """Drop what a running function does not need: scripts, tests, caches, the installer's notes."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for name in ("__pycache__", "tests"):
        for path in list(folder.rglob(name)):
            shutil.rmtree(path, ignore_errors=True)
    for info in folder.glob("*.dist-info"):
        for name in NOISE:
            (info / name).unlink(missing_ok=True)


def files_below(folder: Path) -> list[tuple[str, Path]]:
    """(name in the zip, file) of every file, sorted."""
    return sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
