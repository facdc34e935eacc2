"""The API's description is whole, its examples are what the API takes, and a page shows it."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api.app import EXPOSED, PARTS, create_app
from api.description import EXAMPLES, HEADERS, PROBLEMS, RATES, TAGS
from api.errors import STATUS
from tests.backend import Client, make_backend

DESCRIPTION = create_app(make_backend()).openapi()
OPERATIONS = {one["operationId"]: one for item in DESCRIPTION["paths"].values() for one in item.values()}
BODIES = {
    route.name: route.body_field.field_info.annotation
    for part in PARTS for route in part.router.routes
    if isinstance(route, APIRoute) and route.body_field
}  # fmt: skip


def test_every_tag_is_explained_and_every_operation_has_one() -> None:
    assert DESCRIPTION["openapi"] == "3.1.0"
    assert {tag["name"] for tag in DESCRIPTION["tags"]} == set(TAGS)
    assert {tag for one in OPERATIONS.values() for tag in one["tags"]} == set(TAGS)
    assert all(one["summary"] for one in OPERATIONS.values())


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_an_example_that_is_taken(name: str) -> None:
    schema = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]
    (model,) = re.findall(r"schemas/(\w+)", str(schema))
    assert DESCRIPTION["components"]["schemas"][model]["examples"] == [EXAMPLES[model]]
    TypeAdapter[Any](BODIES[name]).validate_python(EXAMPLES[model])


def test_no_example_is_left_over() -> None:
    assert set(EXAMPLES) <= set(DESCRIPTION["components"]["schemas"])


@pytest.mark.parametrize(("name", "status", "wanted"), [
    ("list_agents", "200", {"X-Request-Id", "ETag"}),
    ("create_task", "201", {"X-Request-Id", "ETag", "Location", "Idempotency-Replayed", *RATES}),
    ("execute", "202", {"X-Request-Id", "ETag", "Location", "Idempotency-Replayed", *RATES}),
    ("start_task", "200", {"X-Request-Id", "ETag", *RATES}),
    ("delete_task", "200", {"X-Request-Id", *RATES}),
    ("list_teams", "200", {"X-Request-Id", "ETag", "X-Next-Cursor", *RATES}),
    ("get_logs", "200", {"X-Request-Id", "ETag", "X-Execution-Status", *RATES}),
])  # fmt: skip
def test_an_operation_says_which_headers_it_answers(name: str, status: str, wanted: set[str]) -> None:
    assert set(OPERATIONS[name]["responses"][status]["headers"]) == wanted


def test_every_header_that_a_page_may_read_is_described() -> None:
    assert set(EXPOSED) == set(DESCRIPTION["components"]["headers"]) == set(HEADERS)


def test_every_code_of_an_error_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text().partition("## Codes of errors")[2]
    rows = [line.partition("|")[2].partition("|")[0] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted([*STATUS, "error"]), "docs/api.md"
    assert DESCRIPTION["components"]["schemas"]["Problem"]["properties"]["error"]["enum"] == [*STATUS]


def test_an_operation_says_how_it_refuses() -> None:
    def statuses(name: str) -> set[int]:
        return {int(status) for status in OPERATIONS[name]["responses"] if status != "default"}

    assert statuses("update_task") == {200, 400, 401, 403, 404, 412, 413, 415, 422, 429, 503}
    assert statuses("mock_login") == {200, 400, 413, 415, 422, 429, 503}
    assert statuses("list_agents") == {200, 422}
    for status, (kind, name, _text) in PROBLEMS.items():
        shown = DESCRIPTION["components"]["responses"][name]["content"]["application/problem+json"]
        assert (shown["example"]["status"], shown["example"]["error"]) == (status, kind)
        assert kind in STATUS


def test_a_page_shows_it_and_runs_nothing_else() -> None:
    answer = Client(make_backend()).get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    for element in ("style", "script"):
        (text,) = re.findall(f"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        assert b64encode(sha256(text.encode()).digest()).decode() in policy
    assert re.findall(r'(?:src|href)="(?!openapi\.json)', answer.text) == []
    assert "http" not in answer.text.replace("http-equiv", "")
