"""The inbox of a laptop: what was sent to the webhook `/_cloud/inbox`, where Prefect's notifications go.

The last hundred messages, in a file, so that they outlive the stack.
"""

import json
import threading
from pathlib import Path
from typing import Any

from localcloud.files import write_whole

KEPT = 100


class Inbox:
    """One file of one home."""

    def __init__(self, home: Path) -> None:
        self._path, self._lock = home / "inbox.json", threading.Lock()

    def messages(self) -> list[Any]:
        """Oldest first. None where the file is not there, or damaged: nothing depends on it."""
        try:
            return list(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return []

    def add(self, message: Any) -> None:
        with self._lock:
            write_whole(self._path, json.dumps([*self.messages(), message][-KEPT:], ensure_ascii=False))
