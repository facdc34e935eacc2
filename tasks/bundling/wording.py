"""How messages of the package check name files."""

from collections.abc import Sequence

SHOWN = 3
"""Names in a message that stands for many files."""


def listed(names: Sequence[str]) -> str:
    """`'a'`, or `'a', 'b', 'c' and 9 more`."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
