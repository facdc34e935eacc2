"""Whole suites of an API that is not well: nothing is asked that cannot be well, and nobody waits for each check."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect import Task

from flows.smoke_test import without_visits
from tasks.changes import Rollout
from tasks.smoke_answers import CheckUnsettled, Result, SmokeFailed
from tasks.smoke_asking import PATIENCE_S, PAUSE_S, Patience
from tasks.smoke_suites import Target, smoke_suites
from tasks.suites import Suite
from tests.postgres.suite_support import ALL, NoAws, local

MANY = 40
API = Suite.model_validate({
    "roles": {"user": {"path": "/login"}, "stranger": {"path": "/login?stranger"}},
    "checks": [
        {"path": "/a", "role": "user"}, {"path": "/api/v1/health"}, {"path": "/b", "role": "stranger"},
        *({"path": f"/many/{number}"} for number in range(MANY)),
    ],
})  # fmt: skip
SITE = Suite.model_validate({
    "roles": {"user": {"path": "/login"}},
    "checks": [{"path": "/"}, {"path": "/mine", "role": "user"}],
    "pages": [{"name": "look", "steps": [{"goto": "/"}]}],
})  # fmt: skip


@contextmanager
def serving(status_of: Callable[[str], int]) -> Iterator[tuple[str, Counter[str]]]:
    """An API with these answers; what it was asked, and how often."""
    asked = Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            body = b'{"access_token": "t"}'
            self.send_response(status_of(self.path))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def three_times(ask: Task[..., Result], *given: Any) -> Result:
    """As Prefect does, without its pauses."""
    for _ in range(2):
        try:
            return ask.fn(*given)
        except CheckUnsettled:
            continue
    return ask.fn(*given)


def results(*targets: Target) -> tuple[dict[str, Result], str]:
    """By their labels; and what the failure says."""
    environment = local(ALL)
    rollout = Rollout(environment, NoAws(environment.credentials, account_id=environment.account_id))
    with pytest.raises(SmokeFailed) as caught:
        smoke_suites.fn(rollout, "local", targets, perform=three_times)
    return {result.check: result for result in caught.value.results}, str(caught.value)


def test_of_an_api_that_is_not_healthy_nothing_more_is_asked_and_all_of_it_is_told() -> None:
    with serving(lambda path: 503 if path == "/api/v1/health" else 200) as (url, asked):
        found, said = results(Target("the API", API, url, url), Target("the site", SITE, f"{url}/site", url))
    assert asked == {"/api/v1/health": 3, "/site/": 1}
    assert found["GET /api/v1/health"].failed
    assert found["GET /"].ok
    others = {one.detail for name, one in found.items() if name not in ("GET /api/v1/health", "GET /")}
    assert others == {"GET /api/v1/health failed"}
    told = len(API.checks) + 2 + len(SITE.checks) + 1 + len(SITE.pages)  # of each role, that it was not tried
    assert f"\n  - {told - 2} not asked: GET /api/v1/health failed" in said


def test_what_asks_as_a_role_that_cannot_sign_in_is_told_and_the_rest_is_asked() -> None:
    with serving(lambda path: 401 if path.endswith("stranger") else 200) as (url, asked):
        found, _ = results(Target("the API", API, url, url))
    assert (found["GET /a as user"].ok, found["GET /many/7"].ok, found["GET /b as stranger"].ok) == (True, True, None)
    assert found["GET /b as stranger"].detail == "signing in as stranger failed"
    assert (asked["/login?stranger"], asked["/b"]) == (1, 0)


def test_all_checks_together_are_tried_again_for_a_while_and_not_each_for_itself() -> None:
    with serving(lambda path: 500 if path.startswith("/many/") else 200) as (url, asked):
        found, said = results(Target("the API", API, url, url))
    again = sum(number - 1 for path, number in asked.items() if path.startswith("/many/"))
    assert 1 <= again <= PATIENCE_S / PAUSE_S
    assert f"{MANY} of {len(found)} failed" in said


def test_a_request_that_hangs_uses_up_the_patience() -> None:
    patience = Patience(8.0)
    assert patience.spend(PAUSE_S + 30)
    assert not patience.spend(PAUSE_S)


def test_without_a_browser_the_visits_are_left_out_and_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    suites, missing = without_visits({"api": API, "site": SITE})
    assert (suites["api"], suites["site"].pages, suites["site"].checks) == (API, (), SITE.checks)
    assert "there is no such program" in missing
    assert without_visits({"api": API, "site": API})[1] == ""
