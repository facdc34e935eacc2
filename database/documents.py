"""Values and texts as PostgreSQL can hold them.

Its text has no NUL and no lone surrogates, and its JSON no NaN; programs print the first two and models answer the
third. What only looks odd is made harmless; what is no JSON at all is refused before it is sent, so that it cannot
spoil the statement it would share with others.
"""

import json
import re
from typing import Any

MAX_DOCUMENT = 16 * 1024 * 1024
"""Characters of JSON; a step's output or a result is a summary, and files belong elsewhere."""
JSON = json.JSONEncoder(allow_nan=False)
UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")
ESCAPED = re.compile(r"\\u0000|\\u[dD][89abAB]")


class NotStorable(ValueError):
    """A value that is no JSON, or too large."""


def clean(text: str) -> str:
    """The text with U+FFFD for each NUL and each lone surrogate."""
    if text.isascii() and "\x00" not in text:  # nearly always, and seen at once
        return text
    return UNHOLDABLE.sub("\ufffd", text)


def encode(value: Any) -> str:
    """The value as JSON that PostgreSQL takes. Raises NotStorable."""
    try:
        document = JSON.encode(value)
        if ESCAPED.search(document):
            document = JSON.encode(cleaned(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStorable(f"{value!r:.200} is not JSON: {error}") from error
    if len(document) > MAX_DOCUMENT:
        raise NotStorable(f"{len(document):,} characters of JSON are more than the {MAX_DOCUMENT:,} that are kept")
    return document


def cleaned(value: Any) -> Any:
    """The same value with all its texts cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key) if isinstance(key, str) else key: cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value
