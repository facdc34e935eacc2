"""The environment contract: variables that the code cannot start without.

The mission's backend died at its first request because GITHUB_CLIENT_ID was required by the code and set by nobody.
What is required is what the manifest declares and what the code shows, minus what the manifest calls optional; a
deployment that does not set one of them is rejected before it is made.
"""

import fnmatch
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tasks.bundling.python_variables import required_in_python
from tasks.bundling.rust_variables import required_in_rust
from tasks.bundling.sources import MANIFEST, Manifest, Source

GIVEN_BY_LAMBDA = (
    "AWS_*", "LAMBDA_*", "_HANDLER", "_X_AMZN_TRACE_ID", "PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "PYTHONPATH",
)  # fmt: skip
"""Set by the runtime itself (AWS's list of defined runtime environment variables)."""


@dataclass(frozen=True)
class Variable:
    """One variable that must be set, and how we know."""

    name: str
    evidence: str
    """`src/config.rs:12`, or the manifest."""


def required_variables(source: Source, manifest: Manifest) -> tuple[Variable, ...]:
    """All that the source requires, by name; the manifest's own words come first as evidence."""
    declared = f"{source.folder.name}/{MANIFEST}"
    found = {name: Variable(name, declared) for name in manifest.environment.required}
    for variable in found_in_code(source, manifest):
        found.setdefault(variable.name, variable)
    excused = set(manifest.environment.optional)
    return tuple(found[name] for name in sorted(found) if name not in excused and not given_by_lambda(name))


def found_in_code(source: Source, manifest: Manifest) -> list[Variable]:
    """What the sources show, as `file:line` from the source folder. A zip has no sources to read."""
    if source.kind == "rust":
        return scan(source.path, rust_files(source.path, manifest.build.binary), required_in_rust)
    if source.kind == "python":
        folders = code_folders(source, manifest)
        return [
            variable for folder in folders for variable in scan(folder, own_files(folder, "*.py"), required_in_python)
        ]
    return []


def code_folders(source: Source, manifest: Manifest) -> list[Path]:
    """The folders of a Python source that go into its package."""
    return [(source.path / name).resolve() for name in manifest.function.packages] or [source.path]


def scan(folder: Path, files: Iterable[Path], find: Callable[[str], Iterable[tuple[str, int]]]) -> list[Variable]:
    """Evidence as `folder/file:line`."""
    return [
        Variable(name, f"{path.relative_to(folder.parent).as_posix()}:{line}")
        for path in files
        for name, line in find(path.read_text(encoding="utf-8", errors="replace"))
    ]


def rust_files(folder: Path, binary: str | None) -> list[Path]:
    """The crate's own modules; other binaries, tests, benches, examples and the build script are not part of it."""
    others = {"tests", "benches", "examples", "target"}
    files = [path for path in own_files(folder, "*.rs") if not others & set(path.relative_to(folder).parts)]
    return [
        path
        for path in files
        if path.name != "build.rs" and (path.parent.name != "bin" or binary is None or path.stem == binary)
    ]


def own_files(folder: Path, pattern: str) -> list[Path]:
    """Sorted files below the folder, without hidden folders, tests and caches."""
    return [
        path
        for path in sorted(folder.rglob(pattern))
        if not any(part.startswith(".") or part in {"tests", "__pycache__"} for part in path.relative_to(folder).parts)
    ]


def given_by_lambda(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in GIVEN_BY_LAMBDA)


def missing_variables(required: Iterable[Variable], provided: Collection[str]) -> list[str]:
    """A problem for each required variable that the deployment does not set."""
    return [
        f"the code requires the variable {variable.name!r} ({variable.evidence}) and the deployment does not set it: "
        "add it to `variables` or `plain_secrets` of the environment's function, or to `optional` in miyabi.toml"
        for variable in required
        if variable.name not in provided
    ]
