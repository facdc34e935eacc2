"""The access log of a stage: its format, compiled once, and the lines it makes of finished requests.

Requests leave a small record; its line is made when the log is written. A variable that does not apply is `-`, as on
AWS. In a format that is JSON, quotes in values are escaped.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.gateway_request import clf_time
from localcloud.lambda_logs import Stream

VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")


@dataclass(slots=True)
class Record:
    """One finished request. Times in milliseconds, `at` in seconds since the epoch."""

    request_id: str
    at: float
    method: str
    path: str
    protocol: str
    source_ip: str
    user_agent: str
    route_key: str
    status: int
    length: int
    latency: float
    error: str = ""
    """The gateway's own message to the client, where the response is its own."""
    integration_error: str = ""
    integration_status: str = ""
    integration_latency: float | None = None
    integration_request_id: str = ""


Getter = Callable[[Record], object]

FIELDS: dict[str, Getter] = {
    "requestId": lambda record: record.request_id,
    "extendedRequestId": lambda record: record.request_id,
    "requestTime": lambda record: clf_time(int(record.at)),
    "requestTimeEpoch": lambda record: int(record.at),
    "httpMethod": lambda record: record.method,
    "path": lambda record: record.path,
    "protocol": lambda record: record.protocol,
    "identity.sourceIp": lambda record: record.source_ip,
    "identity.userAgent": lambda record: record.user_agent,
    "routeKey": lambda record: record.route_key,
    "status": lambda record: record.status,
    "responseLength": lambda record: record.length,
    "responseLatency": lambda record: int(record.latency),
    "error.message": lambda record: record.error,
    "error.messageString": lambda record: f'"{record.error}"' if record.error else "",
    "integrationErrorMessage": lambda record: record.integration_error,
    "integration.error": lambda record: record.integration_error,
    "integrationStatus": lambda record: record.integration_status,
    "integration.integrationStatus": lambda record: record.integration_status,
    "integration.status": lambda record: record.integration_status,
    "integrationLatency": lambda record: _milliseconds(record.integration_latency),
    "integration.latency": lambda record: _milliseconds(record.integration_latency),
    "integration.requestId": lambda record: record.integration_request_id,
    "awsEndpointRequestId": lambda record: record.integration_request_id,
}


class AccessLog:
    """The access log of one stage."""

    def __init__(self, stream: Stream, text: str, constants: dict[str, str]) -> None:
        self._stream, self._format = stream, text
        self._quotes = text.lstrip().startswith("{")
        self._getters = {name: _constant(value) for name, value in constants.items()} | FIELDS

    def add(self, record: Record) -> None:
        self._stream.add(record.at, "%s", Line(self, record))

    def line(self, record: Record) -> str:
        def value(match: "re.Match[str]") -> str:
            getter = self._getters.get(match[1])
            text = "" if getter is None else str(getter(record))
            return (text.replace("\\", "\\\\").replace('"', '\\"') if self._quotes else text) or "-"

        return VARIABLE.sub(value, self._format)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not text yet."""

    log: AccessLog
    record: Record

    def __str__(self) -> str:
        return self.log.line(self.record)


def stream_name(api_id: str, stage: str) -> str:
    """A stream for each stage, named like API Gateway's: a digest."""
    return hashlib.sha256(f"{api_id}/{stage}".encode()).hexdigest()[:32]


def _constant(value: str) -> Getter:
    return lambda record: value


def _milliseconds(value: float | None) -> object:
    return "" if value is None else int(value)
