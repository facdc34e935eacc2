"""A site to publish: a folder, `site:PATH` or just PATH, and the `[site]` table of its `miyabi.toml`.

The table says what cannot be seen: how to build it, where the output is, which of several hits is the API's address.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import Rejected
from tasks.sites.names import name_problems

MANIFEST = "miyabi.toml"


class Table(BaseModel):
    """A table of the manifest. A misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(Table):
    """Which hit is meant: what is left out fits any. `value` finds a string that has no name, as in a bundle."""

    file: str = "*"
    name: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def says_something(self) -> "Choice":
        if self.name is None and self.value is None:
            raise ValueError("give the `name` of the constant or variable, or its present `value`")
        return self


class SiteTable(Table):
    """`[site]`."""

    build: str | None = Field(
        None, description="a script of package.json; '' for none. Default: `build` where there is one"
    )
    output: str | None = Field(None, description="folder of what is published. Default: where the build puts it")
    api_base: Choice | tuple[Choice, ...] | None = None
    api_suffix: str | None = Field(
        None, pattern=r"^(/\S*)?$", description="after the API's address; default: see README"
    )
    immutable: tuple[str, ...] = Field((), description="patterns of files whose names carry a hash")
    allow: tuple[str, ...] = Field((), description="strings with a loopback address that are meant")
    build_timeout_s: float = Field(600, gt=0)


@dataclass(frozen=True)
class Site:
    """A site's folder and what its manifest says."""

    folder: Path
    table: SiteTable

    @property
    def choices(self) -> tuple[Choice, ...]:
        chosen = self.table.api_base
        return () if chosen is None else chosen if isinstance(chosen, tuple) else (chosen,)

    def choices_for(self, file: str) -> tuple[str, ...]:
        """The strings in a file that the manifest chooses by their value."""
        return tuple(one.value for one in self.choices if one.value is not None and fnmatchcase(file, one.file))

    @cached_property
    def package(self) -> Mapping[str, Any]:
        """Its package.json, or nothing."""
        path = self.folder / "package.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise Rejected(str(path), [f"is not JSON: {error}"]) from error
        return found if isinstance(found, dict) else {}

    @property
    def script(self) -> str:
        """The script of package.json that builds it; '' if it is published as it lies there."""
        if self.table.build is not None:
            return self.table.build
        return "build" if "build" in (self.package.get("scripts") or {}) else ""

    def files(self) -> Iterator[Path]:
        return (path for path in self.entries() if path.is_file())

    def entries(self) -> Iterator[Path]:
        """Its own files and links: no dependencies or earlier output, nothing hidden but settings and `.well-known`."""
        skipped = {"node_modules", "coverage", "__pycache__", *((OUTPUTS | {self.table.output}) if self.script else ())}
        for path in sorted((self.folder if self.script else self.published).rglob("*")):
            parts = path.relative_to(self.folder).parts
            hidden = any(part.startswith(".") and part != ".well-known" for part in parts[:-1]) or (
                parts[-1].startswith(".") and not parts[-1].startswith(".env")
            )
            seen = path.is_symlink() or path.is_file()
            if seen and not hidden and not skipped.intersection(parts if path.is_symlink() else parts[:-1]):
                yield path

    @property
    def published(self) -> Path:
        """Of a site without a build: the folder that is published."""
        if self.table.output:
            return self.folder / self.table.output
        public = self.folder / "public"
        return public if not (self.folder / "index.html").is_file() and public.is_dir() else self.folder


OUTPUTS = frozenset({"dist", "out", "build", "_site", ".next", ".output"})
"""Folders of output that build tools use."""


def find_site(text: str, *, root: Path) -> Site:
    """Read `site:PATH` or PATH; a relative one counts from `root`. Raises Rejected with all that is wrong with it."""
    folder = (root / Path(text.removeprefix("site:")).expanduser()).resolve()
    if not folder.is_dir():
        raise Rejected(f"site {text!r}", [f"{folder} is not a folder; write it as site:FOLDER, such as site:dashboard"])
    site = Site(folder, read_table(folder / MANIFEST))
    if problems := site_problems(site):
        raise Rejected(f"site {text!r}", problems)
    return site


def read_table(path: Path) -> SiteTable:
    """The `[site]` table, or the defaults. Raises Rejected with every bad key and value."""
    if not path.is_file():
        return SiteTable()
    try:
        return SiteTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")).get("site", {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Rejected(str(path), [f"is not TOML: {error}"]) from error
    except ValidationError as error:
        problems = [f"site.{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors()]
        raise Rejected(str(path), problems) from error


def site_problems(site: Site) -> list[str]:
    """What the manifest names and the folder does not have; and a folder that is no site."""
    if problems := name_problems(site.folder, site.entries()):
        return problems
    if site.script:
        known = site.package.get("scripts") or {}
        return [] if site.script in known else [f"site.build: package.json has no script {site.script!r}"]
    if not (site.published / "index.html").is_file():
        return [f"{site.published} has no index.html, and there is no script `build` in a package.json"]
    return []
