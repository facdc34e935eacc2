"""What a program says, on its way to the log: secrets masked, and no more of it than people read.

The first lines go to the log as they come. Beyond a bound only the last ones are kept, since they say how it ended,
and follow when the program has; one line says how much is missing between. So a program that prints 100 MB costs the
database a few megabytes, and this process too, however slow the database is.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from tasks.agents.processes import Stream

Log = Callable[[Literal["DEBUG", "INFO", "WARN", "ERROR"], str], None]
SHORTEST_SECRET = 6
"""Shorter values are masked nowhere: they are parts of ordinary words."""


class Transcript:
    """`line` takes what is said; `close` writes the end. `count` is how many lines there were."""

    def __init__(
        self, log: Log, *, secrets: Sequence[str] = (), lines: int = 20_000, size: int = 8 * 1024 * 1024, end: int = 200
    ) -> None:
        self._log, self._lines, self._size = log, lines, size
        self._secrets = [part for secret in secrets for part in secret.splitlines() if len(part) >= SHORTEST_SECRET]
        self._end: deque[tuple[Stream, str]] = deque(maxlen=end)
        self._withheld = 0
        self._recent: deque[tuple[Stream, str]] = deque(maxlen=50)
        self.count = 0

    def line(self, stream: Stream, text: str) -> None:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        self.count += 1
        self._recent.append((stream, text))
        self._size -= len(text)
        if self.count <= self._lines and self._size >= 0:
            self._write(stream, text)
        else:
            self._withheld += 1
            self._end.append((stream, text))

    def close(self) -> None:
        """Write what was kept of the end."""
        if missing := self._withheld - len(self._end):
            self._log("WARN", f"{missing} lines of output are left out here: the program said too much")
        for stream, text in self._end:
            self._write(stream, text)
        self._end.clear()

    def _write(self, stream: Stream, text: str) -> None:
        self._log("ERROR" if stream == "stderr" else "INFO", text)

    @property
    def last_words(self) -> list[str]:
        """The last lines that say something: of stderr if there are any, else of stdout."""
        said = [(stream, text) for stream, text in self._recent if text.strip()]
        errors = [text for stream, text in said if stream == "stderr"]
        return (errors or [text for _, text in said])[-5:]

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object that is the last line of stdout, if it is one."""
        last = next((text for stream, text in reversed(self._recent) if stream == "stdout" and text.strip()), "")
        try:
            found = json.loads(last)
            plain = json.dumps(found, ensure_ascii=False).encode(errors="replace").decode().replace("\\u0000", "\ufffd")
            found = json.loads(plain, parse_constant=str)  # what JSON in Postgres cannot be is something like it
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def last_line_with(self, part: str) -> str:
        return next((text for _, text in reversed(self._recent) if part in text), "")
