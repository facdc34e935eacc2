"""What surrounds a request, without a database: headers, CORS, gzip, and bodies that are refused unread."""

import gzip
import json
from typing import Any

import pytest

from api.json_limits import DEEPEST
from api.settings import read_settings
from tests.backend import Client, make_backend


@pytest.fixture
def client() -> Client:
    return Client(make_backend())


@pytest.mark.parametrize("path", ["/agents", "/health", "/nothing-here", "/repositories"])
def test_an_answer_is_safe_in_a_browser(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in headers
    assert client.get(path, headers={"X-Forwarded-Proto": "https"}).headers["strict-transport-security"]


def test_only_listed_origins_may_call_from_a_browser() -> None:
    client = Client(make_backend(cors_origins=("https://site.example",)))
    allowed = {origin: client.get("/agents", headers={"Origin": origin}).headers.get("access-control-allow-origin")
               for origin in ("https://site.example", "https://evil.example", "null")}  # fmt: skip
    assert allowed == {"https://site.example": "https://site.example", "https://evil.example": None, "null": None}
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.request("OPTIONS", "/auth/mock", headers=preflight).status_code == 400


def test_origins_are_read_from_a_variable() -> None:
    assert read_settings({}).cors_origins == ("*",)
    assert read_settings({"CORS_ORIGINS": "https://a.example, https://b.example"}).cors_origins == (
        "https://a.example", "https://b.example",
    )  # fmt: skip


def test_a_large_answer_is_packed_for_who_can_unpack_it(client: Client) -> None:
    packed = client.get("/agents", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/agents", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.json() == plain.json()
    assert packed.headers["etag"] == plain.headers["etag"]
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "content-encoding" not in client.get("/auth", headers={"Accept-Encoding": "gzip"}).headers
    for refusing in ("gzip;q=0", "br, gzip ; q=0.00, identity"):
        assert "content-encoding" not in client.get("/agents", headers={"Accept-Encoding": refusing}).headers
    assert "content-encoding" in client.get("/agents", headers={"Accept-Encoding": "gzip;q=0.5"}).headers


def test_a_body_that_is_packed_is_not_read(client: Client) -> None:
    for body in (b'{"refresh_token": "x"}', gzip.compress(b'{"refresh_token": "x"}')):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = client.post("/auth/refresh", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", ['{"a": 1, "a": 1}', '{"a": [{"b": {"c": 1, "d": 2, "\\u0063": 3}}]}'])
def test_an_object_says_nothing_twice(client: Client, body: str) -> None:
    answer = client.post("/auth/refresh", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert "twice in one object" in answer.json()["message"]


def nested(depth: int, around: Any = 1) -> bytes:
    return b'{"x":' * depth + json.dumps(around).encode() + b"}" * depth


@pytest.mark.parametrize(("body", "refused"), [
    (nested(DEEPEST), False), (nested(DEEPEST + 1), True), (b"[" * (DEEPEST + 1), True), (b"[" * 500_000, True),
    (nested(1, "[" * 500), False), (nested(1, '"[\\' * 500), False), (b"[[]," * 90 + b"1" + b"]" * 90, False),
    (b'{"a": [' + b"{}," * 500 + b"1]}", False),
])  # fmt: skip
def test_how_deep_a_body_may_be(client: Client, body: bytes, refused: bool) -> None:
    answer = client.post("/auth/refresh", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["message"].startswith("The body is nested more than") is refused


@pytest.mark.parametrize(("body", "refused"), [
    (b'{"x": "a\\u0000b"}', True), (b'{"x": ["\\\\\\u0000"]}', True), (b'{"\\u0000": 1}', True),
    (b'{"x": "\\\\u0000"}', False), (b'{"x": "\\u00000"}', True), (b'{"x": "u0000"}', False),
])  # fmt: skip
def test_nul_is_refused_wherever_it_is(client: Client, body: bytes, refused: bool) -> None:
    answer = client.post("/auth/refresh", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert ("NUL" in answer.json()["message"]) is refused


def test_a_header_cannot_be_smuggled_into_the_answer(client: Client) -> None:
    answer = client.get("/agents", headers={"X-Request-Id": "a\r\nSet-Cookie: x=1", "Origin": "https://a\r\nX-Evil: 1"})
    assert "set-cookie" not in answer.headers
    assert "x-evil" not in answer.headers
    assert "\n" not in str(answer.headers)
