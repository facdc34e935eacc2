"""A request to an HTTP API, and the event of payload format 2.0 that a function gets for it.

The event is put together from pieces of JSON, since most of it is known when the route is: 8 µs instead of 20.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from urllib.parse import parse_qsl, unquote

TEXTUAL = ("application/json", "application/xml", "application/javascript")


@dataclass(slots=True)
class Request:
    """An HTTP request as it came in, its prefix `/_api/<id>` taken off."""

    method: str
    path: str
    """As it was sent, percent-encoded, with a named stage in front."""
    query: str
    headers: dict[str, str]
    """Names in lower case, several values of one joined by commas; without `cookie`."""
    cookies: list[str]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True, slots=True)
class Frame:
    """The parts of an event that a route fixes, as JSON."""

    before: str
    """From the start to the value of `rawPath`."""
    context: str
    """From `,"requestContext":{` to the value of `http`."""


def frame(*, route_key: str, stage: str, api_id: str, account_id: str, region: str) -> Frame:
    domain = f"{api_id}.execute-api.{region}.amazonaws.com"
    context = (
        f'"accountId":"{account_id}","apiId":"{api_id}","domainName":"{domain}","domainPrefix":"{api_id}",'
        f'"routeKey":{quoted(route_key)},"stage":{quoted(stage)},"http":'
    )
    return Frame(f'{{"version":"2.0","routeKey":{quoted(route_key)},"rawPath":', f',"requestContext":{{{context}')


def event(
    frame: Frame,
    request: Request,
    *,
    request_id: str,
    now: float,
    path_parameters: dict[str, str] | None = None,
    stage_variables: dict[str, str] | None = None,
) -> bytes:
    """The event, as JSON. `now` is in seconds since the epoch.

    API Gateway decodes the path and leaves the query string as it was; Function URLs leave both.
    """
    path = quoted(unquote(request.path) if "%" in request.path else request.path)
    agent = quoted(request.headers.get("user-agent", ""))
    http = (
        f'{{"method":"{request.method}","path":{path},"protocol":"{request.protocol}",'
        f'"sourceIp":"{request.source_ip}","userAgent":{agent}}}'
    )
    time = f'"time":"{clf_time(int(now))}","timeEpoch":{int(now * 1000)}'
    parts = [
        frame.before, path, ',"rawQueryString":', quoted(request.query),
        f',"cookies":[{",".join(map(quoted, request.cookies))}]' if request.cookies else "",
        ',"headers":', _object(request.headers),
        f',"queryStringParameters":{_query(request.query)}' if request.query else "",
        frame.context, http, f',"requestId":"{request_id}",{time}}}',
        f',"pathParameters":{_object(path_parameters)}' if path_parameters else "",
        f',"stageVariables":{_object(stage_variables)}' if stage_variables else "",
        _body(request), "}",
    ]  # fmt: skip
    return "".join(parts).encode()


_last_time = (0, "")


def clf_time(second: int) -> str:
    """`12/Mar/2020:19:03:58 +0000`."""
    global _last_time
    if _last_time[0] != second:
        _last_time = (second, datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"))
    return _last_time[1]


def is_text(content_type: str) -> bool:
    """Whether API Gateway passes a body of this type as text; a form, for one, it does not."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in TEXTUAL or kind.endswith(("+json", "+xml"))


def _body(request: Request) -> str:
    if not request.body:
        return ',"isBase64Encoded":false'
    content_type = request.headers.get("content-type", "")
    if not content_type or is_text(content_type):
        try:
            return f',"body":{quoted(request.body.decode())},"isBase64Encoded":false'
        except UnicodeDecodeError:
            return _base64(request.body)
    return _base64(request.body)


def _base64(body: bytes) -> str:
    return f',"body":"{b64encode(body).decode()}","isBase64Encoded":true'


def _query(query: str) -> str:
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return _object(joined)


def _object(values: dict[str, str]) -> str:
    return "{" + ",".join([f"{quoted(name)}:{quoted(value)}" for name, value in values.items()]) + "}"


def joined_headers(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], list[str]]:
    """Headers with repeated ones joined, and the cookies, which stand apart. The names come in lower case."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "cookie":
            cookies.extend(cookie.strip() for cookie in value.split(";"))
        elif name in headers:
            headers[name] = f"{headers[name]},{value}"
        else:
            headers[name] = value
    return headers, cookies
