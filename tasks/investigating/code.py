"""Parsing with tree-sitter: source as a tree, what comments hold as a tree of its own, and values of nodes.

Code inside a comment is parsed like other code, and what is found there is `disabled`. Lines of prose above and between
are blanked first, so that each fragment keeps its line numbers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from tasks.investigating.model import Place

GRAMMARS: Mapping[str, Callable[[], object]] = {
    "rust": tree_sitter_rust.language,
    "python": tree_sitter_python.language,
    "javascript": tree_sitter_javascript.language,
    "typescript": tree_sitter_typescript.language_typescript,
    "tsx": tree_sitter_typescript.language_tsx,
}
LANGUAGES = {
    ".rs": "rust", ".py": "python", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript",
    ".jsx": "javascript", ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
}  # fmt: skip
MARK = re.compile(rb"^\s*(//+!?|/\*+|#+|\*/|\*(?=\s))")
BEGINS = re.compile(rb"^\s*(\.\w|@\w|(pub |let |const |var |async |export |use )|[\w:.]+\s*[(=]|[\w:]+::new\()")
PROSE = re.compile(rb"^\s*[A-Za-z][\w'-]*(\s+[\w'\"(-]+)+[^;{}(),=]*[.:]?\s*$")
MOST_BROKEN = 20


@dataclass(frozen=True)
class Code:
    """A tree with the file it is from. `above` is how many lines of the file come before the tree's first."""

    file: str
    language: str
    root: Node
    above: int = 0
    owner: Node | None = None
    """Of a fragment in a comment: the comment, whose surroundings say what the fragment belonged to."""

    @property
    def disabled(self) -> bool:
        return self.owner is not None

    def place(self, first: Node, last: Node | None = None) -> Place:
        end = (last or first).end_point
        last_row = end.row if end.column else end.row - 1
        return Place(self.file, self.above + first.start_point.row + 1, self.above + last_row + 1)

    def captures(self, query: str) -> dict[str, list[Node]]:
        found = QueryCursor(compiled(self.language, query)).captures(self.root)
        return {name: sorted(set(nodes), key=lambda node: node.start_byte) for name, nodes in found.items()}


@cache
def language(name: str) -> Language:
    return Language(GRAMMARS[name]())


@cache
def compiled(name: str, query: str) -> Query:
    return Query(language(name), query)


def parsed(file: str, name: str, data: bytes) -> Code:
    return Code(file, name, Parser(language(name)).parse(data).root_node)


def broken(code: Code) -> list[Place]:
    """Where the syntax is not understood; most often a construct that is newer than the grammar, or a conflict mark."""
    if not code.root.has_error:
        return []
    found = code.captures("(ERROR) @error (MISSING) @error").get("error", [])
    return [code.place(node) for node in found[:MOST_BROKEN]]


def text(node: Node | None) -> str:
    return node.text.decode(errors="replace") if node is not None and node.text is not None else ""


def string_of(node: Node | None) -> str | None:
    """The value of a string literal without escapes; None for anything else."""
    if node is None or node.type not in ("string_literal", "raw_string_literal", "string", "template_string"):
        return None
    found = re.fullmatch(r"""[a-zA-Z]*\#*(['"`]{1,3})(.*?)\1\#*""", text(node), re.DOTALL)
    return found[2] if found else None


def up(node: Node | None, *types: str) -> Node | None:
    """The nearest node of these types around this one."""
    while node is not None and node.type not in types:
        node = node.parent
    return node


def fragments(code: Code, wanted: re.Pattern[bytes], wrap: Callable[[bytes], tuple[bytes, bytes]]) -> Iterator[Code]:
    """The code that comments hold, where `wanted` is in it. `wrap` says what to put around it so that it parses."""
    for block in blocks(code.captures(COMMENTS[code.language]).get("comment", [])):
        body = b"\n".join(unmarked(node) for node in block)
        if wanted.search(body) and (lines := only_code(body)):
            before, after = wrap(lines.lstrip())
            tree = Parser(language(code.language)).parse(before + lines + after)
            yield Code(code.file, code.language, tree.root_node, block[0].start_point.row, block[0])


COMMENTS = {
    "rust": "[(line_comment) (block_comment)] @comment",
    "python": "(comment) @comment",
    "javascript": "(comment) @comment",
    "typescript": "(comment) @comment",
    "tsx": "(comment) @comment",
}


def blocks(comments: list[Node]) -> list[list[Node]]:
    """Comments on lines that follow each other, together. Documentation is no code that someone turned off."""
    found: list[list[Node]] = []
    for node in comments:
        if text(node).startswith(("///", "//!", "/**", "/*!")):
            continue
        together = found and found[-1][-1].start_point.row + 1 == node.start_point.row
        if together and text(node).startswith(("//", "#")) and text(found[-1][-1]).startswith(("//", "#")):
            found[-1].append(node)
        else:
            found.append([node])
    return found


def unmarked(comment: Node) -> bytes:
    """A comment's text without its marks, on as many lines."""
    lines = (comment.text or b"").removesuffix(b"*/").rstrip(b"\n").split(b"\n")
    return b"\n".join(MARK.sub(b"", line, count=1) for line in lines)


def only_code(body: bytes) -> bytes:
    """The text with prose blanked: all up to a line that begins like code, and sentences after it."""
    lines, begun = body.split(b"\n"), False
    for number, line in enumerate(lines):
        begun = begun or bool(BEGINS.match(line))
        if not begun or PROSE.match(line):
            lines[number] = b""
    return b"\n".join(lines) if begun else b""
