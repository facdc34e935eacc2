"""The app without a database: the form of every error, health when the database is down, agents, limits, logs."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from uuid import UUID

import pytest

from api.app import create_app
from api.cursors import read_position, write_position
from api.logs import JsonLines
from api.tokens import issue
from database.agents import AGENTS, OURS
from database.users import User
from tests.backend import JWT_SECRET, Client, make_backend, problem


@pytest.fixture
def client() -> Client:
    return Client(make_backend())


@pytest.fixture
def signed_in(client: Client) -> Client:
    user = User(UUID(int=7), 42, "hana@example.com", None, None)
    client.headers["Authorization"] = f"Bearer {issue(JWT_SECRET, user, lifetime_s=60)}"
    return client


def test_health_of_a_database_that_is_down(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "error",
        "version": "0.1.0",
        "database": {
            "active_connections": 0,
            "idle_connections": 0,
            "max_connections": 5,
            "status": "error: not reachable",
        },
        "schema_version": None,
        "live": ["websocket", "events", "polling"],
        "lacking": [],
    }


def test_health_of_a_backend_that_knows_no_database() -> None:
    answer = Client(make_backend("")).get("/health")
    assert (answer.status_code, answer.json()["database"]["status"]) == (503, "error: not configured")


def test_agents(client: Client) -> None:
    agents = client.get("/agents").json()
    assert [agent["id"] for agent in agents] == list(AGENTS)
    assert set(agents[0]) == {
        "id", "name", "names", "character", "category", "colour", "rule", "kind", "description", "capabilities",
        "triggers", "timeout_s", "max_attempts", "retries", "needs", "href",
    }  # fmt: skip


def test_the_agents_are_the_mission_s_twenty_four_and_ours() -> None:
    categories = [agent.category for agent in AGENTS.values()]
    assert [categories.count(name) for name in ("coding", "business", "community")] == [9 + len(OURS), 14, 1]
    assert [agent.id for agent in AGENTS.values() if agent.colour == "red"] == ["coordinator", "ai-entrepreneur"]
    assert all(len(agent.capabilities) == 3 for agent in AGENTS.values())


@pytest.mark.parametrize(("method", "path", "status", "kind"), [
    ("GET", "/nothing-here", 404, "not_found"),
    ("GET", "/agents/", 404, "not_found"),
    ("DELETE", "/health", 405, "method_not_allowed"),
    ("GET", "/repositories", 401, "authentication_error"),
    ("GET", "/agents/executions", 401, "authentication_error"),
    ("POST", "/agents/execute", 401, "authentication_error"),
    ("GET", "/dashboard/summary", 401, "authentication_error"),
    ("GET", "/dashboard/recent", 401, "authentication_error"),
    ("GET", "/dashboard/live", 401, "authentication_error"),
    ("GET", "/releases", 401, "authentication_error"),
])  # fmt: skip
def test_an_error_has_a_kind_and_a_message(client: Client, method: str, path: str, status: int, kind: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]) == (status, kind)
    assert answer.json()["message"]


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/tasks", "GET, POST, HEAD"),
    ("OPTIONS", "/tasks/7", "GET, PATCH, DELETE, HEAD"),
    ("PUT", "/organizations/7/members/7", "GET, PATCH, DELETE, HEAD"),
    ("GET", "/tasks/7/start", "POST"),
    ("HEAD", "/tasks/7/start", "POST"),
    ("POST", "/openapi.json", "GET, HEAD"),
])  # fmt: skip
def test_allow_names_the_methods_of_all_routes_of_the_path(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic aGFuYTp4", "Bearer a b", "token"])
def test_a_header_that_is_not_a_bearer_token(client: Client, header: str) -> None:
    answer = client.get("/repositories", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"] in {"authentication_error", "jwt_error"}


def test_every_problem_of_a_body_is_told_and_no_value_is_repeated(signed_in: Client) -> None:
    body = {"repository_id": "hush", "agent_type": "hush", "issue_number": 0, "options": {"auto_pr": "hush"}, "x": 1}
    answer = signed_in.post("/agents/execute", json=body)
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    problems = {problem["field"]: problem["problem"] for problem in answer.json()["details"]}
    assert set(problems) == {
        "body.repository_id", "body.agent_type", "body.issue_number", "body.options.auto_pr", "body.x",
    }  # fmt: skip
    assert all(agent_id in problems["body.agent_type"] for agent_id in AGENTS)
    assert "hush" not in answer.text


@pytest.mark.parametrize("query", [
    "limit=0", "limit=101", "limit=x", "status=bogus", "repository_id=7", "before=nonsense", "before=4pyT",
])  # fmt: skip
def test_a_list_refuses_a_bad_query(signed_in: Client, query: str) -> None:
    answer = signed_in.get(f"/agents/executions?{query}")
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[" * 500_000])
def test_a_body_that_is_not_json(client: Client, body: bytes) -> None:
    answer = client.post("/auth/mock", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["error"] == "validation_error"


def test_a_problem_is_told_once_however_many_ask_for_the_value(signed_in: Client) -> None:
    answer = signed_in.get(f"/organizations/{UUID(int=1)}%00")
    assert (answer.status_code, [one["field"] for one in answer.json()["details"]]) == (422, ["path.organization_id"])


def test_a_body_that_is_too_large(client: Client) -> None:
    answer = client.post("/auth/mock", content=b" " * 1_100_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")


def test_a_database_that_is_down_is_503_and_not_explained(signed_in: Client) -> None:
    answer = signed_in.get("/repositories")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    text, request_id = "The database does not answer; try again in a moment", answer.headers["x-request-id"]
    assert answer.json() == problem(503, "database_error", text, request_id)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("settings", "lacking"), [
    ({"database_url": ""}, ["neither DATABASE_SECRET_ARN nor DATABASE_URL is set"]),
    ({"database_url": "", "jwt_secret": ""}, [
        "neither DATABASE_SECRET_ARN nor DATABASE_URL is set", "neither JWT_SECRET_ARN nor JWT_SECRET is set",
    ]),
    ({"jwt_secret": "x" * 31}, ["JWT_SECRET is shorter than 32 bytes"]),
    ({"database_url": "", "database_secret_arn": "a", "jwt_secret": "", "jwt_secret_arn": "b"}, []),
])  # fmt: skip
def test_all_that_is_missing_is_told_at_once(
    settings: dict[str, str], lacking: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """By /health, and in the log when a server starts."""
    backend = make_backend(**settings)
    assert backend.settings.lacking() == lacking
    app = create_app(backend)

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(start())
    assert [record.args for record in caplog.records] == [(one,) for one in lacking]
    if lacking:
        answer = Client(app).get("/health")
        told = answer.json()
        assert (answer.status_code, told["status"], told["lacking"]) == (503, "error", lacking)


def test_a_backend_without_a_key_says_that_it_is_misconfigured() -> None:
    answer = Client(make_backend(jwt_secret="")).get("/repositories", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["error"]) == (503, "configuration_error")
    assert answer.json()["details"] == {"request_id": answer.headers["x-request-id"]}


def test_something_unforeseen_is_500_and_not_explained(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(make_backend())

    @app.get("/api/v1/broken")
    def broken() -> None:
        raise RuntimeError("hush")

    answer = Client(app).get("/broken", headers={"Origin": "https://console.example"})
    assert answer.status_code == 500
    text, request_id = "Something went wrong inside the backend", answer.headers["x-request-id"]
    assert answer.json() == problem(500, "internal_error", text, request_id, details={"request_id": request_id})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "unforeseen RuntimeError: hush" in caplog.text


@pytest.mark.parametrize("environment", ["production", "prod-eu"])
def test_mock_login_is_off_in_production(environment: str) -> None:
    body = {"github_id": 42, "email": "hana@example.com"}
    answer = Client(make_backend(environment=environment)).post("/auth/mock", json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "authorization_error")


def test_any_origin_may_call_without_credentials(client: Client) -> None:
    asked = {"Origin": "https://console.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type,idempotency-key"}  # fmt: skip
    answer = client.request("OPTIONS", "/agents/execute", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_a_caller_s_request_id_is_kept_unless_it_could_do_harm(client: Client) -> None:
    assert client.get("/agents", headers={"X-Request-Id": "trace-1.2"}).headers["x-request-id"] == "trace-1.2"
    assert client.get("/agents", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"


def test_a_request_is_one_line_with_its_route(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api")
    caplog.handler.setFormatter(JsonLines())
    client.get(f"/repositories/{UUID(int=9)}", headers={"Authorization": "Bearer hush"})
    line = json.loads(caplog.text.splitlines()[-1])
    assert line["message"] == "GET /api/v1/repositories/{repository_id} 401"
    assert (line["level"], line["status"], line["method"]) == ("INFO", 401, "GET")
    assert line["duration_ms"] >= 0
    assert len(line["request_id"]) == 32
    assert "hush" not in caplog.text


def test_the_description_knows_our_errors(client: Client) -> None:
    description = client.get("/openapi.json").json()
    assert "Problem" in description["components"]["schemas"]
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_a_cursor_is_read_back() -> None:
    when = datetime(2025, 11, 26, 14, 40, 0, 123456, tzinfo=UTC)
    assert read_position("all", write_position("all", when, UUID(int=3), "P0", 7), datetime, UUID, str, int) == (
        when, UUID(int=3), "P0", 7,
    )  # fmt: skip


@pytest.mark.parametrize(("environment", "mock"), [("local", True), ("production", False)])
def test_a_page_can_ask_how_to_sign_in(environment: str, mock: bool) -> None:
    assert Client(make_backend(environment=environment)).get("/auth").json()["mock"] is mock


def test_what_the_caller_has_is_not_sent_again(client: Client) -> None:
    first = client.get("/agents")
    again = client.get("/agents", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "x-request-id" in again.headers
    assert client.get("/agents", headers={"If-None-Match": '"other"'}).json() == first.json()
    assert "etag" not in client.get("/nothing-here").headers
