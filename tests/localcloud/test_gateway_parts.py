"""The gateway's parts by themselves: event, response, routes, throttle, CORS, access log, policies."""

import json

import pytest

from localcloud.gateway_access_log import AccessLog, Record
from localcloud.gateway_apis import Stage, compiled_key, function_arn
from localcloud.gateway_cors import Cors
from localcloud.gateway_limits import Bucket
from localcloud.gateway_request import Request, event, frame, joined_headers
from localcloud.gateway_response import Malformed, mapped
from localcloud.lambda_facts import Target, split_arn
from localcloud.lambda_logs import KEPT, Stream, events_of
from localcloud.meters import API
from localcloud.metrics import Meter

FRAME = frame(route_key="$default", stage="$default", api_id="abcdefgh", account_id="211234825975", region="us-east-1")
METER = Meter(API, ())


def request(**values):
    fields = {"method": "GET", "path": "/", "query": "", "headers": {}, "cookies": [], "body": b"", "source_ip": "::1"}
    return Request(**{**fields, **values})


def event_of(made, **values):
    return json.loads(event(FRAME, made, request_id="r-1", now=1583348638.390, **values))


def test_the_event_of_payload_format_2():
    made = request(
        method="POST",
        path="/my/p%C3%A4th",
        query="parameter1=value1&parameter1=value2&parameter2=a%20b",
        headers={
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": 'agent "x"',
            "content-type": "text/plain",
        },
        cookies=["cookie1", "cookie2=x"],
        body="Hello – λ".encode(),
        source_ip="192.0.2.1",
    )
    assert event_of(made, path_parameters={"parameter1": "value1"}, stage_variables={"stageVariable1": "value1"}) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/päth",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b",
        "cookies": ["cookie1", "cookie2=x"],
        "headers": made.headers,
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "a b"},
        "requestContext": {
            "accountId": "211234825975",
            "apiId": "abcdefgh",
            "domainName": "abcdefgh.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdefgh",
            "http": {
                "method": "POST",
                "path": "/my/päth",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": 'agent "x"',
            },
            "requestId": "r-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "pathParameters": {"parameter1": "value1"},
        "stageVariables": {"stageVariable1": "value1"},
        "body": "Hello – λ",
        "isBase64Encoded": False,
    }


def test_a_bare_get_has_no_optional_fields():
    assert set(event_of(request())) == {
        "version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json; charset=utf-8", b"{}", "{}"),
        ("application/problem+json", b"{}", "{}"),
        ("", b"plain", "plain"),
        ("application/x-www-form-urlencoded", b"a=b", None),
        ("image/png", b"\x89PNG", None),
        ("text/plain", b"\xff\xfe", None),
    ],
)
def test_bodies_that_are_not_text_are_base64(content_type, body, text):
    seen = event_of(request(headers={"content-type": content_type} if content_type else {}, body=body))
    assert seen["isBase64Encoded"] is (text is None)
    if text is not None:
        assert seen["body"] == text


def test_headers_are_joined_and_cookies_taken_apart():
    pairs = [(b"x-one", b"1"), (b"x-one", b"2"), (b"cookie", b"a=1; b=2"), (b"cookie", b"c=3")]
    assert joined_headers(pairs) == ({"x-one": "1,2"}, ["a=1", "b=2", "c=3"])


# --- response -----------------------------------------------------------------------------------------------------

TEXT = ("content-type", "text/plain;charset=UTF-8")
JSON = ("content-type", "application/json")


@pytest.mark.parametrize(
    ("answer", "status", "headers", "body"),
    [
        ({"statusCode": 204}, 204, [TEXT], b""),
        ({"statusCode": "201", "body": "ü"}, 201, [TEXT], "ü".encode()),
        ({"statusCode": 200, "headers": {"Content-Type": "a/b", "N": 1, "T": True, "Connection": "close"}, "body": "x"},
         200, [("Content-Type", "a/b"), ("N", "1"), ("T", "true")], b"x"),
        ({"statusCode": 200, "cookies": ["a=1", "b=2"], "body": None}, 200,
         [("set-cookie", "a=1"), ("set-cookie", "b=2"), TEXT], b""),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, [TEXT], b"hi"),
        ({"message": "no status"}, 200, [JSON], b'{"message": "no status"}'),
        ("Hello", 200, [JSON], b"Hello"),
        ([1, 2], 200, [JSON], b"[1, 2]"),
        (None, 200, [JSON], b"null"),
    ],
)  # fmt: skip
def test_responses(answer, status, headers, body):
    response = mapped(json.dumps(answer).encode())
    assert (response.status, response.headers, response.body) == (status, headers, body)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"not json", "valid JSON"),
        (b"", "valid JSON"),
        (b'{"statusCode": "ok"}', "statusCode"),
        (b'{"statusCode": 99}', "statusCode"),
        (b'{"statusCode": true}', "statusCode"),
        (b'{"statusCode": 200, "body": {"a": 1}}', "body"),
        (b'{"statusCode": 200, "headers": ["a"]}', "headers"),
        (b'{"statusCode": 200, "headers": {"a": ["b"]}}', "headers"),
        (b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}', "headers"),
        (b'{"statusCode": 200, "cookies": "a=1"}', "cookies"),
        (b'{"statusCode": 200, "body": "%%", "isBase64Encoded": true}', "base64"),
    ],
)
def test_malformed_responses_name_the_field(payload, field):
    with pytest.raises(Malformed, match=field):
        mapped(payload)


# --- routes -------------------------------------------------------------------------------------------------------


class Keyed:
    """A route of which only the key matters."""

    def __init__(self, key):
        self.key = key
        self.pattern, self.parameters, self.rank = compiled_key(key)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets", "GET /pets", {}),
        ("GET", "/pets/", "GET /pets", {}),
        ("PUT", "/pets", "ANY /pets", {}),
        ("GET", "/pets/7", "GET /pets/{id}", {"id": "7"}),
        ("GET", "/pets/dog", "GET /pets/dog", {}),
        ("GET", "/pets/dog/1", "GET /pets/dog/{proxy+}", {"proxy": "1"}),
        ("GET", "/pets/cat/1/2", "ANY /pets/{proxy+}", {"proxy": "cat/1/2"}),
        ("GET", "/other", "$default", {}),
        ("GET", "/", "$default", {}),
    ],
)
def test_the_most_specific_route_takes_a_request(method, path, key, parameters):
    keys = [
        "$default", "ANY /pets/{proxy+}", "GET /pets/dog/{proxy+}", "GET /pets/{id}", "GET /pets/dog", "ANY /pets",
        "GET /pets",
    ]  # fmt: skip
    stage = Stage("$default", sorted(map(Keyed, keys), key=lambda route: route.rank), None, {}, METER)
    route, found = stage.match(method, path)
    assert (route.key, found) == (key, parameters)


def test_without_a_default_route_there_may_be_none():
    assert Stage("$default", [Keyed("GET /pets")], None, {}, METER).match("GET", "/other") is None


ARN = "arn:aws:lambda:us-east-1:211234825975:function:f:live"


@pytest.mark.parametrize(
    "uri", [ARN, f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"]
)
def test_integrations_name_their_function_in_two_ways(uri):
    assert function_arn(uri) == ARN
    assert split_arn(function_arn(uri)) == ("f", "live")


def test_weights_pick_versions():
    target = Target("arn", ((0.9, "old"), (0.1, "new")), "Active", None)
    assert [target.pick(draw) for draw in (0.0, 0.89, 0.91, 0.999)] == ["old", "old", "new", "new"]


# --- throttle, CORS -----------------------------------------------------------------------------------------------


def test_a_bucket_lets_a_burst_through_and_then_the_rate():
    bucket = Bucket(rate=10, burst=3)
    assert [bucket.take(1.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(1.05) is False
    assert bucket.take(1.15) is True
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0, 10), (10, 0)])
def test_a_rate_or_burst_of_zero_lets_nothing_through(rate, burst):
    assert Bucket(rate, burst).take(1.0) is False


CORS = Cors.read(
    {
        "allowOrigins": ["https://site.example"],
        "allowMethods": ["GET", "POST"],
        "allowHeaders": ["authorization"],
        "exposeHeaders": ["x-total"],
        "maxAge": 300,
        "allowCredentials": True,
    }
)
PREFLIGHT = {"access-control-request-method": "POST"}


def test_a_preflight_is_answered_by_the_gateway():
    response = CORS.preflight(request(method="OPTIONS", headers={"origin": "https://site.example", **PREFLIGHT}))
    assert (response.status, dict(response.headers)) == (
        204,
        {
            "access-control-allow-origin": "https://site.example",
            "vary": "Origin",
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "GET,POST",
            "access-control-allow-headers": "authorization",
            "access-control-max-age": "300",
        },
    )


def test_another_origin_gets_no_cors_headers():
    headers = {"origin": "https://evil.example"}
    assert CORS.preflight(request(method="OPTIONS", headers={**headers, **PREFLIGHT})).headers == []
    assert CORS.apply(request(headers=headers), [("a", "b"), ("Access-Control-Allow-Origin", "*")]) == [("a", "b")]


def test_an_options_request_that_is_no_preflight_goes_to_the_route():
    assert CORS.preflight(request(method="OPTIONS", headers={"origin": "https://site.example"})) is None


def test_any_origin():
    cors = Cors.read({"allowOrigins": ["*"], "allowMethods": ["*"]})
    assert cors.apply(request(headers={"origin": "http://x"}), []) == [("access-control-allow-origin", "*")]
    assert cors.apply(request(), []) == []


# --- access log ---------------------------------------------------------------------------------------------------


class Book:
    """A log book that only counts."""

    def dirty(self, stream):
        self.stream = stream


def access_log(text):
    return AccessLog(Stream(Book(), "g", "s"), text, {"apiId": "abc"})


RECORD = Record("r", 1583348638.4, "GET", "/x", "HTTP/1.1", "1.2.3.4", "curl", "$default", 500, 35, 1.9, error="Oops",
                integration_error='said "no"')  # fmt: skip


def test_the_access_log_fills_in_its_format():
    text = "$context.apiId $context.requestTime $context.status $context.integrationLatency $context.nonsense."
    assert access_log(text).line(RECORD) == "abc 04/Mar/2020:19:03:58 +0000 500 - -"


def test_a_json_access_log_stays_json():
    text = '{"error":"$context.integrationErrorMessage","status":$context.status,"m":$context.error.messageString}'
    line = access_log(text.replace(',"m":$context.error.messageString', "")).line(RECORD)
    assert json.loads(line) == {"error": 'said "no"', "status": 500}


def test_a_record_becomes_a_line_when_it_is_written():
    log = access_log("$context.requestId")
    log.add(RECORD)
    assert events_of(log._stream.take(), 10) == [{"timestamp": 1583348638400, "message": "r"}]
    assert not log._stream.take()


def test_lines_are_written_in_order_of_time_and_the_oldest_are_dropped():
    stream = Stream(Book(), "g", "s")
    stream.add(2.0, "100 %")
    stream.add(1.0, "%s-%d", "a", 7)
    assert events_of(stream.take(), 10) == [
        {"timestamp": 2000, "message": "100 %"},
        {"timestamp": 2000, "message": "a-7"},
    ]
    for number in range(KEPT + 1):
        stream.add(3.0, "%d", number)
    lines = stream.take()
    assert [line["message"] for line in events_of(lines, 2)] == ["1", "2"]
    assert len(lines) == KEPT - 2
