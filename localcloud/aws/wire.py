"""HTTP answers of the AWS endpoint: errors in each protocol that the SDKs parse, and plain JSON for our own routes."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from xml.sax.saxutils import escape

Protocol = Literal["json", "rest-json", "query", "ec2", "rest-xml"]
StartResponse = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = field(default=())
    length: str = ""
    """Of the body that a HEAD request does not get."""

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        length = self.length or str(len(self.body))
        start_response(status_line(self.status), [*self.headers, ("Content-Length", length)])
        return [self.body]


def status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def json_answer(value: Any, *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


def error_answer(protocol: Protocol, *, code: str, message: str, status: int) -> Answer:
    """An error as the service itself would send it, so that boto3 raises `ClientError` with this code."""
    if protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
        return Answer(status, body, (("Content-Type", kind), ("x-amzn-ErrorType", code)))
    return Answer(
        status, _XML[protocol].format(escape(code), escape(message)).encode(), (("Content-Type", "text/xml"),)
    )


_XML = {
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>"
    "<RequestId>localcloud</RequestId></ErrorResponse>",
    "ec2": "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors>"
    "<RequestID>localcloud</RequestID></Response>",
    "rest-xml": "<Error><Code>{}</Code><Message>{}</Message><RequestId>localcloud</RequestId></Error>",
}
