"""The API front over real sockets: routing, permissions, errors, limits, logs."""

import concurrent.futures
import json
import os
import signal
import time

import pytest

from localcloud.gateway_apis import NO_PERMISSION
from tests.localcloud.gateway_support import ACCOUNT, ECHO, FORMAT, REGION, Lab
from tests.localcloud.lambda_support import QUICKLY


@pytest.fixture
def lab(cloud, aws):
    """A lab in an empty account. No process of an earlier test is left."""
    made = Lab(cloud, aws)
    yield made
    made.clear()


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
