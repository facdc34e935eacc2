"""A Rust backend built for the platform that will run it.

Plain `cargo build` where this machine makes what the platform needs; otherwise cargo-lambda or cargo-zigbuild, which
link against an older glibc or for another architecture. The mission lost hours to a cross build that OpenSSL refused
while the plain one worked, so the plain one comes first and the log says why it was chosen. The target folder is kept
between runs: the second build of an unchanged crate takes a fraction of a second.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.bundling.leftovers import mark_used
from tasks.bundling.platforms import Platform, as_text
from tasks.bundling.processes import stream, tail
from tasks.bundling.sources import BuildTable
from tasks.errors import Permanent, Rejected

logger = logging.getLogger(__name__)
Which = Callable[[str], str | None]
PREFERRED_BINARY = "lambda-api"
"""The mission's; taken when a crate has several and the manifest names none."""


@dataclass(frozen=True)
class Tool:
    """How to build, and why so."""

    name: Literal["cargo build", "cargo zigbuild", "cargo lambda build"]
    target: str | None
    why: str


def build_binary(folder: Path, build: BuildTable, platform: Platform, host: Platform, *, work: Path) -> Path:
    """Build one binary; returns where it is. Raises Permanent with the compiler's last words."""
    tool = choose_tool(platform, host, shutil.which)
    binary = build.binary or default_binary(folder)
    logger.info("building %r with `%s`: %s", binary, tool.name, tool.why)
    target_folder = Path(os.environ.get("CARGO_TARGET_DIR") or work / "cargo" / short_hash(str(folder)))
    target_folder.mkdir(parents=True, exist_ok=True)
    mark_used(target_folder)
    env = {**os.environ, "CARGO_TARGET_DIR": str(target_folder)}
    command = [*tool.name.split(), "--release", "--bin", binary, "--message-format=json-render-diagnostics"]
    command += ["--features", ",".join(build.features)] if build.features else []
    command += ["--target", tool.target] if tool.target else []
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "messages"
        code, lines = stream(command, cwd=folder, env=env, answer=answer)
        messages = answer.read_text(encoding="utf-8", errors="replace").splitlines()
    if code != 0:
        raise Permanent(f"`{' '.join(command)}` in {folder} failed:\n{tail(lines)}")
    if tool.name == "cargo lambda build":  # which moves what cargo made
        return target_folder / "lambda" / binary / "bootstrap"
    return built_file(messages, binary)


def choose_tool(platform: Platform, host: Platform, which: Which) -> Tool:
    """Plain cargo if what it makes here runs there; else a tool that can aim. Raises Permanent if there is none."""
    if not which("cargo"):
        raise Permanent(
            "rust: needs cargo, which is not on the PATH: install it with rustup, or build elsewhere and use zip:FILE"
        )
    if not (reason := why_cross(platform, host)):
        return Tool("cargo build", None, f"what this machine makes runs on {platform.name}")
    arch = "aarch64" if platform.machine == "arm64" else "x86_64"
    glibc = f".{as_text(platform.glibc)}" if platform.glibc else ""
    target = f"{arch}-unknown-linux-gnu{glibc}"
    if which("cargo-lambda"):
        return Tool("cargo lambda build", target, f"{reason}, and cargo-lambda is here")
    if which("cargo-zigbuild"):
        return Tool("cargo zigbuild", target, f"{reason}, and cargo-zigbuild is here")
    if host.system == "linux" and host.machine == platform.machine:
        return Tool("cargo build", None, f"{reason}; no cargo-lambda or cargo-zigbuild here, so the check will tell")
    raise Permanent(
        f"rust: {reason}, and neither cargo-lambda nor cargo-zigbuild is here to build for {platform.name}: "
        "`pip install cargo-zigbuild ziglang` and `rustup target add "
        f"{arch}-unknown-linux-gnu`, or build elsewhere and use zip:FILE"
    )


def why_cross(platform: Platform, host: Platform) -> str:
    """Why a plain build may not run there; '' if it will."""
    if host.system != platform.system:
        return f"this machine is {host.system}, not {platform.system}"
    if host.machine != platform.machine:
        return f"this machine is {host.machine}, not {platform.machine}"
    if host.glibc and platform.glibc and host.glibc > platform.glibc:
        return f"this machine has glibc {as_text(host.glibc)}, newer than {as_text(platform.glibc)}"
    return ""


def default_binary(folder: Path) -> str:
    """The crate's only binary, or `lambda-api`. Raises Rejected with the choice there is."""
    command = ["cargo", "metadata", "--no-deps", "--format-version=1"]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise Permanent(f"`{' '.join(command)}` in {folder} failed:\n{tail(asked.stderr.splitlines())}")
    packages = json.loads(asked.stdout)["packages"]
    names = {target["name"] for package in packages for target in package["targets"] if "bin" in target["kind"]}
    if PREFERRED_BINARY in names:
        return PREFERRED_BINARY
    if len(names) == 1:
        return str(names.pop())
    found = ", ".join(sorted(names)) or "none"
    raise Rejected(f"{folder}", [f"which binary? Set `binary` under [build] in miyabi.toml; there are: {found}"])


def built_file(messages: list[str], binary: str) -> Path:
    """Where cargo put the program, as its last message about it says."""
    artifacts = [json.loads(line) for line in messages if line.startswith('{"reason":"compiler-artifact"')]
    made = [artifact["executable"] for artifact in artifacts if artifact["target"]["name"] == binary]
    built = [path for path in made if path]
    if not built:
        raise Permanent(f"cargo reported success and no program {binary!r}: is it a [[bin]] of this crate?")
    return Path(built[-1])


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
