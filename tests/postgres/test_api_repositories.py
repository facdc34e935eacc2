"""Repositories of a user and of organizations: who sees which, the plan's limit, and what a deactivated one is."""

from uuid import uuid4

import pytest

from tests.backend import Client, sql
from tests.postgres.tenants import join, organization, told


@pytest.fixture
def garden(hana: Client) -> str:
    return organization(hana)


def register(client: Client, name: str, organization_id: str | None = None) -> str:
    answer = client.post("/repositories", json={"full_name": name, "organization_id": organization_id})
    return str(answer.json()["id"])


def test_an_organization_s_repository_is_its_members(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    shared, own = register(hana, "hana/garden", garden), register(hana, "hana/garden")
    assert shared != own
    assert told(kenji.get(f"/repositories/{shared}")) == (404, "not_found")
    join(migrated, garden, "kenji", "viewer")
    assert kenji.get(f"/repositories/{shared}").json()["organization_id"] == garden
    assert [row["id"] for row in kenji.get(f"/repositories?organization_id={garden}").json()] == [shared]
    assert kenji.get("/repositories").json() == []
    assert {row["id"] for row in hana.get("/repositories").json()} == {shared, own}
    assert [row["id"] for row in hana.get(f"/repositories?organization_id={garden}").json()] == [shared]
    viewer = kenji.post("/repositories", json={"full_name": "k/x", "organization_id": garden})
    assert told(viewer) == (403, "authorization_error")
    nowhere = kenji.post("/repositories", json={"full_name": "k/x", "organization_id": str(uuid4())})
    assert told(nowhere) == (404, "not_found")


def test_the_plan_limits_the_repositories(hana: Client, garden: str, migrated: str) -> None:
    sql(migrated, "UPDATE organizations SET max_repositories = 2")
    first, _second = register(hana, "h/a", garden), register(hana, "h/b", garden)
    third = {"full_name": "h/c", "organization_id": garden}
    refused = hana.post("/repositories", json=third)
    assert (told(refused), refused.json()["details"]) == ((409, "conflict"), {"max_repositories": 2})
    assert hana.request("DELETE", f"/repositories/{first}").json() == {"message": "Repository deactivated"}
    assert hana.post("/repositories", json=third).status_code == 201
    again = hana.post("/repositories", json={"full_name": "h/a", "organization_id": garden})
    assert told(again) == (409, "conflict")


def test_no_agent_begins_where_it_was_deactivated(hana: Client) -> None:
    repository = register(hana, "h/a")
    ask = {"repository_id": repository, "agent_type": "review"}
    hana.request("DELETE", f"/repositories/{repository}")
    assert told(hana.post("/agents/execute", json=ask)) == (409, "conflict")
    assert (register(hana, "H/A"), hana.get(f"/repositories/{repository}").json()["is_active"]) == (repository, True)
    assert hana.post("/agents/execute", json=ask).status_code == 202


def asked(client: Client, repository: str, count: int) -> list[str]:
    ask = {"repository_id": repository, "agent_type": "review"}
    return [client.post("/agents/execute", json=ask).json()["id"] for _ in range(count)]


@pytest.mark.parametrize("what", ["repository", "organization"])
def test_what_is_under_way_ends_with_its_place(hana: Client, garden: str, migrated: str, what: str) -> None:
    here, elsewhere = register(hana, "h/a", garden), register(hana, "h/b")
    waiting, running, failed, done = asked(hana, here, 4)
    other = asked(hana, elsewhere, 1)[0]
    sql(migrated, "UPDATE agent_executions SET status = 'running' WHERE id = ANY (%s::uuid[])", [running, failed, done])
    for id, status in ((failed, "failed"), (done, "completed")):
        sql(migrated, "UPDATE agent_executions SET status = %s WHERE id = %s", status, id)
    place = f"/repositories/{here}" if what == "repository" else f"/organizations/{garden}"
    assert hana.request("DELETE", place).status_code == 200
    rows = sql(
        migrated, "SELECT id::text, status, cancel_requested_at IS NOT NULL, error_message FROM agent_executions"
    )
    assert {id: row for id, *row in rows} == {
        waiting: ["cancelled", True, "cancelled: its repository was deactivated"], running: ["running", True, None],
        failed: ["failed", False, None], done: ["completed", False, None], other: ["pending", False, None],
    }  # fmt: skip
    again = hana.post(f"/agents/executions/{failed}/retry")
    assert told(again) == ((409, "conflict") if what == "repository" else (404, "not_found"))
    if what == "repository":
        register(hana, "h/a", garden)
        assert hana.post(f"/agents/executions/{failed}/retry").json()["status"] == "pending"


def test_a_team_is_one_of_the_same_organization(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    repository, other = register(hana, "h/a", garden), organization(hana, "Shed")
    own, theirs = (
        hana.post(f"/organizations/{one}/teams", json={"name": "T"}).json()["team"]["id"] for one in (garden, other)
    )
    path = f"/repositories/{repository}"
    assert hana.request("PATCH", path, json={"team_id": own}).json()["team_id"] == own
    assert told(hana.request("PATCH", path, json={"team_id": theirs})) == (400, "validation_error")
    join(migrated, garden, "kenji", "member")
    assert kenji.request("PATCH", path, json={"default_branch": "develop"}).json()["default_branch"] == "develop"
    assert told(kenji.request("PATCH", path, json={"team_id": None})) == (403, "authorization_error")


def test_a_long_list_comes_in_pages(hana: Client) -> None:
    for name in ("h/b", "h/A", "h/c"):
        register(hana, name)
    first = hana.get("/repositories?limit=2")
    rest = hana.get(f"/repositories?limit=2&cursor={first.headers['x-next-cursor']}")
    assert [row["full_name"] for row in first.json() + rest.json()] == ["h/A", "h/b", "h/c"]
    assert "x-next-cursor" not in rest.headers
