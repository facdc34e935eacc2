"""The backend as Lambda starts it, and as uvicorn does: a process of its own, with a full event of API Gateway."""

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.tokens import issue
from database import executions, repositories, users
from database.agents import AGENTS
from database.execution_rows import Request
from tests.backend import JWT_SECRET, NOWHERE

ROOT = Path(__file__).parents[2]
EVENT = json.loads((ROOT / "tests" / "fixtures" / "apigw_v2_event.json").read_text())
PROGRAM = """
import json, sys
from types import SimpleNamespace
from api.handler import handler

loaded = sorted({n if n.startswith("database.") else n.partition(".")[0] for n in sys.modules})
context = SimpleNamespace(
    aws_request_id="c0ffee00-aaaa-bbbb-cccc-123456789abc", get_remaining_time_in_millis=lambda: 3200
)
answers = [handler(event, context) for event in json.load(sys.stdin)]
print(json.dumps({"loaded": loaded, "answers": answers}))
"""
Answer = dict[str, Any]


def event(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    """The recorded event with another request in it."""
    http = EVENT["requestContext"]["http"] | {"method": method, "path": path}
    changed = EVENT | {"rawPath": path, "requestContext": EVENT["requestContext"] | {"http": http}}
    changed["headers"] = EVENT["headers"] | headers
    if body is not None:
        changed["headers"] |= {"content-type": "application/json"}
        changed["body"] = json.dumps(body)
    return changed


def invoke(*events: dict[str, Any], **variables: str) -> tuple[list[Answer], list[dict[str, Any]], list[str]]:
    """The answers of one process, its log lines, and the modules that its start has loaded."""
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = base | {"AWS_LAMBDA_FUNCTION_NAME": "miyabi-api", "JWT_SECRET": JWT_SECRET, **variables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(events), capture_output=True, text=True, env=given, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    return last["answers"], lines, last["loaded"]


def test_one_process_answers_many_events(migrated: str) -> None:
    login = event("POST", "/api/v1/auth/mock", {"github_id": 42, "email": "hana@example.com"})
    health = event("GET", "/api/v1/health")
    head = event("HEAD", "/api/v1/health")
    answers, lines, _ = invoke(EVENT, login, health, health, head, DATABASE_URL=migrated, ENVIRONMENT="local")
    assert [answer["statusCode"] for answer in answers] == [200, 200, 200, 200, 200]
    assert (answers[0]["isBase64Encoded"], answers[0]["headers"]["content-encoding"]) == (True, "gzip")
    agents = json.loads(gzip.decompress(base64.b64decode(answers[0]["body"])))
    assert [agent["id"] for agent in agents] == list(AGENTS)
    assert answers[0]["headers"]["access-control-allow-origin"] == "*"
    assert not answers[1]["isBase64Encoded"]
    usage = json.loads(answers[3]["body"])["database"]
    assert (usage["status"], usage["idle_connections"]) == ("connected", 1), "a connection for each request?"
    assert (answers[4]["body"], answers[4]["headers"]["etag"]) == ("", answers[3]["headers"]["etag"])
    assert [line["route"] for line in lines] == [
        "/api/v1/agents", "/api/v1/auth/mock", "/api/v1/health", "/api/v1/health", "/api/v1/health",
    ]  # fmt: skip
    assert {line["request_id"] for line in lines} == {"c0ffee00-aaaa-bbbb-cccc-123456789abc"}
    assert lines[0].keys() >= {"level", "message", "request_id", "route", "status", "duration_ms"}


def test_a_body_in_base64_is_read(migrated: str) -> None:
    login = event("POST", "/api/v1/auth/mock", {"github_id": 42})
    login |= {"body": "eyJnaXRodWJfaWQiOiA0Mn0=", "isBase64Encoded": True}
    answers, _, _ = invoke(login, DATABASE_URL=migrated, ENVIRONMENT="local")
    assert answers[0]["statusCode"] == 422
    assert [problem["field"] for problem in json.loads(answers[0]["body"])["details"]] == ["body.email"]


def test_a_stream_is_a_page_that_may_wait(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        user = users.sign_in_mock(connection, 42, "hana@example.com", name=None, avatar_url="")
        assert user
        repository, _ = repositories.register(connection, user.id, "hana/garden")
        made = executions.create(connection, user.id, Request(repository.id, "review"))
        assert made
    token = issue(JWT_SECRET, user, lifetime_s=60)
    path = f"/api/v1/agents/executions/{made.id}/logs"
    wanted = event("GET", path, accept="text/event-stream", authorization=f"Bearer {token}")
    answers, _, _ = invoke(wanted, DATABASE_URL=migrated)
    assert (answers[0]["statusCode"], answers[0]["body"]) == (200, "[]")
    assert answers[0]["headers"]["x-execution-status"] == "pending"
    answers, lines, _ = invoke(wanted | {"rawQueryString": "wait=25"}, DATABASE_URL=migrated)
    assert (answers[0]["body"], lines[-1]["duration_ms"] > 150) == ("[]", True), "as long as the function has time"


def test_sign_ins_are_limited_by_the_address_that_api_gateway_saw(migrated: str) -> None:
    def login(address: str, **headers: str) -> dict[str, Any]:
        asked = event("POST", "/api/v1/auth/mock", {"github_id": 42, "email": "hana@example.com"}, **headers)
        asked["requestContext"]["http"] |= {"sourceIp": address}
        return asked

    spoofed = login("203.0.113.7", **{"x-forwarded-for": "198.51.100.1"})
    answers, _, _ = invoke(
        login("203.0.113.7"), spoofed, login("203.0.113.8"), event("GET", "/api/v1/health"),
        DATABASE_URL=migrated, ENVIRONMENT="staging", LOGIN_RATE_LIMIT="1",
    )  # fmt: skip
    assert [answer["statusCode"] for answer in answers] == [200, 429, 200, 200]
    assert json.loads(answers[1]["body"])["error"] == "rate_limited"
    assert answers[1]["headers"]["retry-after"] == "60"


def test_a_function_that_is_told_no_environment_is_production() -> None:
    answers, _, _ = invoke(event("POST", "/api/v1/auth/mock", {"github_id": 1, "email": "a@b.c"}), DATABASE_URL=NOWHERE)
    assert answers[0]["statusCode"] == 403


def test_it_starts_without_a_database_and_without_any_secret() -> None:
    down, lines, _ = invoke(event("GET", "/api/v1/health"), DATABASE_URL=NOWHERE)
    assert (down[0]["statusCode"], json.loads(down[0]["body"])["database"]["status"]) == (503, "error: not reachable")
    assert "never-shown" not in json.dumps(lines)
    bare, _, _ = invoke(event("GET", "/api/v1/health"), JWT_SECRET="")
    assert (bare[0]["statusCode"], json.loads(bare[0]["body"])["database"]["status"]) == (503, "error: not configured")


def test_its_start_loads_what_it_needs_and_no_more() -> None:
    _, _, loaded = invoke(DATABASE_URL=NOWHERE)
    heavy = {"boto3", "botocore", "prefect", "sqlalchemy", "httpx", "blocks", "tasks", "flows", "deployments",
             "localcloud", "email_validator", "nacl", "uvicorn", "jinja2", "requests", "psycopg_pool", "database.queue",
             "database.recorder", "database.execution_log", "database.asking", "database.migrations"}  # fmt: skip
    assert heavy & set(loaded) == set()


def test_it_runs_under_uvicorn(migrated: str) -> None:
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--host", "127.0.0.1", "--port", "0"]
    variables = os.environ | {"DATABASE_URL": migrated, "JWT_SECRET": JWT_SECRET}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=variables) as server:
        assert server.stdout
        assert server.stderr
        found = next(found for line in server.stderr if (found := re.search(r"http://[\d.]+:\d+", line)))
        answer = httpx.get(f"{found[0]}/api/v1/health", headers={"X-Request-Id": "findme"})
        server.terminate()
        out, rest = ([json.loads(line) for line in told.read().splitlines()] for told in (server.stdout, server.stderr))
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert {line["logger"]: line["level"] for line in out if line["request_id"] == "findme"} == {
        "api.requests": "INFO", "uvicorn.access": "INFO",
    }  # fmt: skip
    assert "Application shutdown complete." in [line["message"] for line in rest]
    assert not [line for line in rest if "trace" in line or not line["timestamp"]]
