"""Rate limits: per user and per address, in one place for all processes, and never in the way of who is not limited."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from api.app import create_app
from api.settings import read_settings
from database import rate_limits
from tests.backend import Client, granted, make_backend, sql

LATER = "UPDATE rate_limits SET at = at - make_interval(secs => %s)"


@contextmanager
def served(migrated: str, **limits: int) -> Iterator[Client]:
    """One process of the API."""
    backend = make_backend(migrated, **limits)
    yield Client(create_app(backend))
    backend.pool.close()


@pytest.fixture
def limited(migrated: str) -> Iterator[Client]:
    """Five requests an hour, two sign-ins a minute."""
    with served(migrated, rate_limit=5, login_rate_limit=2) as client:
        yield client


def statuses(client: Client, path: str, count: int, **options: object) -> list[int]:
    return [client.get(path, **options).status_code for _ in range(count)]


def test_the_mission_s_limits_where_people_are() -> None:
    assert [(read_settings({"ENVIRONMENT": name}).rate_limit, read_settings({"ENVIRONMENT": name}).login_rate_limit)
            for name in ("production", "staging", "local")] == [(1000, 10), (1000, 10), (0, 0)]  # fmt: skip
    given = read_settings({"ENVIRONMENT": "production", "RATE_LIMIT": "0", "LOGIN_RATE_LIMIT": "3"})
    assert (given.rate_limit, given.login_rate_limit) == (0, 3)


def test_a_user_has_so_many_requests_and_then_one_at_a_time(limited: Client, migrated: str) -> None:
    hana = limited.sign_in()
    first = hana.get("/repositories")
    assert first.headers["ratelimit-policy"] == '"hour";q=5;w=3600'
    assert first.headers["ratelimit"] == '"hour";r=4;t=720'
    assert [first.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == ["5", "4", "720"]
    assert statuses(hana, "/repositories", 4) == [200] * 4
    refused = hana.get("/repositories")
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 715 <= int(refused.headers["retry-after"]) <= 720
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "x-request-id" in refused.headers
    sql(migrated, LATER, 720)
    assert statuses(hana, "/repositories", 2) == [200, 429]
    sql(migrated, LATER, 7200)
    assert statuses(hana, "/repositories", 6) == [200] * 5 + [429]


def test_one_user_s_requests_are_no_other_s(limited: Client, migrated: str) -> None:
    hana, kenji = limited.sign_in(42), limited.sign_in(43, "kenji@example.com")
    assert statuses(hana, "/repositories", 6) == [200] * 5 + [429]
    assert statuses(kenji, "/repositories", 1) == [200]


def test_it_holds_over_many_processes(migrated: str) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(served(migrated, rate_limit=5)) for _ in range(3)]
        headers = processes[0].sign_in().headers
        asked = [process.get("/repositories", headers=headers).status_code for process in processes * 2]
    assert asked == [200] * 5 + [429]


def test_sign_ins_are_counted_by_address(limited: Client) -> None:
    body = {"github_id": 42, "email": "hana@example.com"}
    answers = [limited.post("/auth/mock", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"hour";q=5;w=3600, "login";q=2;w=60'
    assert answers[0].headers["x-ratelimit-limit"] == "2"
    assert int(answers[2].headers["retry-after"]) <= 30
    forwarded = limited.post("/auth/mock", json=body, headers={"X-Forwarded-For": "203.0.113.9"})
    assert forwarded.status_code == 429, "the caller's own header was believed"


def test_a_token_that_is_nobody_s_is_counted_by_address_and_uses_up_nobody_s_requests(limited: Client) -> None:
    hana = limited.sign_in()
    forged = hana.headers["Authorization"][:-4] + "AAAA"
    assert statuses(limited, "/repositories", 5, headers={"Authorization": forged}) == [401] * 4 + [429]
    assert statuses(hana, "/repositories", 1) == [200]


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/agents", 200), ("/repositories", 401), ("/x", 404)])
def test_what_costs_the_database_nothing_is_not_counted(limited: Client, path: str, status: int) -> None:
    assert statuses(limited, path, 8) == [status] * 8
    assert "ratelimit" not in limited.get(path).headers


def test_what_is_not_new_is_not_counted(limited: Client) -> None:
    hana = limited.sign_in()
    known = {"If-None-Match": hana.get("/repositories").headers["etag"]}
    assert statuses(hana, "/repositories", 8, headers=known) == [304] * 8
    assert hana.get("/repositories", headers=known).headers["x-ratelimit-remaining"] == "4"
    assert statuses(hana, "/repositories", 5, headers={"If-None-Match": '"other"'}) == [200] * 4 + [429]


def test_an_account_for_load_tests_is_not_limited(limited: Client, migrated: str) -> None:
    hana = limited.sign_in()
    granted(migrated, "api.unlimited")
    assert statuses(hana, "/repositories", 8) == [200] * 8


def test_where_there_is_no_limit_nothing_is_counted(visitor: Client, migrated: str) -> None:
    assert statuses(visitor.sign_in(), "/repositories", 3) == [200] * 3
    assert sql(migrated, "SELECT count(*) FROM rate_limits") == [(0,)]


def test_a_database_that_is_away_refuses_nobody_here(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(make_backend(rate_limit=1, login_rate_limit=1))
    started = time.monotonic()
    answers: list[httpx.Response] = [client.post("/auth/refresh", json={"refresh_token": "x"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert client.get("/health").json()["status"] == "error"
    assert time.monotonic() - started < 5
    assert caplog.text.count("requests are not counted for") == 1


def test_buckets_that_are_empty_are_forgotten_in_time(limited: Client, migrated: str) -> None:
    limited.sign_in().get("/repositories")
    sql(migrated, LATER, 3601)
    with limited.app.state.backend.pool.connection() as connection:
        rate_limits.tidy(connection)
    assert sql(migrated, "SELECT count(*) FROM rate_limits") == [(0,)]
