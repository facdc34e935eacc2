"""Can API Gateway make a response of what a function returned? The rules of payload format 2.0."""

import base64
import binascii
import json
from typing import Any

SCALAR = (str, int, float, bool)


def status_and_misfit(payload: str) -> tuple[int | None, str, str]:
    """(status, why it is not a response or '', body). Without `statusCode` the whole reply is the body of a 200."""
    try:
        reply = json.loads(payload)
    except ValueError:
        return None, "it is not JSON", payload
    if not isinstance(reply, dict) or "statusCode" not in reply:
        return 200, "", payload
    if problem := misfit(reply):
        return None, problem, payload
    return int(reply["statusCode"]), "", str(reply.get("body") or "")


def misfit(reply: dict[str, Any]) -> str:
    """The first field that has another type than it may have."""
    status, headers = reply["statusCode"], reply.get("headers") or {}
    if isinstance(status, bool) or not str(status).isdecimal() or not 100 <= int(status) <= 599:
        return f"`statusCode` is {status!r}, not a number from 100 to 599"
    if not isinstance(headers, dict):
        return f"`headers` is a {type(headers).__name__}, not an object"
    if wrong := [name for name, value in headers.items() if not isinstance(value, SCALAR)]:
        return f"the header {wrong[0]!r} is a {type(headers[wrong[0]]).__name__}, not a string"
    cookies = reply.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(one, str) for one in cookies):
        return "`cookies` is not a list of strings"
    return misfit_of_body(reply)


def misfit_of_body(reply: dict[str, Any]) -> str:
    body = reply.get("body")
    if body is not None and not isinstance(body, str):
        return f"`body` is a {type(body).__name__}, not a string: json.dumps it"
    if body and reply.get("isBase64Encoded"):
        try:
            base64.b64decode(body, validate=True)
        except binascii.Error:
            return "`isBase64Encoded` is true and `body` is not base64"
    return ""
