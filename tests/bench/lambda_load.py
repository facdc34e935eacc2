"""A closed loop of keep-alive connections over epoll: `python -m tests.bench.lambda_load URL CONNECTIONS SECONDS`.

Each connection sends the next request when its answer is complete. Prints one JSON object: requests a second, the
median and the 95th percentile in milliseconds, how many answers came in all and how many were not 200. A process of
its own, so that it shares no interpreter with what it measures.
"""

import json
import re
import select
import socket
import sys
import time
from array import array
from urllib.parse import urlsplit

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Client:
    """One connection and its request under way."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request, self.seen, self.sent_at = request, b"", 0.0

    def send(self) -> None:
        self.seen, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> bool:
        """Take what has come; True if the answer is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.seen += data
        end = self.seen.find(b"\r\n\r\n")
        length = LENGTH.search(self.seen, 0, end) if end >= 0 else None
        return length is not None and len(self.seen) >= end + 4 + int(length[1])


def load(url: str, connections: int, seconds: float) -> dict[str, float]:
    """Run the loop; the first fifth of the time is not counted."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
    clients = {}
    poll = select.epoll()
    for _ in range(connections):
        client = Client(parts.hostname or "", parts.port or 80, request)
        clients[client.socket.fileno()] = client
        poll.register(client.socket, select.EPOLLIN)
        client.send()
    begin = time.perf_counter()
    warm, end = begin + seconds / 5, begin + seconds
    latencies, requests, bad = array("d"), 0, 0
    while (now := time.perf_counter()) < end:
        for number, _ in poll.poll(1.0):
            client = clients[number]
            if client.receive():
                if now >= warm:
                    latencies.append(time.perf_counter() - client.sent_at)
                requests += 1
                bad += not client.seen.startswith(b"HTTP/1.1 200")
                client.send()
    ranked = sorted(latencies)
    return {
        "per_second": len(ranked) / (end - warm),
        "p50_ms": ranked[len(ranked) // 2] * 1000,
        "p95_ms": ranked[len(ranked) * 95 // 100] * 1000,
        "requests": requests,
        "bad": bad,
    }


if __name__ == "__main__":
    print(json.dumps(load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
