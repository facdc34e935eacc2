"""JavaScript read far enough to tell strings from comments: tokens with their places.

Not a parser: it knows comments, strings, templates and regular expressions, which is what a search for a constant has
to tell apart. It reads TypeScript, JSX, JSON and minified bundles, too, and never fails: what it cannot place (an
apostrophe in the text of JSX) ends with its line, as a string does in the language.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["name", "string", "template", "number", "regex", "mark"]

TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z)|\A\#![^\n]*|<!--[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\(?:\r\n|.))*"|'(?:[^'\\\n]|\\(?:\r\n|.))*')
  | (?P<name>[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*)
  | (?P<number>\.?\d[\w.]*)
  | (?P<mark>=>|===|!==|==|!=|\?\?=?|\|\|=?|\?\.|&&=?|\+\+|--|.)
    """,
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*%~^") | {"=>", "===", "!==", "==", "!=", "??", "||", "&&", "??=", "||=", "&&="}
WORDS_BEFORE_REGEX = frozenset({"return", "typeof", "case", "in", "of", "do", "else", "void", "delete", "throw", "new"})
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|.)", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """A piece of the text from `start` to `end`, which count characters."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_text(self) -> bool:
        """A string, or a template that nothing is put into."""
        return self.kind == "string" or (self.kind == "template" and "${" not in self.text)

    @cached_property
    def value(self) -> str:
        """What a string means; of a template the text as it is written."""
        return ESCAPE.sub(lambda found: unescaped(found[1]), self.text[1:-1])


def unescaped(text: str) -> str:
    if text[0] in "ux" and len(text) > 1:
        return chr(min(int(text[1:].strip("{}"), 16), 0x10FFFF))
    return "" if text in ("\n", "\r\n") else ESCAPES.get(text, text)


def quoted(value: str, like: str) -> str:
    """The value as a string of the language, in the quotes of `like`."""
    quote = like[0]
    escaped = value.replace("\\", "\\\\").replace(quote, "\\" + quote).replace("\n", "\\n")
    return quote + (escaped.replace("${", "\\${") if quote == "`" else escaped) + quote


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a text, without spaces and comments."""
    place, before = 0, None
    while place < len(source):
        token, place = next_token(source, place, before)
        if token is not None:
            yield token
            before = token


def next_token(source: str, place: int, before: Token | None) -> tuple[Token | None, int]:
    if source[place] == "`":
        end = end_of_template(source, place)
        return Token("template", source[place:end], place), end
    is_slash = source[place] == "/" and source[place + 1 : place + 2] not in ("/", "*")
    if is_slash and may_be_regex(before) and (pattern := REGEX.match(source, place)):
        return Token("regex", pattern[0], place), pattern.end()
    found = TOKEN.match(source, place)
    assert found  # `mark` matches anything
    kind = found.lastgroup
    if kind in ("space", "comment"):
        return None, found.end()
    return Token(kind, found[0], place), found.end()  # type: ignore[arg-type]


def may_be_regex(before: Token | None) -> bool:
    """True if a slash after this token begins a regular expression; else it divides."""
    if before is None or before.kind == "mark":
        return before is None or before.text in BEFORE_REGEX
    return before.kind == "name" and before.text in WORDS_BEFORE_REGEX


def end_of_template(source: str, place: int) -> int:
    """Where the template that begins here ends; those inside its `${…}` are passed over."""
    place += 1
    while place < len(source) and source[place] != "`":
        if source[place] == "\\":
            place += 2
        elif source.startswith("${", place):
            place = end_of_insertion(source, place + 2)
        else:
            place += 1
    return min(place + 1, len(source))


def end_of_insertion(source: str, place: int) -> int:
    depth, before = 1, None
    while place < len(source) and depth:
        token, place = next_token(source, place, before)
        if token is not None and token.kind == "mark":
            depth += {"{": 1, "}": -1}.get(token.text, 0)
        before = token or before
    return place


def inner_texts(token: Token) -> Iterator[str]:
    """The texts of a string or template; of a template those of its insertions, too."""
    yield token.value
    if token.kind == "template" and "${" in token.text:
        for inner in tokens(token.text[1:-1].replace("`", "'")):
            if inner.kind == "string":
                yield inner.value


class Lines:
    """Which line a place of a text is on, from 1."""

    def __init__(self, source: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", source)]

    def at(self, place: int) -> int:
        return bisect_right(self._ends, place - 1) + 1
