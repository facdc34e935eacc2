"""Smoke tests: what is asked, how an answer is judged, and that a failure names everything that is wrong."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from blocks.environment import Environment
from tasks.smoke import checks_for, smoke_api, smoke_version
from tasks.smoke_answers import Answer, SmokeFailed, judge
from tasks.smoke_invoking import check_event, http_answer
from tasks.suite_checks import Check
from tasks.suites import Suite
from tests.support import answer_call, fail_call, make_environment, make_rollout
from tests.unit.deploying import aws


def check(path: str, **said: Any) -> Check:
    return Check.model_validate({"path": path, **said})


HEALTH = check("/api/v1/health", fields={"status": "ok"})
URL = "http://127.0.0.1:1/_api/abc"


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


@pytest.fixture
def world(environment: Environment) -> Iterator[Environment]:
    with aws():
        yield environment


CASES: list[tuple[Check, Answer, str]] = [
    (HEALTH, Answer(200, '{"status": "ok"}', 5), ""),
    (HEALTH, Answer(503, '{"status": "ok"}', 5), 'answered 503 instead of 200; body: {"status": "ok"}'),
    (HEALTH, Answer(200, '{"status": "bad"}', 5), "status is 'bad' instead of 'ok'; body: {\"status\": \"bad\"}"),
    (HEALTH, Answer(200, "<html>", 5), "the body is not JSON; body: <html>"),
    (HEALTH, Answer(200, "[]", 5), "status is not there; body: []"),
    (HEALTH, Answer(None, "", 5, "Runtime.ExitError: exit status 1"), "Runtime.ExitError: exit status 1"),
    (check("/x", status=404), Answer(404, "", 5), ""),
    (check("/x", fields={"a.b": 1}), Answer(200, '{"a": {"b": 1}}', 5), ""),
    (check("/x", budget_ms=100), Answer(200, "", 250), "took 250 ms, allowed are 100"),
    (
        check("/x"),
        Answer(500, "postgresql://u:secret@h/d", 5),
        "answered 500 instead of 200; body: postgresql://***@h/d",
    ),
]


@pytest.mark.parametrize(("asked", "answer", "detail"), CASES)
def test_judging(asked: Check, answer: Answer, detail: str) -> None:
    result = judge(asked, answer)
    assert (result.detail, result.ok) == (detail, detail == "")


def test_a_version_is_asked_cold_so_its_time_is_not_judged() -> None:
    assert judge(check("/x", budget_ms=1), Answer(200, "", 250), budget=False).ok


def test_checks_come_from_the_source_or_are_the_health_path(environment: Environment) -> None:
    assert checks_for(environment, Suite()) == (check("/api/v1/health"),)
    quick = check("/h", status=204, quick=True)
    assert checks_for(environment, Suite(checks=(check("/slow"), quick))) == (quick,)


def test_the_event_is_the_gateways(environment: Environment) -> None:
    event = check_event(check("/a?b=1", headers={"X-Trace": "1"}), environment, clock=lambda: 0.0)
    assert (event["rawPath"], event["rawQueryString"], event["version"]) == ("/a", "b=1", "2.0")
    assert event["headers"]["x-trace"] == "1"
    assert event["requestContext"]["http"]["method"] == "GET"
    assert event["requestContext"]["time"] == "01/Jan/1970:00:00:00 +0000"


@pytest.mark.parametrize(
    ("payload", "status", "body"),
    [
        ('{"statusCode": 200, "body": "hello"}', 200, "hello"),
        ('{"statusCode": 201, "body": "aGVsbG8=", "isBase64Encoded": true}', 201, "hello"),
        ('{"status": "ok"}', 200, '{"status": "ok"}'),
        ('"text"', 200, '"text"'),
        ('{"statusCode": 204}', 204, ""),
    ],
)
def test_replies_are_read_as_the_gateway_reads_them(payload: str, status: int, body: str) -> None:
    assert http_answer(payload, 1.0) == Answer(status, body, 1.0)


def test_a_reply_that_is_not_json_is_a_failure() -> None:
    assert "not JSON" in http_answer("Segmentation fault", 1.0).failure


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ('{"statusCode": 200, "body": {"a": 1}}', "`body` is a dict"),
        ('{"statusCode": "soon"}', "`statusCode` is 'soon'"),
    ],
)
def test_a_reply_that_the_gateway_answers_with_500_is_a_failure(reply: str, problem: str) -> None:
    answer = http_answer(reply, 1.0)
    assert answer.status is None
    assert problem in answer.failure


def reply(payload: object, *, error: str = "", log: str = "") -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What `invoke` gives, for a tap."""
    fields = {"FunctionError": error} if error else {}
    encoded = base64.b64encode(log.encode()).decode()
    return lambda _: {"Payload": io.BytesIO(json.dumps(payload).encode()), "LogResult": encoded, **fields}


def test_a_good_version_passes(world: Environment) -> None:
    rollout, asked = make_rollout(world), list[str]()
    good = reply({"statusCode": 200, "body": '{"status": "ok"}'})

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params["url_path"] + "?" + params["query_string"]["Qualifier"])
        return good(params)

    answer_call(rollout, "lambda", "Invoke", answer, times=1)
    (result,) = smoke_version.fn(rollout, "7", [HEALTH])
    assert asked == ["/2015-03-31/functions/miyabi-api-testing/invocations?7"]
    assert result.row()["verdict"] == "ok"
    assert result.row()["check"] == "GET /api/v1/health"


def test_a_version_that_does_not_start_says_why_and_is_asked_once(world: Environment) -> None:
    rollout = make_rollout(world)
    died = {"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}
    answer_call(rollout, "lambda", "Invoke", reply(died, error="Unhandled", log="KeyError: 'JWT'"), times=1)
    with pytest.raises(SmokeFailed) as caught:
        smoke_version.fn(rollout, "7", [HEALTH, check("/other")])
    assert len(caught.value.results) == 1
    assert "GET /api/v1/health: Runtime.ExitError: exit status 1; log: KeyError: 'JWT'" in str(caught.value)


def test_what_a_failing_program_prints_is_shown_without_the_secrets(world: Environment) -> None:
    rollout, log = make_rollout(world), f"{'x' * 2000} JWT_SECRET=not-to-be-shown, so it died"
    rollout.aws("secretsmanager").create_secret(Name=world.names.jwt_secret, SecretString="not-to-be-shown")
    answer_call(rollout, "lambda", "Invoke", reply({}, error="Unhandled", log=log), times=1)
    with pytest.raises(SmokeFailed) as caught:
        smoke_version.fn(rollout, "7", [HEALTH])
    assert str(caught.value).endswith(" JWT_SECRET=***, so it died")
    assert len(str(caught.value)) < 1000


def test_what_cannot_be_searched_for_secrets_is_not_shown(world: Environment) -> None:
    rollout = make_rollout(world)
    fail_call(rollout, "secretsmanager", "GetSecretValue", "AccessDeniedException", times=None)
    answer_call(rollout, "lambda", "Invoke", reply({}, error="Unhandled", log="JWT_SECRET=not-to-be-shown"), times=1)
    with pytest.raises(SmokeFailed, match=r"not shown, .*AccessDeniedException") as caught:
        smoke_version.fn(rollout, "7", [HEALTH])
    assert "not-to-be-shown" not in str(caught.value)


def test_every_failed_check_is_named(world: Environment) -> None:
    rollout = make_rollout(world)
    answer_call(rollout, "lambda", "Invoke", reply({"statusCode": 500, "body": ""}), times=2)
    with pytest.raises(SmokeFailed, match="2 of 2 failed") as caught:
        smoke_version.fn(rollout, "7", [check("/one"), check("/two")])
    assert "GET /one" in str(caught.value)
    assert "GET /two" in str(caught.value)


def test_a_version_that_is_still_pending_is_waited_for(world: Environment) -> None:
    rollout = make_rollout(world)
    answer_call(rollout, "lambda", "Invoke", reply({"statusCode": 200, "body": '{"status": "ok"}'}), times=1)
    fail_call(rollout, "lambda", "Invoke", "ResourceConflictException", message="state: Pending")
    assert smoke_version.fn(rollout, "7", [HEALTH])[0].ok


def test_a_plan_asks_nothing(world: Environment) -> None:
    planning = make_rollout(world, planning=True)
    assert smoke_version.fn(planning, "7", [HEALTH]) == ()
    assert smoke_api.fn(planning, URL, [HEALTH]) == ()


def api(*statuses: int) -> tuple[httpx.MockTransport, list[str]]:
    """An API that answers these statuses in turn, the last one for ever; 0 is a refused connection."""
    asked, left = list[str](), list(statuses)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        status = left.pop(0) if len(left) > 1 else left[0]
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json={"status": "ok"})

    return httpx.MockTransport(handle), asked


@pytest.mark.parametrize(
    ("statuses", "calls"), [([200], 1), ([500, 200], 2), ([0, 503, 200], 3)], ids=["at once", "500 first", "refused"]
)
def test_the_api_is_asked_again_while_traffic_moves(world: Environment, statuses: list[int], calls: int) -> None:
    transport, asked = api(*statuses)
    smoke_api.fn(make_rollout(world), URL, [HEALTH], transport=transport, sleep=lambda _: None)
    assert asked == ["/_api/abc/api/v1/health"] * calls


@pytest.mark.parametrize(
    ("status", "text", "calls"), [(404, "answered 404", 1), (500, "answered 500", 3), (0, "ConnectError", 3)]
)
def test_an_api_that_stays_wrong_fails(world: Environment, status: int, text: str, calls: int) -> None:
    transport, asked = api(status)
    with pytest.raises(SmokeFailed, match=text):
        smoke_api.fn(make_rollout(world), URL, [HEALTH], transport=transport, sleep=lambda _: None)
    assert len(asked) == calls


def test_an_expected_503_is_not_asked_again(world: Environment) -> None:
    transport, asked = api(503)
    smoke_api.fn(make_rollout(world), URL, [check("/down", status=503)], transport=transport, sleep=lambda _: None)
    assert len(asked) == 1
