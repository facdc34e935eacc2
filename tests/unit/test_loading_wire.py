"""Answers of every kind are read as HTTP says, in whatever pieces they come; and requests are encoded once."""

import pytest

from tasks.loading.job import Request
from tasks.loading.wire import BROKEN, PARTIAL, Reader, Shape, encode

PLAIN = b"HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 09:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
UNFRAMED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"


def reader() -> Reader:
    return Reader([Shape(), Shape()])


@pytest.mark.parametrize(("answer", "status"), [(PLAIN, 200), (CHUNKED, 201), (CONTINUED, 204)])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_answer_is_whole_with_its_last_byte_and_not_before(answer: bytes, status: int, size: int) -> None:
    one = reader()
    for _ in range(3):  # the second and third may be known by their shape
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        assert [one.read(piece, 0) for piece in pieces] == [PARTIAL] * (len(pieces) - 1) + [status]
        assert one.keep_alive
        assert one.untouched


def test_what_looks_like_the_last_one_is_known_by_its_shape_and_what_differs_is_not() -> None:
    one = reader()
    assert one.read(PLAIN, 0) == 200
    parser = one.parser
    one.parser = None  # not needed for the same again, with another date and body
    assert one.read(PLAIN.replace(b"09:00:00", b"09:00:01").replace(b"hello", b"world"), 0) == 200
    assert one.parser is None
    one.parser = parser
    assert one.read(PLAIN.replace(b"200 OK", b"500 No"), 0) == 500
    assert one.read(PLAIN[:-1], 0) == PARTIAL
    assert one.read(b"!", 0) == 200
    longer = PLAIN.replace(b"Length: 5", b"Length: 9").replace(b"GMT", b"GM\t")  # as long, and not whole
    assert one.read(longer, 0) == PARTIAL
    assert one.read(b"more", 0) == 200
    assert one.read(PLAIN, 1) == 200  # each kind of request has its own


def test_a_head_that_ends_early_does_not_pass_for_the_known_shape() -> None:
    """Length and place of Content-Length are those of the last one, but that line is in the body here."""
    one = reader()
    assert one.read(PLAIN, 0) == 200
    body = PLAIN.replace(b"Date: Fri", b"A: b\r\n\r\nx")
    assert len(body) == len(PLAIN)
    assert one.read(body, 0) == PARTIAL


def test_a_body_may_end_with_the_connection() -> None:
    one = reader()
    assert one.read(UNFRAMED[:20], 0) == PARTIAL
    assert one.read(UNFRAMED[20:], 0) == PARTIAL
    assert one.ended() == 200
    assert not one.keep_alive


@pytest.mark.parametrize("cut", [PLAIN[:-1], CHUNKED[:-3], b"HTTP/1.1 200 OK\r\nConte", CONTINUED[:30],
                                 b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN[:-2]])  # fmt: skip
def test_a_connection_that_ends_within_an_answer_has_not_answered(cut: bytes) -> None:
    one = reader()
    assert one.read(cut, 0) == PARTIAL
    assert one.ended() == PARTIAL


def test_close_is_heard() -> None:
    one = reader()
    assert one.read(PLAIN.replace(b"Date: Fri", b"Connection: close\r\nDate: Fri"), 0) == 200
    assert not one.keep_alive
    assert reader().read(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0) == 200


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2\r\n\r\nx"


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"<html>", PLAIN + PLAIN[:40], UPGRADE])
def test_what_is_not_an_answer_is_broken(data: bytes) -> None:
    assert reader().read(data, 0) == BROKEN


def test_a_request_is_encoded_with_what_it_needs() -> None:
    asked = encode(
        "http://api.test:81/stage/", Request("x", "/a?b=c", "POST", {"Authorization": "Bearer t"}, '{"ü": 1}')
    )
    head, _, body = asked.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /stage/a?b=c HTTP/1.1"
    assert b"\r\nHost: api.test:81\r\n" in head
    assert b"\r\nContent-Length: 9\r\n" in head
    assert head.endswith(b"\r\nAuthorization: Bearer t")
    assert body == '{"ü": 1}'.encode()
    assert b"Content-Length" not in encode("http://h", Request("x", "/"))
    with pytest.raises(ValueError, match="line break"):
        encode("http://h", Request("x", "/", headers={"A": "b\r\nC: d"}))
