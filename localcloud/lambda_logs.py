"""Writes log lines into moto's log groups, in batches, so that a request does not wait for it.

A function's lines reach CloudWatch Logs only if its role may write them: without the permission, or without the group
and the right to make it, they are dropped, as on AWS. moto keeps every event for ever and in memory; a stream here
keeps its last `KEPT` ones.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localcloud.lambda_policy import role_allows

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

PAUSE = 0.1
"""Seconds between a line and its batch."""
KEPT = 10_000
"""Events that a stream keeps."""
SAVED_EVERY = 5.0
"""Seconds between two times that the state is asked to save the logs: a save copies all of them."""


class Stream:
    """One log stream: `add` lines, which the book writes soon. `role` is asked for permission; '' needs none."""

    def __init__(self, book: "LogBook", group: str, name: str, *, role: str = "") -> None:
        self.book, self.group, self.name, self.role = book, group, name, role
        self.lines: list[dict[str, Any]] = []

    def add(self, message: str, at: float) -> None:
        """`at` is in seconds since the epoch."""
        if not self.lines:
            self.book.dirty(self)
        self.lines.append({"timestamp": int(at * 1000), "message": message})


class LogBook:
    """All streams with unwritten lines. Lives in the loop's thread."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._dirty: list[Stream] = []
        self._timer: asyncio.TimerHandle | None = None
        self._save_due = False
        self.before_flush: list[Callable[[], None]] = []
        """Called first at every flush: for those that put off turning records into lines."""

    def stream(self, group: str, name: str, *, role: str = "") -> Stream:
        return Stream(self, group, name, role=role)

    def dirty(self, stream: Stream) -> None:
        self._dirty.append(stream)
        self.soon()

    def soon(self) -> None:
        """See that there is a flush within `PAUSE`."""
        if self._timer is None:
            self._timer = self._cloud.loop.call_later(PAUSE, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        for prepare in self.before_flush:
            prepare()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        streams, self._dirty = self._dirty, []
        for stream in streams:
            lines, stream.lines = stream.lines, []
            self._write(stream, lines)
        if streams:
            self._save_now_and_then()

    def stop(self) -> None:
        self.flush()
        self._cloud.state.touch("logs")

    def _write(self, stream: Stream, lines: list[dict[str, Any]]) -> None:
        logs = self._cloud.backend("logs")
        if not self._stream_exists(logs, stream):
            return
        lines.sort(key=lambda line: int(line["timestamp"]))
        logs.put_log_events(stream.group, stream.name, lines)
        events = logs.groups[stream.group].streams[stream.name].events
        del events[:-KEPT]

    def _stream_exists(self, logs: Any, stream: Stream) -> bool:
        """Make group and stream as far as the role may; False if the lines cannot be written."""
        group = logs.groups.get(stream.group)
        if not self._may(stream, "logs:PutLogEvents", logs):
            return False
        if group is not None and stream.name in group.streams:
            return True
        if group is None and not (stream.role and self._may(stream, "logs:CreateLogGroup", logs)):
            return False
        if not self._may(stream, "logs:CreateLogStream", logs):
            return False
        with self._cloud.state.writing("logs"):
            logs.ensure_log_group(stream.group)
            logs.ensure_log_stream(stream.group, stream.name)
        return True

    def _may(self, stream: Stream, action: str, logs: Any) -> bool:
        if not stream.role:
            return True
        group = f"arn:aws:logs:{logs.region_name}:{logs.account_id}:log-group:{stream.group}"
        resource = f"{group}:log-stream:{stream.name}" if action == "logs:PutLogEvents" else f"{group}:*"
        return role_allows(self._cloud.backend("iam"), stream.role, action, resource)

    def _save_now_and_then(self) -> None:
        if not self._save_due:
            self._save_due = True
            self._cloud.loop.call_later(SAVED_EVERY, self._save)

    def _save(self) -> None:
        self._save_due = False
        self._cloud.state.touch("logs")
