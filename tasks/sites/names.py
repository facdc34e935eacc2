"""Names and links that no site may have: said all at once, before anything is copied or written.

A link is followed where it leads to a file of the site itself. Any other would publish what is not the site's, or leave
something out without a word.
"""

import unicodedata
from collections.abc import Iterable
from pathlib import Path


def name_problems(folder: Path, paths: Iterable[Path]) -> list[str]:
    """What is wrong with these files and links of a folder by their names and by where they lead."""
    home = folder.resolve()
    found = [(path.relative_to(folder).as_posix(), path, home) for path in paths]
    return [problem for name, path, home in found for problem in (unfit(name), astray(name, path, home)) if problem]


def unfit(name: str) -> str:
    """Why a file of this name cannot be an object and be asked for."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"{shown(name)}: the name is not UTF-8; rename the file"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        return f"{shown(name)}: the name has a control character; rename the file"
    return ""


def astray(name: str, path: Path, home: Path) -> str:
    """Why this link is not followed."""
    if not path.is_symlink():
        return ""
    target = path.resolve()
    if not target.is_relative_to(home):
        return f"{shown(name)} is a link that leads outside the site; put a copy there, or remove it"
    if not target.is_file():
        return f"{shown(name)} is a link to what is no file; only links to files of the site are followed"
    return ""


def shown(name: str) -> str:
    """The name as it can be printed."""
    return name if name.isprintable() else ascii(name)
