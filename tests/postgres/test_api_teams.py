"""Teams of an organization: those of one cannot be reached through another, and a lead leads only the own team."""

import pytest

from tests.backend import Client
from tests.postgres.tenants import id_of, join, organization, told

TEAM = {
    "id", "organization_id", "name", "slug", "description", "settings", "is_visible", "created_at", "updated_at",
}  # fmt: skip


@pytest.fixture
def garden(hana: Client) -> str:
    return organization(hana)


def team(client: Client, organization_id: str, name: str = "Backend", **more: object) -> str:
    answer = client.post(f"/organizations/{organization_id}/teams", json={"name": name, **more})
    return str(answer.json()["team"]["id"])


def test_who_makes_a_team_leads_it(hana: Client, garden: str, migrated: str) -> None:
    made = hana.post(f"/organizations/{garden}/teams", json={"name": "Back End", "description": "APIs"})
    assert (made.status_code, set(made.json()["team"])) == (201, TEAM)
    assert (made.json()["team"]["slug"], made.json()["team"]["is_visible"]) == ("back-end", True)
    path = f"/organizations/{garden}/teams/{made.json()['team']['id']}"
    assert hana.get(path).json() == made.json()
    (lead,) = hana.get(f"{path}/members").json()["members"]
    assert (lead["user_id"], lead["role"], lead["email"]) == (id_of(migrated, "hana"), "lead", "hana@example.com")


def test_a_slug_is_one_team_s_in_an_organization(hana: Client, garden: str) -> None:
    team(hana, garden)
    assert told(hana.post(f"/organizations/{garden}/teams", json={"name": "BACKEND"})) == (409, "conflict")
    assert team(hana, organization(hana, "Shed"))


def test_a_team_is_reached_through_its_own_organization_alone(hana: Client, kenji: Client, garden: str) -> None:
    """In the mission's backend an admin of one could change the teams of another."""
    theirs, mine = team(hana, garden), organization(kenji, "Shed")
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("GET", "/members", None),
        ("POST", "/members", {"user_id": "00000000-0000-0000-0000-000000000000"}),
        ("DELETE", "/members/00000000-0000-0000-0000-000000000000", None),
    ):  # fmt: skip
        answer = kenji.request(
            method, f"/organizations/{mine}/teams/{theirs}{path}", **({"json": body} if body else {})
        )
        assert told(answer) == (404, "not_found"), (method, path)
    assert hana.get(f"/organizations/{garden}/teams/{theirs}").json()["team"]["name"] == "Backend"


def test_only_active_members_of_the_organization_are_taken_in(
    hana: Client, kenji: Client, garden: str, migrated: str
) -> None:
    path = f"/organizations/{garden}/teams/{team(hana, garden)}/members"
    user = id_of(migrated, "kenji")
    assert told(hana.post(path, json={"user_id": user})) == (400, "validation_error")
    join(migrated, garden, "kenji", status="suspended")
    assert told(hana.post(path, json={"user_id": user})) == (400, "validation_error")
    join(migrated, garden, "kenji")
    answers = [hana.post(path, json={"user_id": user}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert [hana.request("DELETE", f"{path}/{user}").status_code for _ in range(2)] == [200, 404]


def test_a_lead_changes_the_own_team_and_no_other(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    user = join(migrated, garden, "kenji", "viewer")
    own, other = team(hana, garden), team(hana, garden, "Frontend")
    hana.post(f"/organizations/{garden}/teams/{own}/members", json={"user_id": user, "role": "lead"})
    base = f"/organizations/{garden}/teams"
    assert kenji.request("PATCH", f"{base}/{own}", json={"description": "x"}).status_code == 200
    assert told(kenji.request("PATCH", f"{base}/{other}", json={"description": "x"})) == (403, "authorization_error")
    assert told(kenji.request("DELETE", f"{base}/{own}")) == (403, "authorization_error")


def test_a_hidden_team_is_seen_by_its_members_and_managers(
    hana: Client, kenji: Client, garden: str, migrated: str
) -> None:
    user = join(migrated, garden, "kenji")
    hidden = team(hana, garden, "Secret", is_visible=False)
    base = f"/organizations/{garden}/teams"
    assert kenji.get(base).json()["teams"] == []
    assert told(kenji.get(f"{base}/{hidden}")) == (404, "not_found")
    hana.post(f"{base}/{hidden}/members", json={"user_id": user})
    assert [one["id"] for one in kenji.get(base).json()["teams"]] == [hidden]


def test_a_team_s_change_asks_for_the_version(hana: Client, garden: str) -> None:
    path = f"/organizations/{garden}/teams/{team(hana, garden)}"
    tag = hana.get(path).headers["etag"]
    for wanted in (200, 412):
        answer = hana.request("PATCH", path, json={"settings": {"a": 1}}, headers={"If-Match": tag})
        assert answer.status_code == wanted
    assert hana.request("DELETE", path).json() == {"message": "Team deleted"}
    assert told(hana.get(path)) == (404, "not_found")
