"""The small pure parts of a diagnosis: routes, policies, rights, shapes of answers, logs, and what programs say."""

import json
from typing import Any

import pytest

from tasks.diagnosing.causes_settings import told_in
from tasks.diagnosing.looking import Look
from tasks.diagnosing.page import plain
from tasks.diagnosing.probes_database import trouble_of
from tasks.diagnosing.probes_function import told
from tasks.diagnosing.probes_logs import errors_in
from tasks.diagnosing.probes_package import short_name
from tasks.diagnosing.probes_request import (
    best_route,
    fits_call,
    function_arn,
    path_of,
    shortcoming,
    split_arn,
    stage_of,
)
from tasks.diagnosing.rights import allows
from tasks.replies import status_and_misfit
from tests.support import make_rollout

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:live"
SOURCE = "arn:aws:execute-api:us-east-1:123456789012:abc/$default/$default"


@pytest.mark.parametrize(
    ("keys", "path", "route"),
    [
        (["$default"], "/anything", "$default"),
        (["$default", "GET /tasks"], "/tasks", "GET /tasks"),
        (["GET /tasks/{id}", "GET /tasks/new"], "/tasks/new", "GET /tasks/new"),
        (["ANY /{proxy+}", "GET /tasks/{id}"], "/tasks/7", "GET /tasks/{id}"),
        (["ANY /{proxy+}"], "/a/b/c", "ANY /{proxy+}"),
        (["POST /tasks"], "/tasks", ""),
        (["GET /tasks"], "/other", ""),
        (["GET /a.b"], "/aXb", ""),
    ],
)
def test_the_most_specific_route_that_fits(keys: list[str], path: str, route: str) -> None:
    assert best_route(keys, path) == route


def test_a_named_stage_is_the_first_part_of_the_path() -> None:
    assert stage_of({"v1": {}, "$default": {}}, "/v1/tasks") == ("v1", "/tasks")
    assert stage_of({"$default": {}}, "/v1/tasks") == ("$default", "/v1/tasks")
    assert stage_of({"v1": {}}, "/tasks") == ("", "/tasks")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://abc123.execute-api.us-east-1.amazonaws.com/api/v1/health", ("abc123", "/api/v1/health")),
        ("http://127.0.0.1:4500/_api/abc123/api", ("abc123", "/api")),
        ("http://127.0.0.1:4500/_api/abc123", ("abc123", "/")),
        ("https://api.example.com", ("", "/")),
    ],
)
def test_the_api_in_a_url(url: str, found: tuple[str, str]) -> None:
    assert path_of(url) == found


def test_the_function_in_an_integration() -> None:
    long = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"
    assert function_arn(long) == function_arn(ARN) == ARN
    assert split_arn(ARN) == ("f", "live")
    assert split_arn(ARN.removesuffix(":live")) == ("f", "")


def statement(**changes: Any) -> dict[str, Any]:
    good = {
        "Sid": "s", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": ARN,
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:123456789012:abc/*/*"}},
    }  # fmt: skip
    return {**good, **changes}


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"Condition": {}}, True),
        ({"Resource": ARN.removesuffix(":live")}, False),
        ({"Action": "lambda:*"}, True),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Principal": {"Service": "events.amazonaws.com"}}, False),
        ({"Principal": "*"}, True),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:123456789012:zzz/*/*"}}}, False),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:123456789012:abc/prod/*"}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
    ],
)
def test_a_statement_fits_exactly_this_call(changes: dict[str, Any], fits: bool) -> None:
    assert fits_call(statement(**changes), ARN, SOURCE, "123456789012") is fits


def test_why_a_statement_does_not_do() -> None:
    other = {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:123456789012:zzz/*/*"}}
    assert "for another API" in shortcoming(statement(Condition=other), "abc")
    assert shortcoming(statement(Effect="Deny"), "abc") == "statement 's' denies it"
    strange = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    assert "has the condition StringEquals aws:principalorgid" in shortcoming(statement(Condition=strange), "abc")


ALLOW = {"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/f:*"}
GROUP = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f:log-stream:x"


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([ALLOW], True),
        ([], False),
        ([ALLOW, {"Effect": "Deny", "Action": ["LOGS:putlogevents"], "Resource": "*"}], False),
        ([{**ALLOW, "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/g:*"}], False),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], True),
        ([{"Effect": "Allow", "Action": "*", "NotResource": GROUP}], False),
    ],
)
def test_rights_are_what_somebody_allows_and_nobody_denies(statements: list[dict[str, Any]], allowed: bool) -> None:
    assert allows(statements, "logs:PutLogEvents", GROUP) is allowed


@pytest.mark.parametrize(
    ("reply", "status", "problem"),
    [
        ({"statusCode": 201, "body": "x"}, 201, ""),
        ({"statusCode": "200"}, 200, ""),
        ({"hello": 1}, 200, ""),
        ({"statusCode": 200, "headers": {"x": 1, "y": True}}, 200, ""),
        ({"statusCode": 99}, None, "not a number from 100 to 599"),
        ({"statusCode": True}, None, "not a number from 100 to 599"),
        ({"statusCode": None}, None, "not a number from 100 to 599"),
        ({"statusCode": 200, "body": {"a": 1}}, None, "json.dumps it"),
        ({"statusCode": 200, "headers": []}, 200, ""),
        ({"statusCode": 200, "headers": {"x": ["a"]}}, None, "the header 'x' is a list"),
        ({"statusCode": 200, "cookies": "a=b"}, None, "`cookies` is not a list"),
        ({"statusCode": 200, "body": "%%%", "isBase64Encoded": True}, None, "is not base64"),
    ],
)
def test_what_api_gateway_can_make_a_response_of(reply: dict[str, Any], status: int | None, problem: str) -> None:
    seen, misfit, _ = status_and_misfit(json.dumps(reply))
    assert seen == status
    assert problem in misfit
    assert bool(problem) == bool(misfit)


def test_an_answer_that_is_not_json_is_none() -> None:
    assert status_and_misfit("<html>")[1] == "it is not JSON"


REPORT = (
    "START RequestId: 1 Version: 3\n{}\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 12.50 ms\tBilled Duration: "
    "250 ms\tMemory Size: 512 MB\tMax Memory Used: 61 MB\tInit Duration: 210.25 ms\t\n"
)


def test_an_invocation_is_read_from_payload_and_log() -> None:
    look = Look(make_rollout(), hide=lambda text: text.replace("hunter2", "***"))
    seen = told(look, '{"statusCode": 200, "body": "hunter2"}', REPORT.format("the password is hunter2"), failed=False)
    assert (seen.status, seen.duration_ms, seen.init_ms, seen.used_mb, seen.size_mb) == (200, 12.5, 210.25, 61, 512)
    assert seen.body == "***"
    assert "the password is ***" in seen.tail
    failure = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error: exit status 1"})
    seen = told(look, failure, REPORT.format("giving up"), failed=True)
    assert (seen.error, seen.message) == ("Runtime.ExitError", "exit status 1")
    assert told(look, "[]", "", failed=True).message == "its reply is not a Lambda error"


def test_the_access_logs_line() -> None:
    line = {"integrationErrorMessage": "no permission", "integrationStatus": "-"}
    assert errors_in(json.dumps(line)) == ("no permission", "")
    assert errors_in('{"integrationErrorMessage":"-","integrationStatus":"200"}') == ("", "200")
    assert errors_in("127.0.0.1 - GET") == ("", "")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("KeyError: 'GITHUB_CLIENT_ID'", ["GITHUB_CLIENT_ID"]),
        ("KeyError\n'GITHUB_CLIENT_ID'", ["GITHUB_CLIENT_ID"]),
        ("thread 'main' panicked at src/config.rs:4: JWT_SECRET must be set: NotPresent", ["JWT_SECRET"]),
        ("Error: environment variable not found: `STRIPE_KEY`", ["STRIPE_KEY"]),
        ("Missing environment variable DATABASE_URL", ["DATABASE_URL"]),
        ("KeyError: 'name'", []),
        ("HTTP_STATUS was 200", []),
    ],
)
def test_variables_that_a_failure_names(text: str, names: list[str]) -> None:
    assert told_in(text) == names


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ('connection failed: FATAL:  password authentication failed for user "x"', "password"),
        ("connection failed: FATAL:  sorry, too many clients already", "full"),
        ("server does not support SSL, but SSL was required", "tls"),
        ("FATAL:  no pg_hba.conf entry for host 1.2.3.4, user x, database y, no encryption", "tls"),
        ("connection timeout expired", "silent"),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "refused"),
        ("something else", "other"),
    ],
)
def test_what_kind_of_trouble_the_database_makes(text: str, trouble: str) -> None:
    assert trouble_of(text)[0] == trouble


def test_names_and_text_of_others() -> None:
    assert short_name("arn:aws:secretsmanager:us-east-1:1:secret:miyabi/local/jwt-AbC123") == "miyabi/local/jwt"
    assert plain("a\n# b `c` <d>") == "a # b 'c' &lt;d>"
