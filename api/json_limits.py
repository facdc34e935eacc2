"""What no body of JSON may be: nested more deeply than anybody means, with a character that Postgres cannot keep, or an
object that says one thing twice.

The first two are found before the body is parsed: a deep one would use up the parser's stack. One that is not
nested costs two counts.
"""

import json
import re
from collections import Counter
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException

DEEPEST = 100
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def check(body: bytes | bytearray) -> None:
    """Raises HTTPException, which FastAPI lets through."""
    if body.count(b"[") + body.count(b"{") > DEEPEST and depth(body) > DEEPEST:
        raise HTTPException(422, f"The body is nested more than {DEEPEST} deep")
    if b"\\u0000" in body and NUL.search(body):
        raise HTTPException(422, "The body contains the character NUL, which cannot be kept")
    if body:
        with suppress(ValueError):  # no JSON: whoever reads it says so
            json.loads(body, object_pairs_hook=unique)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises HTTPException: parsers differ in which of two they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _times),) = Counter(name for name, _value in pairs).most_common(1)
        raise HTTPException(422, f"The body has {name[:100]!r} twice in one object")
    return found


def depth(body: bytes | bytearray) -> int:
    """How deep the brackets go that are in no string, no further than need be looked."""
    deep = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", STRING.sub(b"", body)):
        deep += 1 if bracket in b"[{" else -1
        deepest = max(deepest, deep)
        if deepest > DEEPEST:
            break
    return deepest
