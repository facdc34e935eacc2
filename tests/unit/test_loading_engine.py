"""The engine against servers that behave in every way: what is counted, from when latency counts, how it ends."""

import select
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from localcloud.certificates import write_self_signed
from tasks.loading.engine import Engine
from tasks.loading.job import Closed, Job, Load, Open, Request
from tasks.loading.poller import Epoll, Poller, Selector
from tasks.loading.samples import figures
from tests.awkward_server import OK, Talk, always, asked, once, serving

GET = Request("get", "/")
POLLERS: list[type[Poller]] = [Selector, *([Epoll] if hasattr(select, "epoll") else [])]


def load(url: str, load: Load, requests: tuple[Request, ...] = (GET,), **options: Any) -> dict[str, Any]:
    engine = Engine(Job(url, requests, load, **{"timeout_s": 5.0, **options}))
    return figures(engine.run().table(), [request.name for request in requests]) | engine.account()


def users(count: int, requests: int) -> Closed:
    return Closed(((0.0, count), (20.0, count)), requests=requests)


@pytest.mark.parametrize("poller", POLLERS)
def test_every_request_is_counted_once_over_few_connections(poller: type[Poller]) -> None:
    with serving(always(OK)) as server:
        engine = Engine(Job(server.url, (GET,), users(5, 500)), poller=poller())
        assert len(engine.run()) == 500
        told = figures(engine.samples.table(), ["get"])
    assert told["outcomes"] == {"2xx": 500}
    assert server.connections == 5
    assert told["fresh"]["requests"] == 5


@pytest.mark.parametrize(
    "pieces",
    [
        (OK[:9], OK[9:25], OK[25:]),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n0\r\n", b"\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", OK),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + 300_000 * b"x",),
    ],
)
def test_awkward_answers_are_read(pieces: tuple[bytes, ...]) -> None:
    with serving(always(*pieces, pause=lambda: time.sleep(0.002))) as server:
        told = load(server.url, users(2, 10))
    assert (told["good"], told["errors"], server.connections) == (10, 0, 2)


@pytest.mark.parametrize(
    "talk",
    [
        once(OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length")),
        once(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
    ],
)
def test_a_server_that_closes_after_each_answer_gets_a_connection_for_each(talk: Talk) -> None:
    with serving(talk) as server:
        told = load(server.url, users(2, 10))
    assert (told["good"], told["errors"], server.connections) == (10, 0, 10)


def test_a_connection_that_ends_while_idle_is_no_error() -> None:
    """A server may close what it has kept alive whenever it likes; a GET that meets this is sent again."""
    with serving(once(OK)) as server:
        told = load(server.url, users(1, 10))
    assert (told["good"], told["errors"]) == (10, 0)
    assert told["resent"] <= 9


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "4xx"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "5xx"),
        (b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", "throttled"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", "closed"),
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH\r\n", "protocol"),
    ],
)
def test_failures_are_counted_by_kind(answer: bytes, outcome: str) -> None:
    with serving(once(answer)) as server:
        told = load(server.url, users(1, 3))
    assert told["outcomes"] == {outcome: 3}
    assert told["errors"] == 3


def test_a_status_that_is_expected_is_no_error() -> None:
    with serving(always(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
        told = load(server.url, users(1, 3), (Request("missing", "/", accept=(404,)),))
    assert (told["outcomes"], told["errors"]) == ({"4xx": 3}, 0)


def test_a_server_that_is_not_there_refuses_and_is_not_asked_in_a_tight_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = load(f"http://127.0.0.1:{port}", Closed(((0.0, 2), (0.35, 2))))
    assert set(told["outcomes"]) == {"refused"}
    assert 2 <= told["requests"] <= 10
    assert told["latency"] == {}  # a refusal is no answer


def test_silence_is_a_timeout_with_its_latency() -> None:
    with serving(lambda wire, _: time.sleep(0.6)) as server:
        told = load(server.url, Open(20, 0.1), timeout_s=0.3)
    assert told["outcomes"] == {"timeout": 2}
    assert 300 <= told["latency"]["p50_ms"] < 600


def test_latency_counts_from_when_a_request_was_due_not_from_when_it_could_be_sent() -> None:
    """One connection, 50 ms an answer, asked 100 times a second: the k-th waits 40 ms longer than the one before."""

    def slow(wire: socket.socket, _number: int) -> None:
        while asked(wire):
            time.sleep(0.05)
            wire.sendall(OK)

    with serving(slow) as server:
        told = load(server.url, Open(100, 0.1), connections=1)
    assert (told["requests"], server.connections) == (10, 1)
    assert told["latency"]["max_ms"] >= 10 * 50 - 90
    assert told["latency"]["p50_ms"] >= 5 * 50 - 40


def test_requests_are_asked_by_their_weights() -> None:
    seen: list[bytes] = []

    def talk(wire: socket.socket, _number: int) -> None:
        while request := asked(wire):
            seen.append(request.split()[1])
            wire.sendall(OK)

    requests = (Request("often", "/often", weight=3), Request("seldom", "/seldom"))
    with serving(talk) as server:
        told = load(server.url, users(1, 400), requests)
    assert {name: kind["requests"] for name, kind in told["kinds"].items()} == {
        "often": seen.count(b"/often"), "seldom": seen.count(b"/seldom")
    }  # fmt: skip
    assert 250 < seen.count(b"/often") < 350


def test_a_run_that_is_stopped_tells_what_it_has() -> None:
    with serving(always(OK)) as server:
        engine = Engine(Job(server.url, (GET,), Open(100, 60)))
        threading.Timer(0.3, engine.stop).start()
        began = time.monotonic()
        samples = engine.run()
    assert time.monotonic() - began < 5
    assert 1 <= len(samples) < 600
    assert engine.account()["partial"]


def test_https_is_checked_and_sessions_are_used_again(tmp_path: Path) -> None:
    write_self_signed(tmp_path / "cert.pem", tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    reused = list[bool | None]()

    def talk(wire: socket.socket, _number: int) -> None:
        reused.append(isinstance(wire, ssl.SSLSocket) and wire.session_reused)
        asked(wire)
        wire.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 40000\r\n\r\n" + 40_000 * b"x")

    with serving(talk, context) as server:
        told = load(server.url, users(1, 4), ca_file=str(tmp_path / "cert.pem"))
        assert (told["good"], told["outcomes"]) == (4, {"2xx": 4})
        assert reused == [False, True, True, True]
        refused = load(server.url, users(1, 2))
    assert refused["outcomes"] == {"tls": 2}
