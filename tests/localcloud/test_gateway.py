"""The API front over real sockets: routing, permissions, errors, limits, logs."""

import concurrent.futures
import http.client
import json
import os
import signal
import socket
import time
from dataclasses import dataclass

import pytest

from localcloud import lambda_runtime
from localcloud.gateway_apis import NO_PERMISSION
from tests.localcloud.lambda_support import QUICKLY, Deployer
from tests.localcloud.test_lambda_runtime import native

ACCOUNT, REGION = "211234825975", "us-east-1"
FORMAT = json.dumps(
    {name: f"$context.{name}" for name in ("status", "routeKey", "integrationErrorMessage", "integrationLatency")}
)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Lab(Deployer):
    """A deployer that also makes APIs and calls them."""

    def api(self, *, function="f:live", routes=("$default",), permit=True, timeout_ms=30000, cors=None, **stage):
        client = self.aws("apigatewayv2")
        api = client.create_api(Name="a", ProtocolType="HTTP", **({"CorsConfiguration": cors} if cors else {}))["ApiId"]
        integration = client.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
            PayloadFormatVersion="2.0",
            TimeoutInMillis=timeout_ms,
        )["IntegrationId"]
        for key in routes:
            client.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        client.create_stage(ApiId=api, **{"StageName": "$default", "AutoDeploy": True, **stage})
        if permit:
            self.permit(api, function)
        return api

    def permit(self, api, function="f:live"):
        name, _, qualifier = function.partition(":")
        self.aws("lambda").add_permission(
            FunctionName=name,
            StatementId=f"gateway-{api}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/*",
            **({"Qualifier": qualifier} if qualifier else {}),
        )

    def alias(self, version="1"):
        self.aws("lambda").publish_version(FunctionName="f")
        self.aws("lambda").create_alias(FunctionName="f", Name="live", FunctionVersion=version)

    def call(self, api, path="/", *, method="GET", headers=None, body=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.cloud.api_port, timeout=30)
        target = path if host else f"/_api/{api}{path}"
        connection.request(method, target, body, {**({"Host": host} if host else {}), **(headers or {})})
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.headers), answer.read())
        connection.close()
        return found


@pytest.fixture
def lab(cloud, aws):
    """A lab in an empty account. No process of an earlier test is left."""
    made = Lab(cloud, aws)
    yield made
    made.clear()


ECHO = """
import json, os, time
def handler(event, context):
    query = event.get("queryStringParameters", {})
    time.sleep(float(query.get("sleep", 0)))
    if "exit" in query:
        os._exit(1)
    if "raise" in query:
        raise ValueError("secret detail")
    if "answer" in query:
        return json.loads(query["answer"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "cookies": ["a=1", "b=2"],
            "body": json.dumps({"event": event, "pid": os.getpid(), "version": context.function_version})}
"""


@pytest.fixture
def api(lab):
    """An API in front of an echo function, with an access log."""
    lab.python(ECHO)
    lab.alias()
    group = "/aws/apigateway/a"
    lab.aws("logs").create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    return lab.api(AccessLogSettings={"DestinationArn": arn, "Format": FORMAT})


def access(lab):
    return [json.loads(line) for line in lab.log("/aws/apigateway/a")]


def test_a_request_reaches_the_function_and_its_answer_the_client(lab, api):
    answer = lab.call(api, "/things/1?x=a%20b", method="POST", headers={"X-Mine": "1", "Cookie": "c=3"}, body=b"hi")
    event = answer.json["event"]
    assert (answer.status, event["rawPath"], event["rawQueryString"]) == (200, "/things/1", "x=a%20b")
    assert (event["body"], event["headers"]["x-mine"], event["cookies"]) == ("hi", "1", ["c=3"])
    assert event["requestContext"]["http"] == {
        "method": "POST", "path": "/things/1", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "",
    }  # fmt: skip
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert answer.headers["Apigw-Requestid"] == event["requestContext"]["requestId"]
    [line] = access(lab)
    assert int(line.pop("integrationLatency")) >= 0
    assert line == {"status": "200", "routeKey": "$default", "integrationErrorMessage": "-"}


def test_an_api_is_also_found_by_its_host_name(lab, api):
    host = f"{api}.execute-api.{REGION}.amazonaws.com"
    answer = lab.call(api, "/by/host", host=host)
    assert (answer.status, answer.json["event"]["rawPath"]) == (200, "/by/host")
    assert lab.call(api, "/", host=f"nobody.execute-api.{REGION}.amazonaws.com").status == 404
    assert lab.call(api, "/", host="example.com").status == 404


def test_without_the_permission_nothing_is_invoked_and_only_the_access_log_says_why(lab):
    lab.python(ECHO)
    lab.alias()
    lab.aws("logs").create_log_group(logGroupName="/aws/apigateway/a")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/apigateway/a"
    api = lab.api(permit=False, AccessLogSettings={"DestinationArn": arn, "Format": FORMAT})
    answer = lab.call(api)
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert lab.log() == []
    assert access(lab)[0]["integrationErrorMessage"] == NO_PERMISSION
    lab.permit(api, "f")  # the wrong qualifier
    assert lab.call(api).status == 500
    lab.permit(api, "f:live")
    assert lab.call(api).status == 200
    lab.aws("lambda").remove_permission(FunctionName="f", StatementId=f"gateway-{api}", Qualifier="live")


def test_traffic_follows_the_alias_at_once(lab, api):
    client = lab.aws("lambda")
    assert lab.call(api).json["version"] == "1"
    client.update_function_configuration(FunctionName="f", MemorySize=256)
    client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    client.publish_version(FunctionName="f")
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    assert lab.call(api).json["version"] == "2"
    routing = {"AdditionalVersionWeights": {"1": 0.5}}
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig=routing)
    seen = [lab.call(api).json["version"] for _ in range(60)]
    assert 10 <= seen.count("1") <= 50


@pytest.mark.parametrize(
    ("query", "status", "body", "words"),
    [
        ("raise=1", 500, "Internal Server Error", "ValueError"),
        ("exit=1", 500, "Internal Server Error", "Runtime.ExitError"),
        ("answer={\"statusCode\":200,\"body\":{}}", 500, "Internal Server Error", "body"),
    ],
)  # fmt: skip
def test_failures_of_the_function_are_the_gateways_500(lab, api, query, status, body, words):
    answer = lab.call(api, "/?" + query)
    assert (answer.status, answer.json) == (status, {"message": body})
    assert b"secret" not in answer.body
    [line] = access(lab)
    assert words in line["integrationErrorMessage"]
    assert "secret" not in line["integrationErrorMessage"]


def test_an_answer_without_a_status_is_the_body_of_a_200(lab, api):
    answer = lab.call(api, '/?answer={"hello":1}')
    assert (answer.status, answer.json, answer.headers["content-type"]) == (200, {"hello": 1}, "application/json")


def test_an_integration_that_takes_too_long_is_a_503(lab):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(timeout_ms=300)
    lab.call(api)
    answer = lab.call(api, "/?sleep=1")
    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})
    time.sleep(1)
    assert lab.call(api).status == 200


def test_a_process_killed_during_a_request_is_a_500_and_a_new_one_follows(lab, api):
    pid = lab.call(api).json["pid"]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        running = threads.submit(lab.call, api, "/?sleep=20")
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        assert running.result().status == 500
    answer = lab.call(api)
    assert (answer.status, answer.json["pid"] != pid) == (200, True)


def test_what_does_not_exist_is_a_404(lab, api):
    assert lab.call("nosuchapi").json == {"message": "Not Found"}
    client = lab.aws("apigatewayv2")
    [route] = client.get_routes(ApiId=api)["Items"]
    client.update_route(ApiId=api, RouteId=route["RouteId"], RouteKey="GET /only/{id}")
    assert lab.call(api, "/only/1").json["event"]["pathParameters"] == {"id": "1"}
    assert lab.call(api, "/only/1", method="POST").status == 404
    client.delete_stage(ApiId=api, StageName="$default")
    assert lab.call(api, "/only/1").status == 404
    client.delete_api(ApiId=api)
    assert lab.call(api, "/only/1").status == 404


def test_a_named_stage_is_the_first_part_of_the_path(lab):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(StageName="prod", StageVariables={"colour": "blue"})
    event = lab.call(api, "/prod/x").json["event"]
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/x", "prod")
    assert event["stageVariables"] == {"colour": "blue"}
    assert lab.call(api, "/x").status == 404


def test_a_stage_that_was_never_deployed_is_a_404(lab):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(AutoDeploy=False)
    assert lab.call(api).json == {"message": "Not Found"}
    lab.aws("apigatewayv2").create_deployment(ApiId=api, StageName="$default")
    assert lab.call(api).status == 200


def test_a_function_that_is_gone_is_a_500(lab, api):
    lab.aws("lambda").delete_function(FunctionName="f")
    assert lab.call(api).status == 500
    assert "does not exist" in access(lab)[0]["integrationErrorMessage"]


def test_throttling_is_a_429(lab):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(DefaultRouteSettings={"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2})
    answers = [lab.call(api) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"message": "Too Many Requests"}


def test_the_functions_concurrency_is_a_503(lab, api):
    lab.aws("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    assert lab.call(api).json == {"message": "Service Unavailable"}


def test_cors_is_the_gateways_when_configured(lab):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(cors={"AllowOrigins": ["https://s.example"], "AllowMethods": ["GET"]})
    headers = {"Origin": "https://s.example", "Access-Control-Request-Method": "GET"}
    preflight = lab.call(api, method="OPTIONS", headers=headers)
    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, "GET")
    assert lab.log() == []
    plain = lab.call(api, headers={"Origin": "https://s.example"})
    assert plain.headers["access-control-allow-origin"] == "https://s.example"


@pytest.mark.parametrize("size", [11 * 1024 * 1024, 7 * 1024 * 1024])
def test_bodies_that_are_too_large_are_a_413(lab, api, size):
    answer = lab.call(api, method="POST", body=b"x" * size, headers={"content-type": "text/plain"})
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})


def test_a_large_body_goes_through(lab, api):
    body = b"y" * (4 * 1024 * 1024)
    answer = lab.call(api, method="POST", body=body, headers={"content-type": "text/plain"})
    assert len(answer.json["event"]["body"]) == len(body)


# --- HTTP ---------------------------------------------------------------------------------------------------------


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
    native(lab)
    lab.alias()
    api = lab.api()
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda n: lab.call(api, f"/{n}"), range(200)))
    assert [answer.json["event"]["rawPath"] for answer in answers] == [f"/{n}" for n in range(200)]
    assert len({answer.json["pid"] for answer in answers}) <= 10
