"""Where a site says what its API's address is: every hit with its place and value, and which of them is meant.

Known forms: a constant (`const API_BASE = '…'`, `window.API_BASE = "…"`, `export const …`), a key of an object or of a
JSON file, a variable of the build (`NEXT_PUBLIC_API_URL`, `VITE_API_BASE_URL`) in `.env` files or where the code reads
it, a meta tag, a data attribute. Comments are no hits. Several that are not one and the same are ambiguous, and refused
with the list: changing the wrong one would publish a site that asks nobody.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

from tasks.errors import Rejected
from tasks.sites.javascript import Lines, Token, quoted, tokens
from tasks.sites.sources import MANIFEST, Choice, Site

Form = Literal["constant", "variable", "fallback", "markup", "string"]

SCRIPTS = frozenset({".js", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".jsx", ".vue", ".svelte", ".astro", ".json"})
MARKUP = frozenset({".html", ".htm"})
NOT_SEARCHED = re.compile(
    r"(^|/)(package(-lock)?|tsconfig[^/]*|jsconfig|composer)\.json$|\.(test|spec)\.\w+$|(^|/)__tests__/|\.d\.ts$"
)
LARGEST = 8_000_000
PREFIX = re.compile(r"^(NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC|PUBLIC|GATSBY|VUE_APP|EXPO_PUBLIC|NG_APP)_")
API_NAMES = frozenset({
    "apibase", "apibaseurl", "apibaseuri", "apiurl", "apiuri", "apiroot", "apiendpoint", "apihost", "apiorigin",
    "apiserver", "backendurl", "backendbase", "backendbaseurl", "baseapiurl", "serverurl", "serverbaseurl",
})  # fmt: skip
PLAIN_NAMES = frozenset({"baseurl"})
"""Names that mean the API's address only where the value is a whole URL."""
URL = re.compile(r"^(https?:)?//[^\s]+$")
PATH_OR_EMPTY = re.compile(r"^(/[\w./-]*)?$|^__\w+__$|^%\w+%$|^\{\{.*\}\}$")
ENV_LINE = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*?)\s*$")


@dataclass(frozen=True)
class Hit:
    """One place that says what the API's address is. `start` and `end` are where its value stands, quotes included."""

    file: str
    line: int
    form: Form
    name: str
    value: str | None
    start: int = 0
    end: int = 0
    quote: str = '"'

    def __str__(self) -> str:
        value = "no value" if self.value is None else repr(self.value)
        kind = {"variable": "variable of the build", "fallback": "fallback"}.get(self.form, self.form)
        return f"{self.file}:{self.line}: {kind} {self.name} = {value}".replace(" =  = ", " = ")


def is_api_name(name: str, value: str | None) -> bool:
    """True if a constant or variable of this name and value is the API's address."""
    plain = PREFIX.sub("", name).replace("_", "").replace("-", "").lower()
    if plain in API_NAMES:
        return value is None or bool(URL.match(value) or PATH_OR_EMPTY.match(value))
    return plain in PLAIN_NAMES and bool(value and URL.match(value))


def search(site: Site) -> list[Hit]:
    """Every hit in the site's own files."""
    return [hit for name, text in searched(site) for hit in hits_in(name, text, site.choices_for(name))]


def searched(site: Site) -> Iterator[tuple[str, str]]:
    """The files that are searched, by name, and their texts."""
    for path in site.files():
        name = path.relative_to(site.folder).as_posix()
        if not NOT_SEARCHED.search(name) and path.stat().st_size <= LARGEST and is_searched(path):
            yield name, text_of(path)


def text_of(path: Path) -> str:
    """The text with its line ends as they are: places in it are those of the file."""
    return path.read_bytes().decode("utf-8", errors="replace")


def is_searched(path: Path) -> bool:
    return path.suffix.lower() in SCRIPTS | MARKUP or path.name.startswith(".env")


def hits_in(name: str, text: str, values: Sequence[str] = ()) -> list[Hit]:
    """The hits of one file. `values` are strings that a manifest chose by their present value."""
    if Path(name).name.startswith(".env"):
        return list(env_hits(name, text))
    if Path(name).suffix.lower() in MARKUP:
        return markup_hits(name, text, values)
    return list(script_hits(name, text, values))


def env_hits(name: str, text: str) -> Iterator[Hit]:
    for number, line in enumerate(text.splitlines(), 1):
        found = ENV_LINE.match(line)
        if found and PREFIX.match(found["name"]) and is_api_name(found["name"], None):
            yield Hit(name, number, "variable", found["name"], found["value"].strip("'\""))


def script_hits(name: str, text: str, values: Sequence[str] = (), *, offset: int = 0, line: int = 0) -> Iterator[Hit]:
    """The hits of JavaScript; `offset` and `line` are where it begins in its file."""
    stream, lines = list(tokens(text)), Lines(text)

    def hit(form: Form, what: str, at: Token, value: Token | None) -> Hit:
        span = (value.start + offset, value.end + offset, value.text[0]) if value else (0, 0, '"')
        return Hit(name, lines.at(at.start) + line, form, what, value.value if value else None, *span)

    for index, token in enumerate(stream):
        if variable := build_variable(stream, index):
            fallback = value_after(stream, index + variable[1], {"||", "??"})
            if is_api_name(variable[0], None) and PREFIX.match(variable[0]):
                yield hit("variable", variable[0], token, fallback)
        elif token.is_text and token.value in values:
            yield hit("string", token.value, token, token)
        elif token.kind in ("name", "string") and (found := assigned(stream, index)):
            form, value = found
            what = token.text if token.kind == "name" else token.value
            if is_api_name(what, value.value) and value.value not in values:
                yield hit(form, what, token, value)


def build_variable(stream: Sequence[Token], index: int) -> tuple[str, int] | None:
    """The name in `process.env.NAME`, `process.env["NAME"]` or `import.meta.env.NAME`, and its number of tokens."""
    for words in (["process", ".", "env"], ["import", ".", "meta", ".", "env"]):
        here = stream[index : index + len(words) + 3]
        if [token.text for token in here[: len(words)]] == words and len(here) > len(words) + 1:
            mark, what = here[len(words)], here[len(words) + 1]
            if mark.text in (".", "?.") and what.kind == "name":
                return what.text, len(words) + 2
            if mark.text == "[" and what.kind == "string":
                return what.value, len(words) + 3
    return None


def assigned(stream: Sequence[Token], index: int) -> tuple[Form, Token] | None:
    """What a name is set to: `NAME = '…'`, `NAME: '…'`, `NAME: string = '…'`, `NAME = window.NAME || '…'`."""
    place = index + 1
    if place >= len(stream) or stream[place].text not in ("=", ":"):
        return None
    if stream[place].text == ":" and [t.text for t in stream[place + 1 : place + 3]] == ["string", "="]:
        place += 2
    value = at(stream, place + 1)
    if value is None:
        return None
    if value.is_text:
        return None if joined(stream, place + 2) else ("constant", value)
    if build_variable(stream, place + 1):
        return None  # a hit of its own
    while value is not None and (value.kind == "name" or value.text in (".", "?.")):
        place += 1
        value = at(stream, place + 1)
    found = value_after(stream, place + 1, {"||", "??"})
    return ("fallback", found) if found else None


def joined(stream: Sequence[Token], place: int) -> bool:
    """True if the string is only a part of the value, as in `'http://' + host`."""
    following = at(stream, place)
    return following is not None and following.text in ("+", "?")


def value_after(stream: Sequence[Token], place: int, marks: set[str]) -> Token | None:
    mark, value = at(stream, place), at(stream, place + 1)
    return value if mark and value and mark.text in marks and value.is_text else None


def at(stream: Sequence[Token], place: int) -> Token | None:
    return stream[place] if place < len(stream) else None


class Markup(HTMLParser):
    """The hits of a page: meta tags, data attributes, and its scripts."""

    def __init__(self, name: str, text: str, values: Sequence[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.name, self.text, self.values, self.hits, self._script = name, text, values, list[Hit](), False
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.feed(text)
        self.close()

    def _place(self) -> int:
        line, column = self.getpos()
        return self._starts[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script"
        known = dict(attrs)
        named = known.get("name") or known.get("property") or ""
        if tag == "meta" and known.get("content") is not None and is_api_name(named, known["content"]):
            self._attribute("content", named, known["content"])
        for attribute, value in attrs:
            if attribute.startswith("data-") and is_api_name(attribute.removeprefix("data-"), value or ""):
                self._attribute(attribute, attribute, value)

    def _attribute(self, attribute: str, name: str, value: str | None) -> None:
        tag, start = self.get_starttag_text() or "", self._place()
        found = re.search(rf"(?<![\w-]){re.escape(attribute)}\s*=\s*((['\"]).*?\2)", tag, re.IGNORECASE | re.DOTALL)
        if found:
            span = (start + found.start(1), start + found.end(1), found[2])
            self.hits.append(Hit(self.name, self.getpos()[0], "markup", name, value, *span))

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            line = self.getpos()[0] - 1
            self.hits += script_hits(self.name, data, self.values, offset=self._place(), line=line)


def markup_hits(name: str, text: str, values: Sequence[str] = ()) -> list[Hit]:
    return Markup(name, text, values).hits


def choose(site: Site, hits: Sequence[Hit]) -> list[Hit]:
    """The hits that are one definition of the address. Raises Rejected when there is none, or more than one."""
    what = f"site {site.folder.name}"
    if site.choices:
        return [hit for choice in site.choices for hit in chosen(what, choice, hits)]
    usable = [hit for hit in hits if site.script or hit.form != "variable"]
    if not usable:
        raise Rejected(what, [NOTHING, *(f"not of use without a build: {hit}" for hit in hits), *not_readable(site)])
    definitions = by_definition(usable)
    if len(definitions) > 1:
        listed = [str(hit) for hit in usable]
        raise Rejected(f"{what}: its API's address is ambiguous", [*listed, how(definitions)])
    return definitions[0]


def how(definitions: Sequence[Sequence[Hit]]) -> str:
    """What to write to choose one of these definitions, and what to choose them all."""
    ways = [f'{{file = "{hits[0].file}", name = "{hits[0].name}"}}' for hits in definitions]
    return f"choose one in the site's {MANIFEST}: [site] api_base = {ways[0]}; if all are meant: [{', '.join(ways)}]"


def not_readable(site: Site) -> list[str]:
    """The places that name the API's address and put it together from parts, which cannot be repointed."""
    return [place for name, text in searched(site) for place in composed(name, text)]


def composed(name: str, text: str) -> Iterator[str]:
    """`app.js:3: API_BASE is put together …`. In a page the tokens of its text are taken for those of its scripts."""
    stream, lines = list(tokens(text)), Lines(text)
    for index, token in enumerate(stream):
        mark, first = at(stream, index + 1), at(stream, index + 2)
        named = token.kind == "name" and is_api_name(token.text, None)
        sets = mark and first and mark.text in ("=", ":") and first.text != "string"
        if named and sets and not assigned(stream, index):
            yield UNREADABLE.format(place=f"{name}:{lines.at(token.start)}", name=token.text, file=name)


def by_definition(hits: Sequence[Hit]) -> list[list[Hit]]:
    """The hits in groups that stand for one thing: a variable of the build wherever it is read, or one constant."""
    names = {hit.name for hit in hits if hit.form != "fallback"}
    groups: dict[object, list[Hit]] = {}
    for hit in hits:
        if hit.form == "fallback" and hit.name in names:
            continue  # it reads what another place defines
        groups.setdefault(hit.name if hit.form == "variable" else hit, []).append(hit)
    return list(groups.values())


def chosen(what: str, choice: Choice, hits: Iterable[Hit]) -> list[Hit]:
    fitting = [hit for hit in hits if fits(choice, hit)]
    if not fitting:
        known = [str(hit) for hit in hits] or ["nothing was found in it"]
        raise Rejected(what, [f"site.api_base ({choice}) fits none of these:", *known])
    return fitting


def fits(choice: Choice, hit: Hit) -> bool:
    return fnmatchcase(hit.file, choice.file) and choice.name in (None, hit.name) and choice.value in (None, hit.value)


NOTHING = (
    "nothing says what its API's address is: no constant such as API_BASE, no VITE_… or NEXT_PUBLIC_… variable, no meta"
    f' tag. Name it in the site\'s {MANIFEST}: [site] api_base = {{file = "js/app.js", name = "API_BASE"}}, or by its'
    ' present value = "http://localhost:3000/api"'
)
UNREADABLE = (
    "{place}: {name} is put together (by a condition, from parts, or from another name), and only one whole string can"
    " be repointed: write it as one, {name} = 'http://localhost:3000/api', or choose a string in it by its present"
    ' value, [site] api_base = {{file = "{file}", value = "…"}}'
)


def replaced(text: str, hits: Iterable[Hit], value: str) -> str:
    """The text with the value put in at these hits."""
    for hit in sorted(hits, key=lambda hit: -hit.start):
        text = text[: hit.start] + quoted(value, hit.quote) + text[hit.end :]
    return text
