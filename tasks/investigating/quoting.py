"""Evidence with the lines themselves. Values of settings and what looks like a secret are not shown."""

import re
from pathlib import Path

from database.investigation_models import Evidence
from tasks.investigating.files import content
from tasks.investigating.looking import Seen
from tasks.investigating.settings import is_settings

MOST_LINES, LONGEST = 24, 200
IN_URL = re.compile(r"(?<=://)[^\s/@\"']+(?=@)")
SECRET = re.compile(
    r"((?:secret|passw\w*|token|api_?key|private_?key)\w*[\"']?\s*[:=]\s*)([\"'])[^\"'$<{]{6,}\2", re.IGNORECASE
)
VALUE = re.compile(r"(?<=[A-Z0-9_]=)[^\s,}]+|(?<=\"value\": )\".*?\"")


class Quoter:
    """Reads each file once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lines = folder, dict[str, list[str]]()

    def __call__(self, seen: Seen) -> Evidence:
        place = seen.place
        if place is None:
            return Evidence(place="", says=seen.says, excerpt=masked(seen.output))
        excerpt = self._excerpt(place.file, place.first, place.last) if place.first else ""
        return Evidence(place=str(place), says=masked(seen.says), excerpt=excerpt)

    def _excerpt(self, file: str, first: int, last: int) -> str:
        lines = self._of(file)[first - 1 : last]
        shown = [line[:LONGEST] for line in lines[:MOST_LINES]]
        if len(lines) > MOST_LINES:
            shown.append(f"… {len(lines) - MOST_LINES} more lines")
        text = masked("\n".join(shown))
        return VALUE.sub("…", text) if is_settings(file) else text

    def _of(self, file: str) -> list[str]:
        if file not in self._lines:
            self._lines[file] = (content(self._folder, file, []) or b"").decode(errors="replace").split("\n")
        return self._lines[file]


def masked(text: str) -> str:
    return SECRET.sub(r"\1\2***\2", IN_URL.sub("***", text))
