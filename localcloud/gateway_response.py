"""What a function returned, as the HTTP response that API Gateway makes of it (payload format 2.0).

A JSON object with `statusCode` is a response; any other valid JSON is the body of a 200. Something else, or a field of
a wrong type, is the gateway's own 500, with the reason in the access log only.
"""

import binascii
import json
from base64 import b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

REASONS = {status.value: status.phrase for status in HTTPStatus}
OWN_HEADERS = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive", "date", "upgrade"})
"""Set by the gateway; a function's are dropped."""


class Malformed(Exception):
    """The function's answer cannot be made a response: the message goes into the access log."""


@dataclass(slots=True)
class Response:
    """Status, headers and body to send; the gateway adds its own headers."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def mapped(payload: bytes, *, strict: bool = False) -> Response:
    """The response for a function's answer; `strict`: it must have a `statusCode`, as in 1.0. Raises `Malformed`."""
    try:
        answer = json.loads(payload)
    except ValueError:
        raise Malformed(_text("is not valid JSON")) from None
    if strict and (not isinstance(answer, dict) or "statusCode" not in answer):
        raise Malformed(_text('has no field "statusCode"'))
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer.encode() if isinstance(answer, str) else payload
        return Response(200, [("content-type", "application/json")], body)
    headers = _headers(answer.get("headers") or {})
    headers += [("set-cookie", cookie) for cookie in _cookies(answer.get("cookies") or [])]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    return Response(_status(answer["statusCode"]), headers, _body(answer))


def function_error(payload: bytes) -> str:
    """What the access log says of a function's error: its type. The rest may be private; the function's log has it."""
    try:
        kind = json.loads(payload)["errorType"]
    except (ValueError, TypeError, KeyError):
        kind = "of an unknown type"
    return f"The Lambda function returned an error: {kind}. See its log."


def own(status: int, message: str) -> Response:
    """A response of the gateway itself."""
    return Response(status, [("content-type", "application/json")], f'{{"message":"{message}"}}'.encode())


def _text(problem: str) -> str:
    expectation = "The response from the Lambda function doesn't match the format that API Gateway expects."
    return f"{expectation} Lambda body {problem}"


def _status(value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 100 <= number <= 599:
        raise Malformed(_text('contains the wrong type for field "statusCode"'))
    return number


def _headers(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        raise Malformed(_text('contains the wrong type for field "headers"'))
    headers = []
    for name, content in value.items():
        if isinstance(content, bool):
            content = "true" if content else "false"
        elif isinstance(content, int | float):
            content = str(content)
        if not isinstance(content, str) or "\n" in content or "\r" in content:
            raise Malformed(_text('contains the wrong type for field "headers"'))
        if name.lower() not in OWN_HEADERS:
            headers.append((name, content))
    return headers


def _cookies(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(cookie, str) for cookie in value):
        raise Malformed(_text('contains the wrong type for field "cookies"'))
    return value


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed(_text('contains the wrong type for field "body"'))
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="surrogateescape")
    try:
        return b64decode(body, validate=True)
    except binascii.Error:
        raise Malformed(_text("says it is base64 and is not")) from None
