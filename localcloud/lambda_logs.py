"""Writes log lines into moto's log groups, in batches and a slice at a time, so that a request does not wait for it.

A function's lines reach CloudWatch Logs only if its role may write them: without the permission, or without the group
and the right to make it, they are dropped, as on AWS. moto keeps every event for ever and in memory; a stream here
keeps its last `KEPT` ones.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.lambda_policy import role_allows

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

PAUSE = 0.1
"""Seconds between a line and its batch, when there has been none for a while."""
BUSY_PAUSE = 1.0
"""Seconds between two batches."""
SLICE = 200
"""Lines that are written before requests have their turn again."""
KEPT = 2_000
"""Events that a stream keeps. Lines beyond it within one batch are not even made into text."""
SAVED_EVERY = 15.0
"""Seconds between two times that the state is asked to save the logs: a save copies all of them."""

Lines = deque[tuple[float, str, tuple[object, ...]]]


class Stream:
    """One log stream: `add` lines, which the book writes soon. `role` is asked for permission; '' needs none."""

    def __init__(self, book: "LogBook", group: str, name: str, *, role: str = "") -> None:
        self.book, self.group, self.name, self.role = book, group, name, role
        self.lines: Lines = deque(maxlen=KEPT)

    def add(self, at: float, template: str, *values: object) -> None:
        """`at` is in seconds since the epoch; the message is `template % values`, made when it is written."""
        if not self.lines:
            self.book.dirty(self)
        self.lines.append((at, template, values))

    def take(self) -> Lines:
        """The lines since the last batch."""
        lines, self.lines = self.lines, deque(maxlen=KEPT)
        return lines


class LogBook:
    """All streams with unwritten lines. Lives in the loop's thread."""

    def __init__(self, cloud: "Cloud", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cloud, self._clock = cloud, clock
        self._dirty: list[Stream] = []
        self._batch: deque[tuple[Stream, Lines]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._begun_at = -BUSY_PAUSE
        self._save_due = False

    def stream(self, group: str, name: str, *, role: str = "") -> Stream:
        return Stream(self, group, name, role=role)

    def dirty(self, stream: Stream) -> None:
        """A stream has its first line since the last batch."""
        self._dirty.append(stream)
        if self._timer is None:
            pause = max(PAUSE, self._begun_at + BUSY_PAUSE - self._clock())
            self._timer = self._cloud.loop.call_later(pause, self._write_batch)

    def flush(self) -> None:
        """Write all that waits, now."""
        self._begin_batch()
        while self._batch:
            self._write_slice()

    def stop(self) -> None:
        self.flush()
        self._save()

    def _write_batch(self) -> None:
        self._begin_batch()
        self._go_on()

    def _begin_batch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._begun_at = self._clock()
        streams, self._dirty = self._dirty, []
        logs = self._cloud.backend("logs")
        self._batch.extend((stream, stream.take()) for stream in streams if self._stream_exists(logs, stream))
        for stream in streams:
            stream.lines.clear()  # of those that may not be written
        if streams and not self._save_due:
            self._save_due = True
            self._cloud.loop.call_later(SAVED_EVERY, self._save)

    def _go_on(self) -> None:
        if self._batch:
            self._write_slice()
            self._cloud.loop.call_soon(self._go_on)

    def _write_slice(self) -> None:
        """Write the next lines of the first stream in the batch."""
        stream, lines = self._batch[0]
        events = events_of(lines, SLICE)
        if not lines:
            self._batch.popleft()
        logs = self._cloud.backend("logs")
        group = logs.groups.get(stream.group)
        if group is None or stream.name not in group.streams:
            return  # deleted meanwhile
        if group.subscription_filters:
            logs.put_log_events(stream.group, stream.name, events)
        else:
            _append(group.streams[stream.name], events)
        del group.streams[stream.name].events[:-KEPT]

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

    def _save(self) -> None:
        self._save_due = False
        self._cloud.state.touch("logs")


def events_of(lines: Lines, most: int) -> list[dict[str, Any]]:
    """The next lines as CloudWatch Logs wants them: in order of time. They are taken out of `lines`."""
    events, latest = [], 0
    for _ in range(min(most, len(lines))):
        at, template, values = lines.popleft()
        latest = max(latest, int(at * 1000))
        events.append({"timestamp": latest, "message": template % values if values else template})
    return events


def _append(stream: Any, events: list[dict[str, Any]]) -> None:
    """As moto's `LogStream.put_log_events`, without its memory of every event there ever was (`instances_tracked`)."""
    from moto.logs.models import LogEvent

    ingested = int(time.time() * 1000)
    for event in events:
        made = object.__new__(LogEvent)
        LogEvent.__init__(made, ingested, event)
        stream.events.append(made)
    stream.last_ingestion_time = datetime.now(UTC).replace(tzinfo=None)
    stream.stored_bytes += sum(len(event["message"]) for event in events)
    stream.upload_sequence_token += 1
