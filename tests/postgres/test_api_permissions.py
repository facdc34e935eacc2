"""Permissions on the really migrated schema: who sees what, who may do what, and that the docs say so."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.app import PARTS, create_app
from api.permissions import Access, Needs, declarations
from database import access
from tests.backend import Client, granted, make_backend, sql

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"(?<=test_api_permissions\.py -->\n).*(?=<!-- end of routes)", re.DOTALL)
NOBODYS = UUID("3b241101-e2bb-4255-8caf-4136c566a962")
NOTHING = {"organization_id": None, "role": None}


def table(migrated: str) -> str:
    with psycopg.connect(migrated) as connection:
        roles = access.roles(connection)
    routes = [route for part in PARTS for route in part.router.routes if isinstance(route, APIRoute)]
    lines = [row(route, roles) for route in sorted(routes, key=lambda route: (route.path, min(route.methods)))]
    return "\n".join(["| Method | Path | Permission | Roles that have it |", "|---|---|---|---|", *lines, ""])


def row(route: APIRoute, roles: dict[str, list[str]]) -> str:
    (declared,) = declarations(route)
    assert declared in roles or declared in {"public", "signed in"}, f"no migration knows {declared!r}"
    held = ", ".join(f"`{role}`" for role in roles.get(declared, [])) or ("none" if declared in roles else "")
    shown = f"`{declared}`" if declared in roles else f"*{declared}*"
    return f"| {min(route.methods)} | `{route.path}` | {shown} | {held} |"


def test_the_docs_have_the_table_of_the_routes(migrated: str) -> None:
    text, wanted = DOCS.read_text(), table(migrated)
    if os.environ.get("WRITE_DOCS"):
        DOCS.write_text(text := BLOCK.sub(lambda _found: wanted, text))
    found = BLOCK.search(text)
    assert found is not None
    assert found.group() == wanted, "docs/api.md is stale: WRITE_DOCS=1 pytest tests/postgres/test_api_permissions.py"


@pytest.fixture
def app(migrated: str) -> Iterator[FastAPI]:
    """The API with routes that only tell what they were given."""
    backend = make_backend(migrated)
    app = create_app(backend)

    @app.get("/api/v1/tell")
    def tell(access: Annotated[Access, Needs("tasks.read")]) -> Access:
        return access

    @app.get("/api/v1/organizations/{organization_id}/tell")
    def tell_of_organization(access: Annotated[Access, Needs("tasks.create")]) -> Access:
        return access

    @app.get("/api/v1/tell/{repository_id}")
    def tell_of_row(access: Annotated[Access, Needs("repositories.write", on="repository")]) -> Access:
        return access

    yield app
    backend.pool.close()


@pytest.fixture
def hana(app: FastAPI) -> Client:
    return Client(app).sign_in(42, "hana@example.com")


@pytest.fixture
def organization(hana: Client, migrated: str) -> UUID:
    """It has a repository, and hana is not a member."""
    made = sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id")[0][0]
    add = """
        INSERT INTO repositories (github_repo_id, owner, name, full_name, organization_id)
        VALUES (7, 'o', 'x', 'o/x', %s)
    """
    sql(migrated, add, made)
    return UUID(str(made))


def join(migrated: str, organization: UUID, role: str, status: str = "active") -> None:
    add = """
        INSERT INTO organization_members (organization_id, user_id, role, status)
        SELECT %s, id, %s::org_member_role, %s FROM users WHERE github_id = 42
    """
    sql(migrated, add, organization, role, status)


def places(migrated: str, organization: UUID) -> list[str]:
    repository = sql(migrated, "SELECT id FROM repositories WHERE organization_id = %s", organization)[0][0]
    return [f"/tell?organization_id={organization}", f"/organizations/{organization}/tell", f"/tell/{repository}"]


def statuses(client: Client, paths: list[str]) -> list[int]:
    return [client.get(path).status_code for path in paths]


def test_without_an_organization_a_request_is_personal(hana: Client) -> None:
    assert hana.get("/tell").json() == NOTHING | {"user_id": hana.get("/tell").json()["user_id"]}


def test_what_is_another_s_does_not_exist(hana: Client, organization: UUID, migrated: str) -> None:
    unknown = [f"/tell?organization_id={uuid4()}", f"/organizations/{uuid4()}/tell", f"/tell/{uuid4()}"]
    for theirs, nobody_s in zip(places(migrated, organization), unknown, strict=True):
        answers = [hana.get(path) for path in (theirs, nobody_s)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json()["message"] == answers[1].json()["message"]


@pytest.mark.parametrize(("role", "expected"), [
    ("owner", [200, 200, 200]), ("admin", [200, 200, 200]), ("member", [200, 200, 200]), ("viewer", [200, 403, 403]),
])  # fmt: skip
def test_a_role_decides(hana: Client, organization: UUID, migrated: str, role: str, expected: list[int]) -> None:
    join(migrated, organization, role)
    assert statuses(hana, places(migrated, organization)) == expected
    told = hana.get(f"/tell?organization_id={organization}").json()
    assert (told["organization_id"], told["role"]) == (str(organization), role)


@pytest.mark.parametrize("status", ["invited", "suspended"])
def test_a_membership_that_is_not_active_shows_the_organization_alone(
    hana: Client, organization: UUID, migrated: str, status: str
) -> None:
    join(migrated, organization, "owner", status)
    assert statuses(hana, places(migrated, organization)) == [403, 403, 404]


def test_a_refusal_names_the_permission(hana: Client, organization: UUID, migrated: str) -> None:
    join(migrated, organization, "viewer")
    answer = hana.get(f"/organizations/{organization}/tell")
    assert (answer.json()["error"], answer.json()["details"]) == ("authorization_error", {"permission": "tasks.create"})


def test_a_grant_to_the_account_counts_where_there_is_no_organization(hana: Client, migrated: str) -> None:
    kenji = Client(hana.app).sign_in(43, "kenji@example.com")
    theirs = kenji.post("/repositories", json={"full_name": "kenji/x"}).json()["id"]
    assert statuses(kenji, [f"/tell/{theirs}"]) == [200]
    assert statuses(hana, [f"/tell/{theirs}"]) == [404]
    granted(migrated, "repositories.write")
    assert statuses(hana, [f"/tell/{theirs}"]) == [200]


@pytest.mark.parametrize("path", ["/tell?organization_id=7", "/organizations/7/tell", "/tell/7"])
def test_an_id_that_is_none(hana: Client, path: str) -> None:
    answer = hana.get(path)
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


@pytest.mark.parametrize("path", ["/tell", f"/organizations/{NOBODYS}/tell", f"/tell/{NOBODYS}"])
def test_who_is_not_signed_in_is_told_so(app: FastAPI, path: str) -> None:
    assert Client(app).get(path).json()["error"] == "authentication_error"
