"""The last look at a site before it is published: that it asks the API, and nobody on the visitor's own machine.

Every string of the output is read: of scripts the strings (comments are passed over), of pages the attributes and
scripts, of styles all but comments. Source maps are no part of what browsers run.
"""

import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from tasks.sites.javascript import Lines, inner_texts, tokens

OWN = r"(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\])"
PRIVATE = r"(?:host\.docker\.internal|(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2})"
HOST = rf"(?:{OWN}|{PRIVATE})"
LOOPBACK = re.compile(
    rf"(?:(?:\b(?:https?|wss?):)?//{HOST}(?![\w.-])|(?<![\w./-]){HOST}:\d{{2,5}})[^\s'\"<>]*", re.IGNORECASE
)
IDIOM = "http://localhost"
"""Alone, the base with which axios, react-router and others resolve relative URLs; in a bundle it points nowhere."""
SCRIPTS = frozenset({".js", ".mjs", ".cjs", ".json", ".webmanifest"})
PAGES = frozenset({".html", ".htm"})
PLAIN = frozenset({".txt", ".xml", ".css"})
STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def problems_of(folder: Path, *, value: str, allow: Collection[str] = (), bundled: bool = False) -> list[str]:
    """Why this output must not be published. `value` is the API's address as the site was given it."""
    if not (folder / "index.html").is_file():
        return [f"{folder.name}/ has no index.html"]
    allowed = {*allow, *((IDIOM,) if bundled else ())}
    found = [problem for path in texts(folder) for problem in loopback_problems(folder, path, value, allowed)]
    found += [f"index.html asks for {name}, which is not there" for name in missing_references(folder)]
    if not any(mentions(path, value) for path in texts(folder)):
        found.append(f"the API's address {value} is nowhere in it: the build did not use it")
    return found


def texts(folder: Path) -> Iterator[Path]:
    kinds = SCRIPTS | PAGES | PLAIN
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in kinds and not path.name.endswith(".LICENSE.txt") and path.is_file():
            yield path


def mentions(path: Path, value: str) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return value in text or value.replace("/", "\\/") in text


def loopback_problems(folder: Path, path: Path, value: str, allow: Collection[str]) -> Iterator[str]:
    """`js/app.js:12: "http://localhost:3000/api" points at the visitor's own machine`, once a line and address."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if not re.search(HOST, text, re.IGNORECASE):
        return
    seen = set()
    for line, string in strings_of(path, text):
        for found in LOOPBACK.finditer(string):
            address = found[0]
            fine = address.startswith(value) or value.startswith(address) or address in allow or string in allow
            if not fine and (line, address) not in seen:
                seen.add((line, address))
                name = path.relative_to(folder).as_posix()
                private = re.search(PRIVATE, address, re.IGNORECASE)
                where = "into a private network" if private else "at the visitor's own machine"
                yield f"{name}:{line}: {address!r} points {where}"


def strings_of(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Each string of a file with its line."""
    suffix = path.suffix.lower()
    if suffix in SCRIPTS:
        yield from script_strings(text)
    elif suffix in PAGES:
        yield from Page(text).strings
    else:
        bare = STYLE_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text) if suffix == ".css" else text
        yield from enumerate(bare.splitlines(), 1)


def script_strings(text: str, line: int = 0) -> Iterator[tuple[int, str]]:
    lines = Lines(text)
    for token in tokens(text):
        if token.kind in ("string", "template"):
            for inner in inner_texts(token):
                yield lines.at(token.start) + line, inner


class Page(HTMLParser):
    """The strings of a page: values of attributes, and of its scripts; what it asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.strings, self.references, self._inside = list[tuple[int, str]](), list[str](), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside, known = tag, dict(attrs)
        self.strings += [(self.getpos()[0], value) for _, value in attrs if value]
        loads = (known.get("rel") or "").lower() in ("stylesheet", "modulepreload", "preload")
        place = known.get("src") if tag == "script" else known.get("href") if tag == "link" and loads else None
        if place:
            self.references.append(place)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.strings += script_strings(data, self.getpos()[0] - 1)
        elif self._inside == "style":
            self.strings.append((self.getpos()[0], STYLE_COMMENT.sub("", data)))


def missing_references(folder: Path) -> list[str]:
    """Scripts and styles of the site's own that its first page asks for and that are not there."""
    page = Page((folder / "index.html").read_text(encoding="utf-8", errors="replace"))
    own = [name.partition("?")[0].partition("#")[0] for name in page.references if not re.match(r"^(\w+:|//)", name)]
    return [name for name in own if name and not (folder / unquote(name).lstrip("/")).is_file()]
