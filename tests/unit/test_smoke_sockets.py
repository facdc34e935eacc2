"""WebSocket checks, against a server on this machine that echoes, greets, keeps silent or refuses."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from tasks.smoke_answers import SmokeFailed
from tasks.suites import Suite
from tests.postgres.suite_support import ALL, asked, local


def talk(socket: ServerConnection) -> None:
    path = socket.request.path if socket.request else ""
    if path == "/greets":
        socket.send("one moment")
        socket.send('{"type": "welcome", "n": 3}')
    if path != "/silent":
        for message in socket:
            socket.send(message)
    else:
        socket.recv()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def ask(url: str, **said: Any) -> Any:
    suite = Suite.model_validate({"sockets": [{"budget_ms": 300, **said}]})
    (result,) = asked(local(ALL), url, suite).values()
    return result


@pytest.mark.parametrize("said", [
    {"path": "/"},
    {"path": "/", "send": "ping {environment}", "message": "ping local"},
    {"path": "/", "send": {"a": [1]}, "fields": {"a.0": 1}},
    {"path": "/greets", "fields": {"type": "welcome", "n": {"min": 3}}},
])  # fmt: skip
def test_what_is_well(url: str, said: dict[str, Any]) -> None:
    result = ask(url, **said)
    assert (result.ok, result.check) == (True, f"WebSocket {said['path']}")


@pytest.mark.parametrize(("said", "problem"), [
    ({"path": "/silent", "message": "x"}, "within 300 ms: no message came"),
    ({"path": "/greets", "message": "hello"}, "the message is '{\"type\": \"welcome\", \"n\": 3}' instead of 'hello'"),
])  # fmt: skip
def test_what_is_not(url: str, said: dict[str, Any], problem: str) -> None:
    with pytest.raises(SmokeFailed) as caught:
        ask(url, **said)
    assert problem in str(caught.value)


def test_nobody_listens() -> None:
    with pytest.raises(SmokeFailed, match="ConnectionRefusedError"):
        ask("http://127.0.0.1:1", path="/")
