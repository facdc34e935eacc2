"""A server whose latencies are known: `python -m tests.bench.load_target known|served|bare|stall`. Prints its port.

`known` answers after 10 ms (90 of 100), 50 ms (7) or 200 ms (3). `served` answers at once, and does what a server does
for it: it parses the request and says the date. `bare` only answers, faster than any real server can. `stall` answers
at once, but for one second, four seconds after the first request, in which it does nothing.
At SIGTERM it prints what its own service times
were, from the arrival of a request to its answer: the truth that a load tester should see.
"""

import heapq
import json
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from types import FrameType

import httptools

from tasks.loading.poller import READ, Epoll
from tasks.loading.samples import percentile

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"status":"ok"}'
DATED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\nServer: target\r\nContent-Length: 15\r\n\r\n"
    b'{"status":"ok"}'
)
KNOWN_MS = [10] * 90 + [50] * 7 + [200] * 3
STALL_AFTER_S, STALL_S = 4.0, 1.0
random.Random(7).shuffle(KNOWN_MS)


class Ended(Exception):
    """SIGTERM."""


class Asked:
    """What a server reads of a request."""

    def __init__(self) -> None:
        self.url, self.headers = b"", dict[bytes, bytes]()
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value


class Target:
    """One thread, one loop."""

    def __init__(self, mode: str) -> None:
        self.mode, self.poller, self.count = mode, Epoll(), 0
        self.clients: dict[int, socket.socket] = {}
        self.parsers: dict[int, Asked] = {}
        self.due: list[tuple[float, int, float]] = []
        self.took: list[float] = []
        self.first = 0.0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.poller.add(self.listener.fileno(), READ)

    def serve(self) -> None:
        answer: Callable[[int, float], None] = self.later if self.mode == "known" else self.at_once
        while True:
            timeout = self.due[0][0] - time.perf_counter() if self.due else 0.5
            for fileno, _ in self.poller.wait(timeout):
                if fileno == self.listener.fileno():
                    self.accept()
                elif self.asked(fileno):
                    answer(fileno, time.perf_counter())
            while self.due and self.due[0][0] <= time.perf_counter():
                _, fileno, since = heapq.heappop(self.due)
                self.answer(fileno)
                self.took.append(time.perf_counter() - since)

    def accept(self) -> None:
        client, _ = self.listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients[client.fileno()], self.parsers[client.fileno()] = client, Asked()
        self.poller.add(client.fileno(), READ)

    def asked(self, fileno: int) -> bool:
        try:
            data = self.clients[fileno].recv(65536)
        except OSError:
            data = b""
        if not data:
            self.poller.remove(fileno)
            self.clients.pop(fileno).close()
            del self.parsers[fileno]
        elif self.mode == "served":
            self.parsers[fileno].parser.feed_data(data)
        return bool(data)

    def later(self, fileno: int, now: float) -> None:
        self.count += 1
        heapq.heappush(self.due, (now + KNOWN_MS[self.count % 100] / 1000, fileno, now))

    def at_once(self, fileno: int, now: float) -> None:
        self.count += 1
        self.first = self.first or now
        if self.mode == "stall" and now > self.first + STALL_AFTER_S:
            time.sleep(STALL_S)
            self.mode = "stalled"
        self.answer(fileno)

    def answer(self, fileno: int) -> None:
        if fileno in self.clients:
            dated = self.mode == "served"
            self.clients[fileno].send(DATED % formatdate(usegmt=True).encode() if dated else ANSWER)


def stopped(_signal: int, _frame: FrameType | None) -> None:
    raise Ended


def main() -> None:
    target = Target(sys.argv[1])
    signal.signal(signal.SIGTERM, stopped)
    print(target.listener.getsockname()[1], flush=True)
    try:
        target.serve()
    except Ended:
        ranked = sorted(target.took)
        truth = {str(share): 1000 * percentile(ranked, share) for share in (0.5, 0.95, 0.99)} if ranked else {}
        print(json.dumps({"count": target.count, "truth_ms": truth}), flush=True)


if __name__ == "__main__":
    main()
