"""The step that makes a package: build it from its source, check it, and only then hand it on.

The result lies in the work folder under its own hash and says all that the deployment has to know. Nothing is written
to AWS, so a planning run builds and checks too. Whatever is wrong with the package or with its environment contract is
reported in one go, before the first byte is uploaded.
"""

import base64
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from blocks.environment import FunctionSettings
from tasks.bundling import bytecode, cargo, wheels
from tasks.bundling.checked import check_once
from tasks.bundling.contract import Variable, code_folders, missing_variables, own_files, required_variables
from tasks.bundling.leftovers import SCRATCH, tidy
from tasks.bundling.package_check import UNREADABLE
from tasks.bundling.platforms import Platform, host_platform, lambda_platform
from tasks.bundling.sources import MANIFEST, Manifest, Source, load_manifest, parse_source
from tasks.bundling.zipping import Entry, append, pack, write_zip
from tasks.certificates import packaged_files
from tasks.changes import Rollout
from tasks.errors import Rejected
from tasks.steps import step
from tasks.suites import SUITE, Suite, load_suite

logger = logging.getLogger(__name__)
NOT_PACKED = {MANIFEST, SUITE, "requirements.txt", "constraints.txt"}


@dataclass(frozen=True)
class Bundle:
    """A package that passed its check, and what there is to know about it."""

    path: Path
    sha256_hex: str
    """Of the zip, hexadecimal."""
    code_sha256: str
    """The same in base64, as Lambda's `CodeSha256`."""
    size: int
    unpacked_size: int
    kind: Literal["python", "native"]
    runtime: str
    """`python3.X` or `provided.*`."""
    architecture: Literal["x86_64", "arm64"]
    handler: str
    required: tuple[Variable, ...]
    optional: tuple[str, ...]
    suite: Suite
    """What it must answer, from the `smoke.yaml` beside the manifest."""
    load: Mapping[str, Sequence[Mapping[str, Any]]]
    """The manifest's `[[load.<mix>]]` tables, complete and validated."""
    git_sha: str
    """The commit of the source, or `unversioned-<content>`."""
    dirty: bool
    """The source has changes that are in no commit."""

    @property
    def version(self) -> str:
        """For people: `1f3c2ab`, `1f3c2ab-dirty`, `unversioned-0123456`."""
        if self.git_sha.startswith("unversioned-"):
            return self.git_sha
        return self.git_sha[:7] + ("-dirty" if self.dirty else "")


@step("Build and check the package", retries=1)
def build_package(
    rollout: Rollout, source: str, *, root: Path, work: Path, provided: Collection[str] | None = None
) -> Bundle:
    """Build `python:PATH`, `rust:PATH` or `zip:PATH` for the environment's function, and check it.

    Relative paths count from `root`. `provided` are the variables that the deployment will set; None leaves the
    contract to the caller. Raises Rejected with all the problems of the package and its contract.
    """
    extra = packaged_files(rollout.environment)
    parsed, settings = parse_source(source, root=root), rollout.environment.function
    bundle = build_bundle(parsed, settings, root=root, work=work, extra=extra)
    problems = check_bundle(bundle, settings)
    problems += missing_variables(bundle.required, provided) if provided is not None else []
    if problems:
        raise Rejected(f"package of {source}", problems)
    logger.info(
        "package %s of %s: %.1f MB, %.1f MB unpacked, sha256 %s",
        bundle.version, source, bundle.size / 1e6, bundle.unpacked_size / 1e6, bundle.sha256_hex[:12],
    )  # fmt: skip
    return bundle


def build_bundle(
    source: Source, settings: FunctionSettings, *, root: Path, work: Path, extra: Mapping[str, bytes] = {}
) -> Bundle:
    """Build, without checking. The zip is `<work>/<hash>.zip`; `work` also keeps what the next build can reuse.

    `extra` are files that go to the root of the zip besides the source's own.
    """
    manifest, suite = load_manifest(source), load_suite(source.folder)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix=SCRATCH) as scratch:
        made = Path(scratch) / "package.zip"
        if source.kind == "zip":
            shutil.copyfile(source.path, made)
            add_files(made, extra, source)
        else:
            write_package(source, manifest, settings, root=root, work=work, path=made, extra=extra)
        return describe(made, source, manifest, suite, settings, work=work)


def write_package(
    source: Source,
    manifest: Manifest,
    settings: FunctionSettings,
    *,
    root: Path,
    work: Path,
    path: Path,
    extra: Mapping[str, bytes],
) -> None:
    """Make the zip of a Python or Rust source. Raises Rejected when two of its files want the same name."""
    if source.kind == "rust":
        platform = platform_for("native", settings)
        program = cargo.build_binary(
            source.path, manifest.build, platform, host_platform(settings.native_runtime), work=work
        )
        entries = [pack("bootstrap", program.read_bytes())]
    else:
        entries = own_entries(source, manifest, settings) + dependencies(source, manifest, settings, root, work)
    try:
        write_zip(path, entries + [pack(name, content) for name, content in extra.items()])
    except ValueError as error:
        raise Rejected(str(source), [str(error)]) from error


def add_files(path: Path, extra: Mapping[str, bytes], source: Source) -> None:
    """Put further files into a ready zip. Raises Rejected if it has another file of the name."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = {name: archive.read(name) for name in extra if name in archive.namelist()}
        if taken := [name for name, content in there.items() if content != extra[name]]:
            raise Rejected(
                str(source), [f"it has a file {name!r} of its own, which the release needs" for name in taken]
            )
        append(path, {name: content for name, content in extra.items() if name not in there})
    except UNREADABLE as error:
        raise Rejected(str(source), [f"it cannot be read as a zip ({error}): build it again"]) from error


def own_entries(source: Source, manifest: Manifest, settings: FunctionSettings) -> list[Entry]:
    """The source's own files, with their bytecode."""
    named = bool(manifest.function.packages)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for folder in code_folders(source, manifest):
            for path in own_files(folder, "*"):
                if path.is_file() and path.name not in NOT_PACKED:
                    inside = copy / (folder.name if named else "") / path.relative_to(folder)
                    inside.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, inside)
        bytecode.compile_folder(copy, bytecode.interpreter_for(settings.python_runtime.removeprefix("python")))
        return [pack(name, path.read_bytes()) for name, path in wheels.files_below(copy)]


def dependencies(source: Source, manifest: Manifest, settings: FunctionSettings, root: Path, work: Path) -> list[Entry]:
    """The vendored requirements; none if the source has no requirements file."""
    requirements = source.path / (manifest.function.requirements or "requirements.txt")
    if not requirements.is_file():
        return []
    named = manifest.function.constraints
    places = [source.path / named] if named else [source.path / "constraints.txt", root / "constraints.txt"]
    wanted = wheels.Wanted(
        requirements=requirements.resolve(),
        constraints=next((place.resolve() for place in places if place.is_file()), None),
        platform=platform_for("python", settings),
        python=settings.python_runtime.removeprefix("python"),
        for_this_machine=settings.host_wheels,
    )
    return wheels.vendor(wanted, work=work)


def describe(
    made: Path, source: Source, manifest: Manifest, suite: Suite, settings: FunctionSettings, *, work: Path
) -> Bundle:
    """Move the zip to its place and say what it is."""
    content = made.read_bytes()
    digest = hashlib.sha256(content)
    path = work / f"{digest.hexdigest()}.zip"
    os.replace(made, path)
    tidy(work)
    unpacked, kind = inspect(path, source)
    git_sha, dirty = git_state(source, manifest, digest.hexdigest())
    return Bundle(
        path=path,
        sha256_hex=digest.hexdigest(),
        code_sha256=base64.b64encode(digest.digest()).decode(),
        size=len(content),
        unpacked_size=unpacked,
        kind=kind,
        runtime=settings.python_runtime if kind == "python" else settings.native_runtime,
        architecture=platform_for(kind, settings).machine,
        handler=manifest.function.handler if kind == "python" else "bootstrap",
        required=required_variables(source, manifest),
        optional=manifest.environment.optional,
        suite=suite,
        load=manifest.load_mixes(),
        git_sha=git_sha,
        dirty=dirty,
    )


def inspect(path: Path, source: Source) -> tuple[int, Literal["python", "native"]]:
    """Unpacked bytes, and which kind of runtime it wants: Python if its manifest or its files say so, else native."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except UNREADABLE as error:
        raise Rejected(str(source), [f"it cannot be read as a zip ({error}): build it again"]) from error
    names = {info.filename for info in infos}
    python = source.kind == "python" or (
        source.kind == "zip" and "bootstrap" not in names and any(name.endswith(".py") for name in names)
    )
    return sum(info.file_size for info in infos), "python" if python else "native"


def check_bundle(bundle: Bundle, settings: FunctionSettings) -> list[str]:
    """All the problems of the package on the platform that the environment's function has."""
    return check_once(bundle.path, platform_for(bundle.kind, settings), handler=bundle.handler)


def platform_for(kind: Literal["python", "native"], settings: FunctionSettings) -> Platform:
    """Lambda's platform, or this machine's where the embedded cloud runs the function here."""
    runtime = settings.python_runtime if kind == "python" else settings.native_runtime
    return host_platform(runtime) if settings.host_wheels else lambda_platform(runtime, settings.architecture)


def git_state(source: Source, manifest: Manifest, digest: str) -> tuple[str, bool]:
    """Commit and whether the source differs from it. A zip, and a source outside git, is known by its content."""
    unversioned = f"unversioned-{digest[:12]}", False
    if source.kind == "zip":
        return unversioned
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str | None:
        try:
            asked = subprocess.run(
                ["git", *arguments], cwd=source.path, env=env, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return None
        return asked.stdout.strip() if asked.returncode == 0 else None

    sha = git("rev-parse", "HEAD")
    folders = [str(folder) for folder in (source.path, *code_folders(source, manifest))]
    return (sha, bool(git("status", "--porcelain", "--", *folders))) if sha else unversioned
