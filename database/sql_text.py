"""Where the statements of an SQL text begin, as PostgreSQL divides it.

Used to name the line of a statement that failed, never to run one: files are sent whole. Knows strings, quoted names,
dollar quotes, nested comments, parentheses (of rules) and `BEGIN ATOMIC … END` bodies.
"""

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"""
    (?P<skip>   \s+ | --[^\n]* )
  | (?P<comment> /\* )
  | (?P<quoted> [eE]'(?:[^'\\]|''|\\.)*'? | '(?:[^']|'')*'? | "(?:[^"]|"")*"?
              | \$(?P<tag>[^\W\d]\w*|)\$ .*? (?:\$(?P=tag)\$|\Z) )
  | (?P<word>   [^\W\d][\w$]* )
  | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")


def statement_starts(sql: str) -> list[int]:
    """The offset of each statement's first character. Empty statements do not count, as PostgreSQL skips them."""
    starts: list[int] = []
    nesting, inside = Nesting(), False
    for offset, token in tokens(sql):
        if token == ";" and nesting.depth <= 0:
            inside, nesting = False, Nesting()
            continue
        if not inside:
            starts.append(offset)
            inside = True
        nesting.see(token)
    return starts


class Nesting:
    """How deep in parentheses and `BEGIN ATOMIC` bodies a statement is."""

    def __init__(self) -> None:
        self.depth = 0
        self.bodies = 0
        self.previous = ""

    def see(self, token: str) -> None:
        word = token.upper()
        if word == "(":
            self.depth += 1
        elif word == ")":
            self.depth -= 1
        elif (word == "ATOMIC" and self.previous == "BEGIN") or (word == "CASE" and self.bodies):
            self.depth += 1
            self.bodies += 1
        elif word == "END" and self.bodies:
            self.depth -= 1
            self.bodies -= 1
        self.previous = word


def tokens(sql: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each token that is neither space nor comment."""
    offset = 0
    while match := TOKEN.match(sql, offset):
        if match.lastgroup == "comment":
            offset = comment_end(sql, offset)
            continue
        if match["skip"] is None:
            yield offset, match[0]
        offset = match.end()


def comment_end(sql: str, start: int) -> int:
    """Where the comment that begins at `start` ends; comments nest."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
