"""A log as it is written: what a stream says, in order, until the execution has ended; and a server that streams."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.streams import events, next_page
from database.execution_rows import Log, LogLine
from database.pool import Unavailable
from tests.backend import JWT_SECRET

ROOT = Path(__file__).parents[2]
ID = UUID(int=7)


def line(sequence: int, message: str = "") -> LogLine:
    return LogLine(sequence, ID, ID, "INFO", message or f"line {sequence}", datetime(2026, 11, 21, tzinfo=UTC), None)


def streamed(read: Callable[[int], Log], first: Log, pauses: list[float], *, since: int = 0) -> list[dict[str, str]]:
    """All events of a stream, as dictionaries of their fields; comments have the empty name."""

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> bytes:
        parts = [part async for part in events(read, first, since=since, sleep=pause)]
        return b"".join(parts)

    blocks = asyncio.run(run()).decode().split("\n\n")
    assert blocks.pop() == ""
    return [dict(field.split(": ", 1) for field in block.split("\n")) for block in blocks]


def test_a_stream_tells_lines_and_changes_and_ends_with_the_execution() -> None:
    logs = iter([
        Log("running", [line(4)]), Log("running", []), Log("completed", [line(9, "two\nlines")]), Log("completed", []),
    ])  # fmt: skip
    asked: list[int] = []
    pauses: list[float] = []

    def read(after: int) -> Log:
        asked.append(after)
        return next(logs)

    told = streamed(read, Log("pending", []), pauses, since=2)
    assert [(event["event"], event.get("id")) for event in told] == [
        ("status", None), ("log", "4"), ("status", None), ("log", "9"), ("status", None), ("end", None),
    ]  # fmt: skip
    assert json.loads(told[3]["data"])["message"] == "two\nlines"
    assert json.loads(told[-1]["data"]) == {"status": "completed"}
    assert asked == [2, 4, 4, 9]
    assert pauses[0] > pauses[1], "it asks more often while there is something to tell"


def test_many_lines_come_without_a_pause() -> None:
    many = [line(number) for number in range(1, 101)]
    logs = iter([Log("running", [line(101)]), Log("failed", [line(102)]), Log("failed", [])])
    pauses: list[float] = []
    told = streamed(lambda _after: next(logs), Log("running", many), pauses)
    assert [event.get("id") for event in told if event["event"] == "log"] == [str(n) for n in range(1, 103)]
    assert len(pauses) == 1, "after the short page that was not the end"


def test_a_stream_whose_database_goes_away_is_cut_off() -> None:
    def read(_after: int) -> Log:
        raise Unavailable("gone")

    told = streamed(read, Log("running", [line(1)]), [])
    assert [event["event"] for event in told] == ["log", "status"]


def test_a_long_silence_is_interrupted_by_signs_of_life() -> None:
    logs = iter([Log("running", [])] * 20 + [Log("cancelled", [])])
    told = streamed(lambda _after: next(logs), Log("running", []), [])
    assert [event.get("event", "comment") for event in told] == ["status", "comment", "status", "end"]


def waited(*logs: Log, wait_s: float = 20) -> tuple[Log, list[float]]:
    """What a page that waits gives when the table holds one after another, and the pauses between the looks."""
    left, pauses, now = iter(logs), list[float](), [0.0]

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    page = next_page(lambda _after: next(left), since=0, wait_s=wait_s, sleep=pause, clock=lambda: now[0])
    return asyncio.run(page), pauses


def test_a_page_that_waits_comes_with_the_first_line_or_a_change() -> None:
    nothing = Log("running", [])
    assert waited(Log("running", [line(1)])) == (Log("running", [line(1)]), [])
    assert waited(nothing, nothing, Log("running", [line(1)])) == (Log("running", [line(1)]), [0.1, 0.2])
    assert waited(Log("pending", []), nothing) == (nothing, [0.1])
    assert waited(Log("failed", [])) == (Log("failed", []), [])
    assert waited(nothing, wait_s=0) == (nothing, [])
    found, pauses = waited(*[nothing] * 9, wait_s=3)
    assert (found, sum(pauses)) == (nothing, pytest.approx(3))


@pytest.fixture
def server(migrated: str) -> Iterator[httpx.Client]:
    """The API under uvicorn, and a client that is signed in."""
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--host", "127.0.0.1", "--port", "0"]
    variables = os.environ | {"DATABASE_URL": migrated, "JWT_SECRET": JWT_SECRET, "ENVIRONMENT": "development"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=variables) as process:
        assert process.stderr
        found = next(found for row in process.stderr if (found := re.search(r"http://[\d.]+:\d+", row)))
        try:
            with httpx.Client(base_url=f"{found[0]}/api/v1", timeout=20) as client:
                login = client.post("/auth/mock", json={"github_id": 42, "email": "hana@example.com"}).json()
                client.headers["Authorization"] = f"Bearer {login['access_token']}"
                yield client
        finally:  # whatever fails: who waits for the process would wait for ever
            process.terminate()
        said = process.stderr.read()
        assert "Traceback" not in said
        assert "token=" not in said


def test_a_server_streams_what_is_written_meanwhile(server: httpx.Client, migrated: str) -> None:
    repository = server.post("/repositories", json={"full_name": "hana/garden"}).json()["id"]
    body = {"repository_id": repository, "agent_type": "codegen", "issue_number": 1}
    path = f"/agents/executions/{server.post('/agents/execute', json=body).json()['id']}"
    told: list[dict[str, Any]] = []
    with server.stream("GET", f"{path}/logs", headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "event: status"
        writer = threading.Thread(target=write, args=(migrated, path.rpartition("/")[2]))
        writer.start()
        told += [json.loads(row[6:]) for row in lines if row.startswith("data: ")]
        writer.join()
    assert [event.get("message") or event["status"] for event in told] == [
        "pending", "line 1", "line 2", "line 3", "completed", "completed",
    ]  # fmt: skip
    again = server.get(
        f"{path}/logs", headers={"Accept": "text/event-stream", "Last-Event-ID": str(told[1]["sequence"])}
    )
    assert again.text.count("event: log") == 2
    page = server.get(f"{path}/logs")
    assert (len(page.json()), page.headers["x-execution-status"]) == (3, "completed")


def write(dsn: str, execution_id: str) -> None:
    """Three lines in three transactions, then the end."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "INSERT INTO execution_logs (execution_id, log_level, message) VALUES (%s, 'INFO', %s)",
                (execution_id, f"line {number}"),
            )
        with connection.transaction():
            for status in ("running", "completed"):
                connection.execute("UPDATE agent_executions SET status = %s WHERE id = %s", (status, execution_id))


def test_a_token_in_the_address_is_not_in_the_server_s_log(server: httpx.Client) -> None:
    """The fixture reads that log."""
    token = server.headers["Authorization"].removeprefix("Bearer ")
    url = str(server.base_url).replace("http", "ws")
    with connect(f"{url}ws?token={token}") as socket:
        assert socket.latency == 0
    with pytest.raises(InvalidStatus):
        connect(f"{url}ws?token={token}x")


def test_a_server_refuses_ten_mebibytes_before_it_has_them(server: httpx.Client) -> None:
    host, port = server.base_url.host, server.base_url.port or 80
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(b"POST /api/v1/agents/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    whole = server.post("/agents/execute", content=b" " * 10 * 1024 * 1024)
    unannounced = server.post("/agents/execute", content=(b" " * 65_536 for _part in range(160)))
    assert [answer.status_code for answer in (whole, unannounced)] == [413, 413]
    assert server.get("/health").status_code == 200


def test_a_reader_who_leaves_ends_the_stream(server: httpx.Client) -> None:
    repository = server.post("/repositories", json={"full_name": "hana/garden"}).json()["id"]
    body = {"repository_id": repository, "agent_type": "codegen", "issue_number": 1}
    path = f"/agents/executions/{server.post('/agents/execute', json=body).json()['id']}"
    with server.stream("GET", f"{path}/logs", headers={"Accept": "text/event-stream"}) as stream:
        assert next(stream.iter_lines()) == "event: status"
    assert server.post(f"{path}/cancel").status_code == 200  # and the fixture's server stops at once
