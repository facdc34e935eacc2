"""The store's SQL, kept in `.sql` files beside the module that runs it, so that it can be read without Python.

A file is a list of blocks: a line `-- name --`, then comments, then one statement with `%(parameter)s` in it.
Each file is read once, when the module that needs it is imported.
"""

import re
from pathlib import Path

BLOCK = re.compile(r"^-- (\w+) --$\n", re.MULTILINE)


def load(filename: str) -> dict[str, str]:
    """The statements of a file in this folder, by name. A name given twice is an error."""
    return parse((Path(__file__).parent / filename).read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, str]:
    """The statements by name, without their comments and closing semicolons."""
    _preamble, *parts = BLOCK.split(text)
    names = parts[::2]
    if doubles := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"named more than once: {sorted(doubles)!r}")
    return {name: bare(statement) for name, statement in zip(names, parts[1::2], strict=True)}


def bare(statement: str) -> str:
    lines = (line for line in statement.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip().removesuffix(";")
