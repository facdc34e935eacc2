"""Signing in with GitHub, against a GitHub on this machine: the way there and back, and everything that is refused."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.sealing import unseal
from api.tokens import issue_state, verify_state
from tests.backend import JWT_SECRET, Client, make_backend, sql
from tests.postgres.tenants import organization

EMAILS = [
    {"email": "old@example.com", "primary": False, "verified": True},
    {"email": "hana@example.com", "primary": True, "verified": True},
]

PAGES = {
    "frontend_url": "https://site.example", "github_callback_url": "https://api.example/api/v1/auth/github/callback",
}  # fmt: skip


class GitHub(ThreadingHTTPServer):
    """Gives a token for the code `good`, and tells whose it is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Any] = {
            "/login/oauth/access_token": {"access_token": "gho_hush", "scope": "read:user"},
            "/user": {"id": 4242, "login": "hana", "name": None, "avatar_url": "https://avatars.example/u/4242"},
            "/user/emails": EMAILS,
        }
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        self.answer("")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["content-length"])).decode())

    def answer(self, body: str) -> None:
        self.server.asked.append((self.path, body, self.headers.get("authorization", "")))
        answer = self.server.answers[self.path]
        status, content = (answer, b"no") if isinstance(answer, int) else (200, json.dumps(answer).encode())
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Browser(Client):
    """Keeps the cookie of the sign-in."""

    def begin(self, redirect: str = "/executions") -> str:
        """To GitHub; the state that goes there."""
        answer = self.get(f"/auth/github?redirect={redirect}")
        assert answer.status_code == 302
        self.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]

    def come_back(self, state: str, code: str = "good", more: str = "") -> httpx.Response:
        return self.get(f"/auth/github/callback?code={code}&state={state}{more}")


@pytest.fixture
def browser(migrated: str, github: GitHub) -> Iterator[Browser]:
    backend = make_backend(
        migrated, github_client_id="our-app", github_secret="hush-hush", github_url=github.url,
        github_api_url=github.url, **PAGES,
    )  # fmt: skip
    yield Browser(backend)
    backend.pool.close()


def refusal(answer: httpx.Response) -> str:
    """The error that the browser brings to the site."""
    where = urlsplit(answer.headers["location"])
    assert (answer.status_code, f"{where.scheme}://{where.netloc}") == (302, "https://site.example")
    told = fragment(answer)
    assert told.keys() == {"error", "error_description"}
    return told["error"]


def fragment(answer: httpx.Response) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).fragment).items()}


def test_there_and_back(browser: Browser, github: GitHub, migrated: str) -> None:
    answer = browser.come_back(browser.begin())
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://site.example/executions#access_token=")
    assert answer.headers["cache-control"] == "no-store"
    token = fragment(answer)["access_token"]
    assert browser.get("/repositories", headers={"Authorization": f"Bearer {token}"}).json() == []
    new = browser.post("/auth/refresh", json={"refresh_token": fragment(answer)["refresh_token"]}).json()
    assert new["user"]["name"] == "hana"
    form = parse_qs(github.asked[0][1])
    assert form == {"client_id": ["our-app"], "client_secret": ["hush-hush"], "code": ["good"]}
    assert [authorization for _, _, authorization in github.asked] == ["", "Bearer gho_hush", "Bearer gho_hush"]
    ((*row, kept),) = sql(migrated, "SELECT github_id, email, name, access_token FROM users")
    assert row == [4242, "hana@example.com", "hana"]
    assert "hush" not in kept
    assert unseal(JWT_SECRET, kept, 4242) == "gho_hush"


def test_the_way_there(browser: Browser, github: GitHub) -> None:
    answer = browser.get("/auth/github", headers={"X-Forwarded-Proto": "https"})
    where = urlsplit(answer.headers["location"])
    query = parse_qs(where.query)
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{github.url}/login/oauth/authorize"
    assert (query["client_id"], query["scope"]) == (["our-app"], ["read:user user:email"])
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Secure", "Max-Age=600"))
    assert "Path" not in cookie
    assert verify_state(JWT_SECRET, query["state"][0], cookie.partition("=")[2].partition(";")[0]) == "/"


def test_a_second_sign_in_brings_the_account_up_to_date(browser: Browser, github: GitHub, migrated: str) -> None:
    browser.come_back(browser.begin())
    github.answers["/user"]["name"] = "Hana Sato"
    browser.come_back(browser.begin())
    assert sql(migrated, "SELECT github_id, name FROM users") == [(4242, "Hana Sato")]


@pytest.mark.parametrize(
    "redirect", ["//evil.example", "/%5Cevil.example", "https://evil.example", ".evil.example", "@evil"]
)
def test_nobody_is_sent_to_another_site(browser: Browser, redirect: str) -> None:
    answer = browser.get(f"/auth/github?redirect={redirect}")
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


def test_a_sign_in_counts_only_in_its_browser_signed_by_us_and_for_ten_minutes(browser: Browser) -> None:
    """An attacker's own state and code, opened in a victim's browser, would sign the victim in as the attacker."""
    state = browser.begin()
    cookie = browser.headers.pop("Cookie")
    late = issue_state(JWT_SECRET, cookie.partition("=")[2], "/", lifetime_s=600, now=time.time() - 601)
    forged = issue_state("another key, of someone who may not sign", cookie.partition("=")[2], "/", lifetime_s=600)
    assert refusal(browser.come_back(state)) == "authentication_error"
    browser.headers["Cookie"] = "miyabi_oauth=something-else"
    assert refusal(browser.come_back(state)) == "authentication_error"
    browser.headers["Cookie"] = cookie
    for bad in (late, forged, "nonsense", ""):
        assert refusal(browser.come_back(bad)) == "authentication_error"
    denied = browser.come_back(state, code="", more="&error=access_denied")
    assert denied.headers["location"].startswith("https://site.example/executions#error=authentication_error&")
    assert "access_token" in fragment(browser.come_back(state))


def test_a_sign_in_that_has_come_back_does_not_come_back_again(browser: Browser, github: GitHub) -> None:
    state = browser.begin()
    assert browser.come_back(state).status_code == 302
    asked = len(github.asked)
    replayed = browser.come_back(state)
    assert refusal(replayed) == "authentication_error"
    assert len(github.asked) == asked


@pytest.mark.parametrize(
    ("path", "answer", "kind"),
    [
        ("/login/oauth/access_token", {"error": "bad_verification_code"}, "authentication_error"),
        ("/login/oauth/access_token", ["what"], "authentication_error"),
        ("/login/oauth/access_token", 500, "external_api_error"),
        ("/login/oauth/access_token", {"access_token": "hush\r\nx"}, "external_api_error"),
        ("/user", 403, "external_api_error"),
        ("/user", {"message": "?"}, "external_api_error"),
        ("/user/emails", [{"email": "x@example.com", "primary": True, "verified": False}], "authentication_error"),
    ],
)
def test_what_github_refuses(
    browser: Browser,
    github: GitHub,
    migrated: str,
    caplog: pytest.LogCaptureFixture,
    path: str,
    answer: Any,
    kind: str,
) -> None:
    github.answers[path] = answer
    refused = browser.come_back(browser.begin())
    assert refusal(refused) == kind
    assert sql(migrated, "SELECT count(*) FROM users") == [(0,)]
    assert "hush" not in caplog.text + refused.text


def test_a_mock_account_is_not_taken_over(browser: Browser, migrated: str) -> None:
    browser.sign_in(4242, "mock@example.com")
    assert refusal(browser.come_back(browser.begin())) == "authorization_error"
    assert sql(migrated, "SELECT email FROM users") == [("mock@example.com",)]


def test_an_address_is_that_of_who_proved_it_last(browser: Browser, github: GitHub, migrated: str) -> None:
    """Or who gave it up could accept what is offered to who has it now."""
    mock = browser.sign_in(1, "HANA@example.com")
    people = [mock]
    for number in (2001, 2002):
        github.answers["/user"]["id"] = number
        token = fragment(browser.come_back(browser.begin()))["access_token"]
        people.append(Client(browser.app))
        people[-1].headers["Authorization"] = f"Bearer {token}"
    assert [one.get("/auth/me").json()["email"] for one in people] == ["", "", "hana@example.com"]
    garden = organization(browser.sign_in(7, "owner@example.com"))
    sql(
        migrated,
        "INSERT INTO organization_invitations (organization_id, email) VALUES (%s, 'hana@example.com')",
        garden,
    )
    accept = f"/organizations/{garden}/accept"
    assert [one.post(accept).status_code for one in people] == [404, 404, 200]


def test_without_a_client_id_there_is_no_such_thing(visitor: Client) -> None:
    for path in ("/auth/github", "/auth/github/callback?code=x&state=y"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
        assert "not set up" in answer.json()["message"]


@pytest.mark.parametrize("lacking", ["github_client_id", "github_secret", *PAGES])
def test_three_of_its_four_settings_are_not_enough(lacking: str) -> None:
    backend = make_backend(**{"github_client_id": "our-app", "github_secret": "x"} | PAGES | {lacking: ""})
    client = Client(backend)
    assert client.get("/auth").json()["github"] is False
    for path in ("/auth/github", "/auth/github/callback?code=x&state=y"):
        assert (client.get(path).status_code, client.get(path).json()["error"]) == (503, "configuration_error")
