"""What a route does not know is refused: parameters, fields, types, bodies; and HEAD is answered as GET is."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from api.app import PARTS
from api.bodies import Body
from api.repositories import RepositoryChanges
from api.strictness import is_json
from api.tokens import issue
from database.users import User
from database.workflow_models import Dag
from tests.backend import JWT_SECRET, Client, make_backend

TASK = {"name": "weed"}
ROUTES = [route for part in PARTS for route in part.router.routes if isinstance(route, APIRoute)]


@pytest.fixture(scope="module")
def client() -> Client:
    client = Client(make_backend())
    user = User(UUID(int=7), 42, "hana@example.com", None, None)
    client.headers["Authorization"] = f"Bearer {issue(JWT_SECRET, user, lifetime_s=60)}"
    return client


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def fields(answer: Any) -> list[str]:
    return [problem["field"] for problem in answer.json()["details"]]


def bodies() -> set[type[BaseModel]]:
    models = {route.body_field.field_info.annotation for route in ROUTES if route.body_field}
    return {model for one in models for model in getattr(one, "__args__", [one]) if model is not type(None)}


def test_every_body_is_strict() -> None:
    assert len(bodies()) > 15
    assert all(issubclass(model, Body) and model.model_config["extra"] == "forbid" for model in bodies())
    assert Dag.model_config["strict"]


def test_null_is_described_where_it_is_taken_and_nowhere_else(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    fields = [(model, name) for model in bodies() for name in model.model_fields]
    assert len(fields) > 50
    for model, name in fields:
        shown = schemas[model.__name__]["properties"][name]
        kinds = [shown, *shown.get("anyOf", [])]
        is_any = not {"type", "$ref", "anyOf", "enum"} & set(shown) or shown.get("$ref", "").endswith("JsonValue")
        assert takes_null(model, name) is (is_any or {"type": "null"} in kinds), f"{model.__name__}.{name}: {shown}"


def takes_null(model: type[BaseModel], name: str) -> bool:
    try:
        model.model_validate({name: None})
    except ValidationError as error:
        return (name,) not in {one["loc"][:1] for one in error.errors()}
    return True


@pytest.mark.parametrize(("name", "is_good"), [
    ("main", True), ("feature/a.b-c_d", True), ("_x/-y", True),
    ("a..b", False), ("a/.b", False), ("a.", False), ("a//b", False), ("-x", False), ("a/", False), ("", False),
])  # fmt: skip
def test_what_is_a_branch(name: str, is_good: bool) -> None:
    try:
        RepositoryChanges.model_validate({"default_branch": name})
    except ValidationError:
        assert not is_good
    else:
        assert is_good


@pytest.mark.parametrize(("path", "names"), [
    ("/agents/executions?statu=failed&limit=5", ["query.statu"]),
    ("/tasks?Status=failed&x=1&x=2", ["query.Status", "query.x"]),
    ("/agents?page=2", ["query.page"]),
    ("/health?verbose", ["query.verbose"]),
    ("/tasks/stats?status=failed", ["query.status"]),
    ("/tasks?page=1&status=failed&page=1", ["query.page"]),
])  # fmt: skip
def test_a_parameter_that_there_is_not_is_named(client: Client, path: str, names: list[str]) -> None:
    answer = client.get(path)
    assert (told(answer), fields(answer)) == ((422, "validation_error"), names)


def test_github_may_say_more_than_we_ask(client: Client) -> None:
    answer = client.get("/auth/github/callback?state=x&code=y&iss=https://github.com&error_uri=z")
    assert answer.status_code == 404, "signing in with GitHub is not set up here"


@pytest.mark.parametrize(("path", "body", "field"), [
    ("/tasks", TASK | {"issue_number": "7"}, "issue_number"),
    ("/tasks", TASK | {"max_retries": True}, "max_retries"),
    ("/tasks", TASK | {"max_retries": 1.5}, "max_retries"),
    ("/tasks", TASK | {"statu": "x"}, "statu"),
    ("/tasks", TASK | {"repository_id": 7}, "repository_id"),
    ("/repositories", {"full_name": "hana/garden", "branch": "x"}, "branch"),
    ("/auth/mock", {"github_id": "42", "email": "a@b.c"}, "github_id"),
    ("/auth/mock", {"github_id": True, "email": "a@b.c"}, "github_id"),
    ("/auth/refresh", {"refresh_token": "x", "token": "x"}, "token"),
    ("/auth/switch-organization", {"organization_id": None, "role": "owner"}, "role"),
    ("/workflows", {"name": "x", "is_public": 1, "dag_definition": {"nodes": [{"id": "a", "agent_type": "issue"}]}},
     "is_public"),
    ("/workflows", {"name": "x", "dag_definition": {"nodes": [{"id": "a", "agent_type": "persona"}],
                                                    "max_parallel": "2"}}, "dag_definition.max_parallel"),
    ("/agents/execute", {"repository_id": str(UUID(int=1)), "agent_type": "issue", "options": {"auto_pr": "yes"},
                         "issue_number": 1}, "options.auto_pr"),
    ("/agents/execute", {"repository_id": str(UUID(int=1)), "agent_type": "coordinator", "issue_number": 1,
                         "input": {"max_parallel": True}}, "input.max_parallel"),
])  # fmt: skip
def test_a_body_has_the_fields_and_types_that_are_described(
    client: Client, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(path, json=body)
    assert (told(answer), fields(answer)) == ((422, "validation_error"), [f"body.{field}"])


def test_what_json_has_no_type_for_is_a_text(client: Client) -> None:
    ask = {"repository_id": str(UUID(int=1)), "agent_type": "crm", "input": {
        "brief": "Who left?", "today": "2026-11-27", "customers": [{"reference": "mio", "since": "2026-01-01"}],
    }}  # fmt: skip
    assert client.post("/agents/execute", json=ask).status_code == 503


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_that_is_not_said_to_be_json(client: Client, kind: str) -> None:
    answer = client.post("/tasks", content=b'{"name": "weed"}', headers={"Content-Type": kind} if kind else {})
    assert told(answer) == (415, "unsupported_media_type")


def test_a_body_of_a_request_that_reads(client: Client) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/agents", json={"category": "coding"})
        assert answer.status_code == 422
    assert client.request("GET", "/agents", json={}).status_code == 200


def test_a_body_where_none_is_taken(client: Client) -> None:
    path = f"/tasks/{UUID(int=1)}/start"
    json = {"Content-Type": "application/json"}
    assert told(client.post(path, content=b'{"force": true}', headers=json)) == (422, "validation_error")
    for nothing in (b"", b" {} ", b"null"):
        assert client.post(path, content=nothing, headers=json).status_code == 503


@pytest.mark.parametrize(("kind", "wanted"), [
    ("application/json", True), ("Application/JSON; charset=utf-8", True), ("application/merge-patch+json", True),
    ("text/json", False), ("json", False),
])  # fmt: skip
def test_what_is_json(kind: str, wanted: bool) -> None:
    assert is_json(kind) is wanted


@pytest.mark.parametrize("path", ["/agents", "/health", "/openapi.json", "/docs", "/nothing-here", "/tasks"])
def test_head_answers_what_get_would_without_the_body(client: Client, path: str) -> None:
    get, head = (client.request(method, path, headers={"Accept-Encoding": "identity"}) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert client.request("DELETE", "/health").headers["allow"] == "GET, HEAD"
    own = {"x-request-id", "vary"} | ({"content-length"} if get.status_code >= 400 else set())  # the id is in a problem
    assert {**head.headers, **dict.fromkeys(own)} == {**get.headers, **dict.fromkeys(own)}
