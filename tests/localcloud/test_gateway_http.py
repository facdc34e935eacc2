"""The front's HTTP over raw sockets: pipelining, HEAD, chunks, what is not HTTP, clients that leave."""

import concurrent.futures
import json
import socket
import time

import pytest

from localcloud import lambda_runtime
from tests.localcloud.gateway_support import ECHO, Lab


@pytest.fixture
def lab(cloud, aws):
    """A lab in an empty account. No process of an earlier test is left."""
    made = Lab(cloud, aws)
    yield made
    made.clear()


@pytest.fixture
def api(lab):
    """An API in front of an echo function."""
    lab.python(ECHO)
    lab.alias()
    return lab.api()


def raw(lab, data, *, until=b"", timeout=10):
    """Send bytes, read until the end or until `until` has come."""
    with socket.create_connection(("127.0.0.1", lab.cloud.api_port), timeout=timeout) as connection:
        connection.sendall(data)
        seen = b""
        while chunk := connection.recv(65536):
            seen += chunk
            if until and until in seen:
                break
    return seen


def test_pipelined_requests_are_answered_in_order(lab, api):
    paths = ["/?answer=1&sleep=0.2", "/?answer=2", "/?answer=3"]
    data = "".join(f"GET /_api/{api}{path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
    last = f"GET /_api/{api}/?answer=4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(lab, (data + last).encode()).split(b"HTTP/1.1 200 OK")[1:]
    assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [b"1", b"2", b"3", b"4"]


def test_many_pipelined_requests(lab, api):
    data = f"GET /_api/{api}/?sleep=0.3 HTTP/1.1\r\nHost: x\r\n\r\n" + "GET /no HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
    seen = raw(lab, (data + "GET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").encode())
    assert seen.count(b"HTTP/1.1 200") == 1
    assert seen.count(b"HTTP/1.1 404") == 2001


def test_head_has_the_length_and_no_body(lab, api):
    answer = lab.call(api, '/?answer="hello"', method="HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")


def test_a_chunked_body_and_expect_continue(lab, api):
    head = f"POST /_api/{api}/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\n"
    data = head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    seen = raw(lab, data.encode())
    assert seen.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert json.loads(seen.rpartition(b"\r\n\r\n")[2])["event"]["body"] == "abcde"


def test_what_is_not_http_is_a_400(lab, api):
    assert raw(lab, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_http_1_0_closes(lab, api):
    seen = raw(lab, f"GET /_api/{api}/?answer=1 HTTP/1.0\r\n\r\n".encode())
    assert b"Connection: close" in seen


def test_a_client_that_leaves_does_not_disturb(lab, api):
    lab.call(api)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", lab.cloud.api_port)) as connection:
            connection.sendall(f"GET /_api/{api}/?sleep=0.2 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    time.sleep(0.5)
    assert lab.call(api).status == 200
    assert lambda_runtime.of(lab.cloud).account.inflight == 0


def test_many_at_once_over_few_processes(lab):
    lab.native()
    lab.alias()
    api = lab.api()
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda n: lab.call(api, f"/{n}"), range(200)))
    assert [answer.json["event"]["rawPath"] for answer in answers] == [f"/{n}" for n in range(200)]
    assert len({answer.json["pid"] for answer in answers}) <= 10
