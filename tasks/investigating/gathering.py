"""All facts of a folder. Those of a file are kept by its content, so that an unchanged tree is not parsed again."""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from tasks.investigating import code
from tasks.investigating.files import content, listed
from tasks.investigating.javascript import read_javascript
from tasks.investigating.linking import aside, served
from tasks.investigating.looking import listed as names
from tasks.investigating.migrations import read_migrations
from tasks.investigating.model import Address, Facts, FileFacts, Place
from tasks.investigating.python import read_python
from tasks.investigating.rust import read_rust
from tasks.investigating.scratch import tried
from tasks.investigating.settings import is_compose, is_settings, read_settings, services_in

logger = logging.getLogger(__name__)
READERS: Mapping[str, Callable[[str, bytes], FileFacts]] = {
    "rust": read_rust,
    "python": read_python,
    **{name: partial(read_javascript, language=name) for name in ("javascript", "typescript", "tsx")},
}
PAGES = (".html", ".htm", ".vue", ".svelte", ".astro")
FOREIGN: Mapping[str, re.Pattern[bytes]] = {
    "rust": re.compile(rb"^\s*use (actix_web|rocket|warp|poem|salvo|tide)\b", re.MULTILINE),
    "python": re.compile(
        rb"^\s*(?:from|import) (django\.urls|aiohttp\.web|aiohttp(?= import web)|tornado|sanic|bottle)\b", re.MULTILINE
    ),
    **dict.fromkeys(("javascript", "typescript"), re.compile(rb"""['"](@nestjs/common|@koa/router|@hapi/hapi)['"]""")),
}  # fmt: skip
"""Frameworks whose routes no reader knows: what of them looks like another's is not taken for it."""
KEPT = TypeAdapter(dict[str, FileFacts])


class Hit(Protocol):
    """A place that says what the API's address is (tasks/sites/search.py)."""

    @property
    def line(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str | None: ...


Finder = Callable[[str, str], Iterable[Hit]]


def gather(folder: Path, *, name: str, addresses: Finder, kept: Path | None = None) -> Facts:
    """The facts of a repository. `addresses` finds what frontends ask; `kept` is a file for the next time."""
    listing = listed(folder)
    before, now = read_kept(kept), dict[str, FileFacts]()
    by_file: dict[str, FileFacts] = {}
    for path in listing.paths:
        if is_read(path) and (data := content(folder, path, listing.unread)) is not None:
            key = f"{hashlib.sha256(data).hexdigest()}:{path}"
            by_file[path] = now[key] = before.get(key) or read_file(path, data, addresses)
    if kept and now.keys() != before.keys():
        write_kept(kept, now)
    migrations = tried(folder, read_migrations(folder, [path for path in listing.paths if not aside(path)]))
    return Facts(
        name, len(listing.paths), by_file, served(by_file.values()), migrations, listing.paths,
        [*listing.unread, *misread(by_file.values()), *out_of_sight(by_file.values())],
    )  # fmt: skip


def is_read(path: str) -> bool:
    return Path(path).suffix in code.LANGUAGES or path.endswith(PAGES) or is_settings(path)


def read_file(path: str, data: bytes, addresses: Finder) -> FileFacts:
    """The facts of one file, by its language; its frontend addresses and settings besides."""
    suffix = Path(path).suffix
    language = code.LANGUAGES.get(suffix, "")
    if reader := READERS.get(language):
        facts = reader(path, data)
    else:
        facts = FileFacts(path, broken=code.broken(code.parsed(path, language, data)) if language else [])
    if language in FOREIGN and (found := FOREIGN[language].search(data)):
        facts = replace(facts, routes=[], mounts=[], computed=[], foreign=found[1].decode())
    frontend = language in ("javascript", "typescript", "tsx") or path.endswith(PAGES) or ".env" in path
    if frontend and not aside(path):
        hits = [Address(hit.name, hit.value, Place(path, hit.line, hit.line))
                 for hit in addresses(path, data.decode(errors="replace"))]  # fmt: skip
        facts = replace(facts, addresses=hits)
    if is_settings(path):
        facts = replace(facts, settings=read_settings(path, data))
    return replace(facts, services=services_in(path, data)) if is_compose(path.rsplit("/", 1)[-1]) else facts


def misread(files: Iterable[FileFacts]) -> list[str]:
    return [f"{facts.broken[0]}: the syntax is not understood here; what stands around it may be missing"
            for facts in files if facts.broken]  # fmt: skip


def out_of_sight(files: Iterable[FileFacts]) -> Iterator[str]:
    """Routes that are there and not among those that were found."""
    known = [facts for facts in files if not aside(facts.file)]
    if computed := [str(place) for facts in known for place in facts.computed]:
        yield f"routes whose path is made when the program runs: {names(computed)}"
    for framework in sorted({facts.foreign for facts in known} - {""}):
        yield f"routes of {framework}: {names([facts.file for facts in known if facts.foreign == framework])}"


def read_kept(file: Path | None) -> dict[str, FileFacts]:
    """What an earlier run of the same readers kept; a file that cannot be read is nothing."""
    try:
        head, _, body = file.read_bytes().partition(b"\n") if file else (b"", b"", b"")
        return KEPT.validate_json(body) if head == readers_version() else {}
    except (OSError, ValidationError):
        return {}


def write_kept(file: Path, facts: dict[str, FileFacts]) -> None:
    """All or nothing; a folder that cannot be written costs the next run its time, and no more."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{os.getpid()}")
        unfinished.write_bytes(readers_version() + b"\n" + KEPT.dump_json(facts))
        unfinished.replace(file)
    except OSError as error:
        logger.warning("the facts are not kept for the next run: %s", error)


def readers_version() -> bytes:
    """Other code or another grammar finds other facts."""
    here = Path(__file__).parent
    parts = [path.read_bytes() for path in sorted(here.glob("*.py"))]
    parts += [version(name).encode() for name in ("tree-sitter-rust", "tree-sitter-python", "tree-sitter-javascript")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest().encode()
