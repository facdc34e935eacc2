"""The terminal's client of the API: calls whose answer was lost, tokens that expired, answers that are no JSON."""

import httpx
import pytest

from deployments.api_client import Api, ApiFailed, ApiRefused

ID = "3f2a9c1e-0000-4000-8000-000000000001"
ROW = {"id": ID, "status": "pending"}
GARDEN = {"id": "r1", "full_name": "hana/garden"}


def transport(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    left, seen = list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.MockTransport(answer), seen


def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    wire, seen = transport(httpx.ReadError("lost"), httpx.Response(503, json={}), httpx.Response(202, json=ROW))
    pauses: list[float] = []
    assert Api("http://api", token="t", transport=wire, sleep=pauses.append).execute({}) == ROW
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert pauses == [0.2, 0.5]


def test_what_must_not_be_done_twice_is_not_asked_for_twice() -> None:
    wire, seen = transport(httpx.ReadError("lost"))
    with pytest.raises(ApiFailed, match="does not answer at http://api/api/v1: lost"):
        Api("http://api", token="t", transport=wire).retry_execution(ID)
    assert len(seen) == 1


def test_an_expired_mock_token_is_renewed() -> None:
    login = [httpx.Response(200, json={"access_token": str(n)}) for n in (1, 2)]
    expired = httpx.Response(401, json={"error": "jwt_error", "message": "The token has expired"})
    wire, seen = transport(login[0], expired, login[1], httpx.Response(200, json=[GARDEN]))
    assert Api("http://api", transport=wire, sleep=lambda _s: None).list_repositories() == [GARDEN]
    assert seen[-1].headers["authorization"] == "Bearer 2"


def test_a_program_reads_versions_and_why_it_was_refused() -> None:
    problem = {"error": "conflict", "message": "It runs", "details": {"status": "running"}}
    answers = [httpx.Response(200, json={"task": ROW}, headers={"ETag": '"7.a"'}), httpx.Response(409, json=problem)]
    wire, seen = transport(*answers)
    api = Api("http://api", token="t", transport=wire)
    api.get_task(ID)
    with pytest.raises(ApiRefused, match="It runs") as refused:
        api.start_task(ID, if_match=api.etag)
    assert seen[-1].headers["if-match"] == '"7.a"'
    assert (refused.value.status, refused.value.code, refused.value.details) == (409, "conflict", problem["details"])


def test_an_answer_that_is_no_json_is_quoted() -> None:
    wire, _ = transport(httpx.Response(413, text="<h1>Too large</h1>"))
    with pytest.raises(ApiRefused, match=r"the API answered 413: <h1>Too large</h1>"):
        Api("http://api", token="t", transport=wire).execute({})
