"""Organizations and their members: who may become what, and that there is always an owner."""

import threading
from typing import Any
from uuid import uuid4

import pytest

from tests.backend import Client, sql
from tests.postgres.tenants import id_of, join, organization, person, told

ORGANIZATION = {
    "id", "name", "slug", "description", "avatar_url", "github_org_id", "github_org_login", "settings", "plan",
    "max_members", "max_repositories", "is_active", "owner_id", "created_at", "updated_at", "role",
}  # fmt: skip
MEMBER = {
    "id", "organization_id", "user_id", "role", "status", "invited_by", "accepted_at", "created_at", "updated_at",
}  # fmt: skip

INVITATION = {"id", "organization_id", "email", "github_id", "role", "invited_by", "created_at"}


@pytest.fixture
def garden(hana: Client) -> str:
    return organization(hana)


def invite(client: Client, organization_id: str, identifier: str, role: str = "member") -> Any:
    return client.post(f"/organizations/{organization_id}/members", json={"identifier": identifier, "role": role})


def test_who_makes_an_organization_owns_it(hana: Client, migrated: str) -> None:
    made = hana.post("/organizations", json={"name": "Green  Garden!", "description": "We grow", "settings": {"a": 1}})
    assert made.status_code == 201
    found = made.json()["organization"]
    assert set(found) == ORGANIZATION
    assert (found["slug"], found["role"], found["plan"]) == ("green-garden", "owner", "free")
    assert (found["settings"], found["owner_id"]) == ({"a": 1}, id_of(migrated, "hana"))
    assert hana.get(f"/organizations/{found['id']}").json()["organization"] == found
    (listed,) = hana.get("/organizations").json()["organizations"]
    assert set(listed) == {
        "user_id", "organization_id", "organization_name", "organization_slug", "avatar_url", "role", "status",
        "joined_at",
    }  # fmt: skip
    assert (listed["organization_id"], listed["role"], listed["status"]) == (found["id"], "owner", "active")


SLUGS = [
    ("Green Garden", None, "green-garden"), ("緑の 庭", None, "緑の-庭"), ("x", "a-b-2", "a-b-2"),
    ("  A__b ", None, "a-b"), ("!!!", None, 400), ("x", "Upper", 400), ("x", "a--b", 400), ("x", "-", 400),
    ("", None, 422), ("  ", None, 422), ("x" * 256, None, 422),
]  # fmt: skip


def test_a_slug_is_never_empty(hana: Client) -> None:
    for name, slug, wanted in SLUGS:
        answer = hana.post("/organizations", json={"name": name} | ({"slug": slug} if slug else {}))
        if isinstance(wanted, int):
            assert told(answer) == (wanted, "validation_error"), name
        else:
            assert (answer.status_code, answer.json()["organization"]["slug"]) == (201, wanted)


def test_a_slug_that_is_taken(hana: Client, kenji: Client, garden: str) -> None:
    for client in (hana, kenji):
        assert told(client.post("/organizations", json={"name": "green garden"})) == (409, "conflict")
    assert len(hana.get("/organizations").json()["organizations"]) == 1


def test_an_organization_is_made_once_for_a_key(hana: Client) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first, again = (hana.post("/organizations", json={"name": "Shed"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())


def test_what_is_sent_is_changed_and_no_more(hana: Client, garden: str) -> None:
    path = f"/organizations/{garden}"
    changed = hana.request("PATCH", path, json={"description": "We grow", "settings": {"dark": True}})
    again = hana.request("PATCH", path, json={"description": None, "avatar_url": "https://example.com/a.png"})
    assert (changed.status_code, again.status_code) == (200, 200)
    found = again.json()["organization"]
    assert (found["name"], found["description"], found["settings"]) == ("Green Garden", None, {"dark": True})
    assert told(hana.request("PATCH", path, json={"name": None})) == (422, "validation_error")
    assert told(hana.request("PATCH", path, json={"plan": "enterprise"})) == (422, "validation_error")


def test_nobody_overwrites_what_another_has_changed(hana: Client, garden: str) -> None:
    path = f"/organizations/{garden}"
    seen = hana.get(path).headers["etag"]
    assert hana.request("PATCH", path, json={"description": "a"}, headers={"If-Match": seen}).status_code == 200
    assert hana.request("PATCH", path, json={"description": "b"}, headers={"If-Match": seen}).status_code == 412
    assert hana.get(path).json()["organization"]["description"] == "a"


def test_a_deleted_organization_is_gone_with_all_that_is_in_it(hana: Client, garden: str, migrated: str) -> None:
    assert hana.request("DELETE", f"/organizations/{garden}").json() == {"message": "Organization deleted"}
    for path in ("", "/members", "/teams"):
        assert told(hana.get(f"/organizations/{garden}{path}")) == (404, "not_found")
    assert hana.get("/organizations").json()["organizations"] == []
    assert sql(migrated, "SELECT is_active FROM organizations") == [(False,)]


def test_a_deleted_organization_leaves_its_slug(hana: Client, garden: str) -> None:
    hana.request("DELETE", f"/organizations/{garden}")
    assert organization(hana) != garden
    assert [row["organization_slug"] for row in hana.get("/organizations").json()["organizations"]] == ["green-garden"]


def test_who_is_invited_accepts(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    invited = invite(hana, garden, "Kenji@example.com", "admin")
    assert (invited.status_code, set(invited.json())) == (201, INVITATION)
    (found,) = kenji.get("/invitations").json()["invitations"]
    assert (found["organization_id"], found["organization_name"], found["role"]) == (garden, "Green Garden", "admin")
    (listed,) = kenji.get("/organizations").json()["organizations"]
    assert (listed["organization_id"], listed["role"], listed["status"]) == (garden, "admin", "invited")
    assert told(kenji.get(f"/organizations/{garden}")) == (403, "authorization_error")
    accepted = kenji.post(f"/organizations/{garden}/accept").json()
    assert (set(accepted), accepted["status"]) == (MEMBER, "active")
    assert kenji.get(f"/organizations/{garden}").json()["organization"]["role"] == "admin"
    assert kenji.get("/invitations").json()["invitations"] == []
    assert told(kenji.post(f"/organizations/{garden}/accept")) == (404, "not_found")


def test_an_invitation_waits_for_the_account(hana: Client, visitor: Client, garden: str) -> None:
    by_address = invite(hana, garden, "MIO@example.com", "viewer")
    by_number = invite(hana, garden, "45")
    assert [answer.status_code for answer in (by_address, by_number)] == [201, 201]
    path = f"/organizations/{garden}/invitations"
    pending = hana.get(path).json()["invitations"]
    assert [(one["email"], one["github_id"]) for one in pending] == [("mio@example.com", None), (None, 45)]
    mio, sora = person(visitor, "mio"), person(visitor, "sora")
    assert hana.get(path).json()["invitations"] == pending
    assert mio.post(f"/organizations/{garden}/accept").json()["role"] == "viewer"
    assert sora.post(f"/organizations/{garden}/decline").json() == {"message": "Invitation declined"}
    assert told(sora.post(f"/organizations/{garden}/decline")) == (404, "not_found")
    assert hana.get(path).json()["invitations"] == []
    assert len(hana.get(f"/organizations/{garden}/members").json()["members"]) == 2


def test_an_inviter_does_not_learn_who_has_an_account(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    """All that the inviter may ask is the same for somebody with an account, by address and number, and for nobody."""
    sql(migrated, "UPDATE organizations SET max_members = 50")
    sql(migrated, "INSERT INTO users (github_id, email, access_token) VALUES (90, 'KENJI@example.com', 'x')")
    answers = [invite(hana, garden, one) for one in ("kenji@example.com", "nobody@example.com", "43", "77")]
    assert {(answer.status_code, *answer.json()) for answer in answers} == {(201, *answers[0].json())}
    again = [invite(hana, garden, one).json()["message"] for one in ("kenji@example.com", "nobody@example.com", "43")]
    assert set(again) == {"This person is invited already"}
    assert len(hana.get(f"/organizations/{garden}/members").json()["members"]) == 1
    assert len(hana.get(f"/organizations/{garden}/invitations").json()["invitations"]) == 4
    kenji.post(f"/organizations/{garden}/accept")
    (member,) = hana.get(f"/organizations/{garden}/members").json()["members"][1:]
    assert (member["email"], member["github_id"]) == ("kenji@example.com", 43)
    left = hana.get(f"/organizations/{garden}/invitations").json()["invitations"]
    assert [one["email"] or one["github_id"] for one in left] == ["nobody@example.com", 77]
    for known in ("kenji@example.com", "43"):
        assert invite(hana, garden, known).json()["message"] == "This person is a member already"


def test_two_invitations_to_one_person_are_accepted_once(hana: Client, kenji: Client, garden: str) -> None:
    for identifier, role in (("43", "viewer"), ("kenji@example.com", "admin")):
        invite(hana, garden, identifier, role)
    assert len(kenji.get("/invitations").json()["invitations"]) == 1
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(kenji.post(f"/organizations/{garden}/accept").status_code))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 404]
    assert [one["role"] for one in hana.get(f"/organizations/{garden}/members").json()["members"]] == [
        "owner",
        "viewer",
    ]
    assert hana.get(f"/organizations/{garden}/invitations").json()["invitations"] == []


def test_an_invitation_is_taken_back(hana: Client, kenji: Client, garden: str) -> None:
    pending = invite(hana, garden, "kenji@example.com").json()["id"]
    path = f"/organizations/{garden}/invitations/{pending}"
    assert [hana.request("DELETE", path).status_code for _ in range(2)] == [200, 404]
    assert told(kenji.post(f"/organizations/{garden}/accept")) == (404, "not_found")
    assert told(kenji.get(f"/organizations/{garden}")) == (404, "not_found")


def test_who_cannot_be_invited(hana: Client, garden: str) -> None:
    assert told(invite(hana, garden, "kenji@example.com", "owner")) == (422, "validation_error")
    for nobody in ("Kenji", "-1", "0", "a@", "@b", "a b@c.d", str(2**63)):
        assert told(invite(hana, garden, nobody)) == (400, "validation_error"), nobody
    for again in ("hana@example.com", "42"):
        assert told(invite(hana, garden, again)) == (409, "conflict")


def test_the_plan_limits_the_members(hana: Client, garden: str) -> None:
    answers = [invite(hana, garden, f"m{n}@example.com") for n in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 4 + [409]
    assert answers[-1].json()["details"] == {"max_members": 5}
    assert len(hana.get(f"/organizations/{garden}/invitations").json()["invitations"]) == 4


def test_the_last_owner_stays(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    me, other = id_of(migrated, "hana"), join(migrated, garden, "kenji", "admin")
    path = f"/organizations/{garden}/members"
    for answer in (
        hana.request("PATCH", f"{path}/{me}", json={"role": "admin"}),
        hana.post(f"{path}/{me}/suspend"),
        hana.request("DELETE", f"{path}/{me}"),
        hana.post(f"/organizations/{garden}/leave"),
    ):
        assert told(answer) == (409, "conflict")
    assert hana.request("PATCH", f"{path}/{other}", json={"role": "owner"}).json()["role"] == "owner"
    assert hana.post(f"/organizations/{garden}/leave").status_code == 200
    assert kenji.get(f"/organizations/{garden}").json()["organization"]["owner_id"] == other
    assert told(hana.get(f"/organizations/{garden}")) == (404, "not_found")


def test_about_owners_only_owners_decide(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    owner, admin = id_of(migrated, "hana"), join(migrated, garden, "kenji", "admin")
    path = f"/organizations/{garden}/members"
    for answer in (
        kenji.request("PATCH", f"{path}/{owner}", json={"role": "viewer"}),
        kenji.request("PATCH", f"{path}/{admin}", json={"role": "owner"}),
        kenji.post(f"{path}/{owner}/suspend"),
        kenji.request("DELETE", f"{path}/{owner}"),
        kenji.post(f"/organizations/{garden}/transfer", json={"user_id": admin}),
    ):
        assert told(answer) == (403, "authorization_error")
    assert [row["role"] for row in hana.get(path).json()["members"]] == ["owner", "admin"]


def test_an_organization_is_handed_over(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    other = join(migrated, garden, "kenji", "viewer")
    path = f"/organizations/{garden}/transfer"
    assert told(hana.post(path, json={"user_id": str(uuid4())})) == (404, "not_found")
    assert hana.post(path, json={"user_id": other}).json()["role"] == "owner"
    found = kenji.get(f"/organizations/{garden}").json()["organization"]
    assert (found["owner_id"], found["role"]) == (other, "owner")
    assert hana.get(f"/organizations/{garden}").json()["organization"]["role"] == "admin"


def test_two_owners_cannot_step_down_at_once(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    """Each sees the other's row as it was; whoever comes second has to look again."""
    people = [id_of(migrated, "hana"), join(migrated, garden, "kenji", "owner")]
    statuses: list[int] = []

    def step_down(client: Client, user: str) -> None:
        answer = client.request("PATCH", f"/organizations/{garden}/members/{user}", json={"role": "admin"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=step_down, args=pair) for pair in zip((hana, kenji), people, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409]
    assert sql(migrated, "SELECT count(*) FROM organization_members WHERE role = 'owner'") == [(1,)]


def test_a_suspended_member_may_nothing_until_reactivated(
    hana: Client, kenji: Client, garden: str, migrated: str
) -> None:
    user = join(migrated, garden, "kenji")
    path = f"/organizations/{garden}/members/{user}"
    assert hana.post(f"{path}/suspend").json()["status"] == "suspended"
    assert told(hana.post(f"{path}/suspend")) == (409, "conflict")
    assert told(kenji.get(f"/organizations/{garden}")) == (403, "authorization_error")
    assert hana.post(f"{path}/reactivate").json()["status"] == "active"
    assert kenji.get(f"/organizations/{garden}").status_code == 200
    assert told(hana.post(f"/organizations/{garden}/members/{uuid4()}/suspend")) == (404, "not_found")


def test_who_leaves_leaves_the_teams_and_the_grants(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    user = join(migrated, garden, "kenji")
    team = hana.post(f"/organizations/{garden}/teams", json={"name": "Backend"}).json()["team"]["id"]
    hana.post(f"/organizations/{garden}/teams/{team}/members", json={"user_id": user, "role": "lead"})
    grant = "INSERT INTO user_permissions (user_id, permission_id, organization_id) SELECT %s, id, %s FROM permissions"
    sql(migrated, grant, user, garden)
    assert kenji.post(f"/organizations/{garden}/leave").status_code == 200
    assert sql(migrated, "SELECT count(*) FROM user_effective_permissions WHERE user_id = %s", user) == [(0,)]
    assert len(hana.get(f"/organizations/{garden}/teams/{team}/members").json()["members"]) == 1


def test_lists_come_in_pages(hana: Client, visitor: Client, garden: str, migrated: str) -> None:
    for name in ("kenji", "mio", "sora"):
        person(visitor, name)
        join(migrated, garden, name)
    for name in ("Shed", "Apples"):
        organization(hana, name)
    people = [f"{name}@example.com" for name in ("hana", "kenji", "mio", "sora")]
    for path, key, field, wanted in (
        ("/organizations", "organizations", "organization_name", ["Apples", "Green Garden", "Shed"]),
        (f"/organizations/{garden}/members", "members", "email", people),
    ):
        seen, query = [], "limit=2"
        while query:
            answer = hana.get(f"{path}?{query}")
            seen += [row[field] for row in answer.json()[key]]
            query = f"limit=2&cursor={cursor}" if (cursor := answer.headers.get("x-next-cursor")) else ""
        assert seen == wanted
