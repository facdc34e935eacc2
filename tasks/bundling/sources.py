"""What a release is made from: `python:PATH`, `rust:PATH` or `zip:PATH`, and the manifest beside it.

`miyabi.toml` in the source folder (for a zip: in the folder that holds it) says how to build, which environment
variables the code needs; which requests prove that it works is in `smoke.yaml` (tasks/suites.py). Every key has a
default, so the file is optional.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tasks.errors import Rejected

Kind = Literal["python", "rust", "zip"]
MANIFEST = "miyabi.toml"


@dataclass(frozen=True)
class Source:
    """A place that exists and has what its kind needs."""

    kind: Kind
    path: Path

    @property
    def folder(self) -> Path:
        """Where the manifest lies."""
        return self.path.parent if self.kind == "zip" else self.path

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}"


class Table(BaseModel):
    """A table of the manifest. A misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FunctionTable(Table):
    """How Lambda calls the code, and what goes into a Python package."""

    handler: str = Field("lambda_function.lambda_handler", pattern=r"^[\w./-]+\.\w+$")
    asgi: str | None = Field(None, pattern=r"^[\w.]+:\w+$")
    """The same as an ASGI application, which a verified backup is asked through: `api.app:app`."""
    packages: tuple[str, ...] = ()
    """Folders put at the root of the zip under their own names; none: the source folder's content itself."""
    requirements: str | None = None
    """Default: `requirements.txt`, if there is one."""
    constraints: str | None = None
    """Default: `constraints.txt` of the source folder, else of the project."""


class BuildTable(Table):
    """What cargo builds. Without `binary`: the crate's only one, or `lambda-api` among several."""

    binary: str | None = None
    features: tuple[str, ...] = ()


class EnvironmentTable(Table):
    """Variables the code reads. Whatever is optional here is not required, even if the code looks so."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class LoadRequest(Table):
    """A request that load tests ask; tasks/load_test.py fills in `{repository}` and `{execution}`."""

    path: str = Field(pattern="^/")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    body: dict[str, JsonValue] | None = None
    weight: float = Field(1, gt=0)
    """Its share among the others of its mix."""
    accept: tuple[int, ...] = ()
    """Statuses that are right; none: 200 to 399."""
    signed_in: bool = False
    """With a bearer token."""


class Manifest(Table):
    """The whole of `miyabi.toml`."""

    function: FunctionTable = FunctionTable()
    build: BuildTable = BuildTable()
    environment: EnvironmentTable = EnvironmentTable()
    load: dict[Literal["reads", "agents"], tuple[LoadRequest, ...]] = {}
    """The mixes of load tests. Without `reads`, they ask for the health path."""

    def load_mixes(self) -> dict[str, tuple[dict[str, Any], ...]]:
        return {mix: tuple(request.model_dump() for request in requests) for mix, requests in self.load.items()}


def parse_source(text: str, *, root: Path) -> Source:
    """Read `kind:PATH`; a relative path counts from `root`. Raises Rejected with all that is wrong with it."""
    kind, colon, where = text.partition(":")
    if not colon or kind not in get_args(Kind) or not where:
        raise Rejected(f"source {text!r}", ["write it as python:FOLDER, rust:FOLDER or zip:FILE, such as python:api"])
    source = Source(kind, (root / Path(where).expanduser()).resolve())  # type: ignore[arg-type]
    if problems := source_problems(source):
        raise Rejected(f"source {text!r}", problems)
    return source


def source_problems(source: Source) -> list[str]:
    """Why this place cannot be built from. Empty: it can."""
    path = source.path
    if not path.exists():
        return [f"{path} does not exist"]
    if source.kind == "zip":
        return [] if path.is_file() else [f"{path} is not a file; zip: takes a package that is already built"]
    if not path.is_dir():
        return [f"{path} is not a folder; {source.kind}: takes the folder of the source"]
    if source.kind == "rust" and not (path / "Cargo.toml").is_file():
        return [f"{path} has no Cargo.toml; rust: takes the folder of a crate or workspace"]
    if source.kind == "python" and not any(path.rglob("*.py")) and not (path / MANIFEST).is_file():
        return [f"{path} has neither Python files nor a {MANIFEST}"]
    return []


def load_manifest(source: Source) -> Manifest:
    """The manifest beside the source, or the defaults. Raises Rejected with every bad key and value."""
    path = source.folder / MANIFEST
    if not path.is_file():
        return Manifest()
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Rejected(str(path), [f"is not TOML: {error}"]) from error
    except ValidationError as error:
        raise Rejected(str(path), [explain_value(problem) for problem in error.errors()]) from error
    if problems := manifest_problems(source, manifest):
        raise Rejected(str(path), problems)
    return manifest


def explain_value(problem: object) -> str:
    """pydantic's complaint in one line: `smoke.0.status: Input should be … (got 'x')`."""
    details: dict[str, object] = dict(problem)  # type: ignore[call-overload]
    where = ".".join(str(part) for part in details["loc"])  # type: ignore[attr-defined]
    return f"{where}: {details['msg']} (got {details['input']!r})"


def manifest_problems(source: Source, manifest: Manifest) -> list[str]:
    """What the manifest names and the disk does not have."""
    if source.kind != "python":
        return []
    function = manifest.function
    files = [function.requirements, function.constraints]
    return [
        f"function.packages: {name!r} is not a folder ({(source.path / name).resolve()})"
        for name in function.packages
        if not (source.path / name).is_dir()
    ] + [
        f"function: {name!r} is not a file ({(source.path / name).resolve()})"
        for name in files
        if name is not None and not (source.path / name).is_file()
    ]
