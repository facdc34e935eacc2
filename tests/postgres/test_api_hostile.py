"""What hostile callers try is refused, on every route, and leaves nothing behind.

Sign-ins are in test_api_github.py, refresh tokens in test_api_sessions.py, rates in test_api_limits.py, headers and
nested bodies in tests/unit/test_api_surroundings.py.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from fastapi.routing import APIRoute

from api.app import PARTS, create_app
from api.description import EXAMPLES
from api.permissions import declarations
from tests.backend import JWT_SECRET, Client, make_backend, sql

NOBODY = str(UUID(int=9))
INJECTIONS = ["'; DROP TABLE users; --", '"; SELECT pg_sleep(5); --', "\\'; --", "%00", "${jndi:ldap://x}", "{{7*7}}"]
OPERATIONS = [
    (method, path, operation)
    for path, item in create_app(make_backend()).openapi()["paths"].items()
    for method, operation in item.items()
]  # fmt: skip
SIGNED = [
    (min(route.methods), route.path)
    for resource in PARTS for route in resource.router.routes
    if isinstance(route, APIRoute) and declarations(route) != ["public"]
]  # fmt: skip
LEADS_AWAY = "/auth/github"


def filled(path: str, value: str = NOBODY) -> str:
    """The path below the prefix, with this in every place."""
    parts = path.removeprefix("/api/v1").split("/")
    return "/".join(value if part.startswith("{") else part for part in parts)


def part(claims: dict[str, Any]) -> str:
    return urlsafe_b64encode(httpx.Response(200, json=claims).content).decode().rstrip("=")


def signed_by(algorithm: str, digest: Any, claims: dict[str, Any]) -> str:
    """Signed with our key, by an algorithm that is not ours."""
    text = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.digest(JWT_SECRET.encode(), text.encode(), digest)
    return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.fixture
def forged(hana: Client) -> dict[str, str]:
    """Tokens that are nobody's."""
    true = hana.headers["Authorization"].removeprefix("Bearer ")
    head, body, signature = true.split(".")
    claims = jwt.decode(true, options={"verify_signature": False})
    now = int(time.time())
    return {
        "another key": jwt.encode(claims, "x" * 40, algorithm="HS256"),
        "no signature": f"{part({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "no signature, in capitals": f"{part({'alg': 'NONE'})}.{body}.{signature}",
        "another algorithm": signed_by("HS512", hashlib.sha512, claims),
        "another user": f"{head}.{part({**claims, 'sub': NOBODY})}.{signature}",
        "expired": jwt.encode({**claims, "exp": now - 61}, JWT_SECRET, algorithm="HS256"),
        "for ever": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, JWT_SECRET, algorithm="HS256"),
        "a sign-in's state": jwt.encode({**claims, "typ": "oauth-state"}, JWT_SECRET, algorithm="HS256"),
        "not yet": jwt.encode({**claims, "nbf": now + 900}, JWT_SECRET, algorithm="HS256"),
        "another head": f"{part({'alg': 'HS256', 'kid': '../../dev/null'})}.{body}.{signature}",
        "cut": true[:-5],
        "twice": f"{true} {true}",
    }  # fmt: skip


def test_a_forged_token_opens_nothing(visitor: Client, forged: dict[str, str]) -> None:
    for name, token in forged.items():
        answer = visitor.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["error"]) == (401, "jwt_error"), name


@pytest.mark.parametrize("token", ["", "Bearer x"])
def test_every_route_that_is_not_public_wants_a_token(visitor: Client, token: str) -> None:
    headers = {"Authorization": token} if token else {}
    assert len(SIGNED) > 60
    for method, path in SIGNED:
        answer = visitor.request(method, filled(path), headers=headers)
        assert answer.status_code == 401, f"{method} {path}: {answer.text}"


@pytest.fixture
def places() -> list[tuple[str, str, Any]]:
    """Requests that carry each injection in every place of every operation: paths, queries, headers and bodies."""
    found: list[tuple[str, str, Any]] = []
    for method, path, operation in OPERATIONS:
        if LEADS_AWAY in path:
            continue
        names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        schema = str(operation.get("requestBody", {}))
        model = next((name for name in EXAMPLES if f"schemas/{name}'" in schema), None)
        for number, injection in enumerate(INJECTIONS):
            query = httpx.QueryParams({name: injection for name in names})
            body = {field: injection for field in EXAMPLES[model]} if model else None
            place = filled(path, "x" if number % 2 else NOBODY)
            found.append((method.upper(), f"{place}?{query}", body))
        if model:
            for field, value in EXAMPLES[model].items():
                if isinstance(value, str):
                    found.append((method.upper(), filled(path), {**EXAMPLES[model], field: INJECTIONS[0]}))
                found.append((method.upper(), filled(path), {**EXAMPLES[model], field: "a\x00b"}))
    return found


def test_sql_and_nul_in_every_place_are_values_and_no_more(
    hana: Client, places: list[tuple[str, str, Any]], migrated: str
) -> None:
    started = time.monotonic()
    for method, path, body in places:
        options: dict[str, Any] = {"json": body} if body else {}
        answer = hana.request(method, path, headers={"Idempotency-Key": INJECTIONS[0]}, **options)
        assert answer.status_code < 500, f"{method} {path} {body}: {answer.text}"
        if body and any("\x00" in str(value) for value in body.values()):
            assert answer.status_code == 422, f"{method} {path} {body}: {answer.status_code}"
    assert len(places) > 400
    assert time.monotonic() - started < len(places) * 0.25, "somebody slept in the database"
    assert sql(migrated, "SELECT count(*) FROM users WHERE github_id = 42") == [(1,)]


@pytest.mark.parametrize("path", ["/agents/%00", "/repositories?cursor=%00", "/tasks?status=%00&agent_type=%00",
                                  "/agents/executions?text=%00", "/releases?environment=%00"])  # fmt: skip
def test_nul_in_an_address_is_not_an_accident(hana: Client, path: str) -> None:
    assert hana.get(path).status_code in (400, 404, 422)


def test_every_body_may_only_be_so_large_and_so_deep(hana: Client) -> None:
    large, deep = b'{"x": "' + b"a" * 1_048_577 + b'"}', b'{"x":' * 101 + b"1" + b"}" * 101
    for method, path, operation in OPERATIONS:
        if "requestBody" in operation:
            for body, status in ((large, 413), (deep, 422)):
                answer = hana.request(
                    method.upper(), filled(path), content=body, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code == status, f"{method} {path}: {answer.text}"


def test_no_answer_repeats_what_could_be_a_header_or_a_script(hana: Client) -> None:
    evil = "<script>alert(1)</script>\r\nSet-Cookie: x=1"
    answers = [
        hana.get("/agents/" + httpx.QueryParams({"x": evil})["x"].replace("/", "%2F").replace("\r\n", "%0d%0a")),
        hana.post("/repositories", json={"full_name": evil}),
        hana.post("/auth/switch-organization", json={"organization_id": evil}),
    ]
    for answer in answers:
        assert answer.status_code in (400, 404, 422)
        assert "script" not in answer.text
        assert "set-cookie" not in answer.headers
