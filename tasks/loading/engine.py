"""The loop: requests that are due go out on free connections, answers come in, each leaves a line in the samples.

One thread, no coroutine a request: 10 us each. Latency counts from when a request was due, so time that it waited for a
free connection, for a handshake or for this loop is in it. A connection that the server closed while idle is replaced
without a word; a GET whose reused connection broke before any of its answer came is sent again, and still counts from
when it was due.
"""

import math
import random
import signal
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tasks.loading.connection import Address, Connection, failure_of
from tasks.loading.job import Closed, Job
from tasks.loading.poller import READ, WRITE, Poller, best_poller
from tasks.loading.samples import CODES, FRESH, WRONG, Samples, outcome_of, percentile
from tasks.loading.schedule import schedule_for
from tasks.loading.wire import BROKEN, Shape, encode

TICK_S, SCAN_S, REPORT_S = 0.02, 0.1, 1.0
"""How often users come and go, timeouts are looked for, and progress is reported."""
GRACE_S = 2.0
"""What is under way when the run is stopped may take so long to end."""
LATE_S = 0.005
"""A request that the loop begins so late after it was due counts as late: this machine was too slow for the load."""
RECENT = 1000
"""Latencies that progress is reckoned from."""
VARIETY = 4096

BUSY = Connection.BUSY
Report = Callable[[dict[str, Any]], None]


class Engine:
    """One run of a job."""

    def __init__(
        self, job: Job, *, poller: Poller | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.job, self.clock, self.poller = job, clock, poller or best_poller()
        self.samples, self.idle = Samples(), list[Connection]()
        self.connections: dict[int, Connection] = {}
        self.waiting: deque[tuple[float, int]] = deque()
        self.stopping = False
        self.late = self.resent = self.opened = self.unfinished = 0
        self.begin = self.tick = self.scan = self.began_at = 0.0
        self.shown, self.stop_at = REPORT_S, math.inf
        dice = random.Random(job.seed)
        self.schedule = schedule_for(job.load, dice)
        weights = [request.weight for request in job.requests]
        self.order = dice.choices(range(len(weights)), weights, k=VARIETY)
        self.asked = 0
        self.payloads = [encode(job.url, request) for request in job.requests]
        self.outcomes: list[dict[int, int]] = [{} for _ in job.requests]
        self.shapes = [Shape() for _ in job.requests]
        self.most = int(job.load.most_users) + 1 if isinstance(job.load, Closed) else job.connections
        self.session: ssl.SSLSession | None = None
        self._locate()

    def _locate(self) -> None:
        """Where the target is, asked once: name look-ups are not what is measured. Raises OSError."""
        parts = urlsplit(self.job.url)
        self.host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)
        self.addresses: list[Address] = [(family, place) for family, _, _, _, place in found]
        self.context = ssl.create_default_context(cafile=self.job.ca_file or None) if parts.scheme == "https" else None

    def stop(self, *_: object) -> None:
        """Ask for nothing more and come to an end. Also a signal handler."""
        self.stopping = True

    def run(self, report: Report = lambda progress: None, *, watch: int | None = None) -> Samples:
        """To the end. `watch` is a descriptor whose end stops the run: that of the parent's pipe."""
        if watch is not None:
            self.poller.add(watch, READ)
        self.began_at, self.begin = time.time(), self.clock()
        while not self._over(now := self._now()):
            if now >= self.tick:
                self._keep_house(now, report)
            if not self.stopping:
                self._ask_due(now)
            for fileno, events in self.poller.wait(min(self.schedule.next_at(), self.tick) - self._now()):
                if connection := self.connections.get(fileno):
                    if events == READ and connection.state == BUSY:
                        self._receive(connection)
                    else:
                        self._ready(connection, events)
                elif fileno == watch:
                    self.poller.remove(fileno)
                    self.stop()
        self._close()
        return self.samples

    def _now(self) -> float:
        return self.clock() - self.begin

    def _over(self, now: float) -> bool:
        busy = len(self.connections) > len(self.idle)
        if self.stopping:
            return not busy or now > self.stop_at
        return not busy and not self.waiting and self.schedule.over(now)

    def _keep_house(self, now: float, report: Report) -> None:
        """What is done now and then: users come and go, what takes too long is given up, progress is told."""
        self.tick = now + TICK_S
        self.schedule.adjust(now)
        if now >= self.scan:
            self.scan = now + SCAN_S
            self._give_up(now)
        if now >= self.shown:
            self.shown = now + REPORT_S
            report(self.progress(now))
        if self.stopping:
            self.stop_at = min(self.stop_at, now + GRACE_S)

    # --- asking ---------------------------------------------------------------------------------------------------

    def _ask_due(self, now: float) -> None:
        take = self.schedule.take
        while (due := take(now)) is not None:
            if now - due > LATE_S:
                self.late += 1
            self._ask(due, self._next_kind())
        while self.waiting and (self.idle or len(self.connections) < self.most):
            self._ask(*self.waiting.popleft())

    def _next_kind(self) -> int:
        self.asked += 1
        return self.order[self.asked % VARIETY]

    def _ask(self, due: float, kind: int) -> None:
        """On a free connection, else on a new one, else when one is free."""
        if self.idle:
            self._send(self.idle.pop(), due, kind, self._now())
        elif len(self.connections) < self.most:
            self._open(due, kind)
        else:
            self.waiting.append((due, kind))

    def _open(self, due: float, kind: int) -> None:
        address = self.addresses[self.opened % len(self.addresses)]
        self.opened += 1
        try:
            connection = Connection(address, self.shapes, self.context, self.host, self.session)
        except OSError as error:
            self._failed(due, kind, failure_of(error))
            return
        connection.due, connection.kind, connection.sent_at = due, kind, self._now()
        self.connections[connection.fileno] = connection
        self.poller.add(connection.fileno, WRITE)

    def _send(self, connection: Connection, due: float, kind: int, now: float) -> None:
        connection.due, connection.kind, connection.state, connection.sent_at = due, kind, BUSY, now
        try:
            if not connection.send(self.payloads[kind]):
                self.poller.change(connection.fileno, READ | WRITE)
        except OSError as error:
            self._lost(connection, failure_of(error))

    # --- what comes back ------------------------------------------------------------------------------------------

    def _ready(self, connection: Connection, events: int) -> None:
        try:
            if connection.state < Connection.IDLE:
                ready = connection.established()
                self.poller.change(connection.fileno, READ)
                if ready:
                    self._send(connection, connection.due, connection.kind, self._now())
                return
            if connection.rest and events & WRITE and connection.send(connection.rest):
                self.poller.change(connection.fileno, READ)
        except OSError as error:
            self._lost(connection, failure_of(error))
            return
        if events & ~WRITE:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        """What has come. TLS may have read more from the socket than it gives at once, so it is asked until it has
        no more."""
        try:
            data = connection.receive()
            while data:
                status = connection.reader.read(data, connection.kind) if connection.state == BUSY else BROKEN
                if status > 0:
                    self._answered(connection, status)
                    return
                if status < 0:
                    self._lost(connection, "protocol")
                    return
                data = connection.receive() if connection.context is not None else None
        except OSError as error:
            self._lost(connection, failure_of(error))
            return
        if data is None:
            return
        if connection.state == BUSY and (status := connection.reader.ended()) > 0:
            self._answered(connection, status)
        else:
            self._lost(connection, "closed")

    def _answered(self, connection: Connection, status: int) -> None:
        now, kind = self.clock() - self.begin, connection.kind
        outcome = self.outcomes[kind].get(status)
        if outcome is None:
            outcome = self.outcomes[kind][status] = outcome_of(status, self.job.requests[kind].accept)
        if connection.fresh:
            connection.fresh, outcome = False, outcome | FRESH
            self.session = connection.ticket() or self.session
        self.samples.add(connection.due, now - connection.due, kind, outcome)
        connection.served += 1
        again = None if self.stopping else self.schedule.answered(now)
        if not connection.reader.keep_alive:
            self._drop(connection)
            if again is not None:
                self.waiting.append((again, self._next_kind()))
        elif self.waiting and not self.stopping:
            due, kind = self.waiting.popleft()
            if again is not None:
                self.waiting.append((again, self._next_kind()))
            self._send(connection, due, kind, now)
        elif again is not None:
            self._send(connection, again, self._next_kind(), now)
        else:
            connection.state = Connection.IDLE
            self.idle.append(connection)

    def _lost(self, connection: Connection, failure: str) -> None:
        """The connection is of no use any more; its request has failed, unless it can be sent again."""
        idle = connection.state == Connection.IDLE
        if idle and connection in self.idle:
            self.idle.remove(connection)
        self._drop(connection)
        if idle:
            return
        reused = connection.served and connection.reader.untouched and failure in ("closed", "reset")
        if reused and self.job.requests[connection.kind].method == "GET" and not self.stopping:
            self.resent += 1
            self._open(connection.due, connection.kind)
            return
        self._failed(connection.due, connection.kind, failure)

    def _failed(self, due: float, kind: int, failure: str) -> None:
        now = self._now()
        self.samples.add(due, now - due, kind, CODES[failure] | WRONG)
        if not self.stopping:
            self.schedule.answered(now, failed=True)  # who was not served does not ask again at once

    def _give_up(self, now: float) -> None:
        """What has waited for its answer, or for a connection, too long."""
        limit = now - self.job.timeout_s
        for connection in [one for one in self.connections.values() if one.sent_at < limit]:
            if connection.state != Connection.IDLE:
                self._lost(connection, "timeout")
        while self.waiting and self.waiting[0][0] < limit:
            due, kind = self.waiting.popleft()
            self.samples.add(due, now - due, kind, CODES["timeout"] | WRONG)
            self.schedule.answered(now, failed=True)

    def _drop(self, connection: Connection) -> None:
        del self.connections[connection.fileno]
        self.poller.remove(connection.fileno)
        connection.close()

    def _close(self) -> None:
        self.unfinished = len(self.connections) - len(self.idle) + len(self.waiting)
        for connection in [*self.connections.values()]:
            self._drop(connection)
        self.poller.close()

    # --- telling --------------------------------------------------------------------------------------------------

    def progress(self, now: float) -> dict[str, Any]:
        """How it goes: counts so far, and the latency of what ended last."""
        recent = sorted(self.samples.took[-RECENT:])
        failed = sum(1 for outcome in self.samples.outcomes[-RECENT:] if outcome & WRONG)
        return {
            "seconds": now,
            "requests": len(self.samples),
            "recent": len(recent),
            "recent_failed": failed,
            "under_way": len(self.connections) - len(self.idle) + len(self.waiting),
            "p50_ms": 1000 * percentile(recent, 0.5) if recent else 0.0,
            "p95_ms": 1000 * percentile(recent, 0.95) if recent else 0.0,
        }

    def account(self) -> dict[str, Any]:
        """What the run was like from this side."""
        return {
            "began_at": self.began_at,
            "partial": self.stopping,
            "unfinished": self.unfinished,
            "late": self.late,
            "resent": self.resent,
            "opened": self.opened,
        }


def stop_on_signal(engine: Engine) -> None:
    signal.signal(signal.SIGTERM, engine.stop)
    signal.signal(signal.SIGINT, engine.stop)
