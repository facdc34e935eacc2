"""From a sign-in to its end: tokens that are good once, what comes again, signing out, acting for an organization."""

import threading
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.backend import JWT_SECRET, Client, sql

ACCOUNT = {"github_id": 42, "email": "hana@example.com"}
OLDER = "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL"


@pytest.fixture
def tokens(visitor: Client) -> dict[str, Any]:
    return dict(visitor.post("/auth/mock", json=ACCOUNT).json())


def renew(client: Client, token: str) -> httpx.Response:
    return client.post("/auth/refresh", json={"refresh_token": token})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def claims(tokens: dict[str, Any]) -> dict[str, Any]:
    return dict(jwt.decode(tokens["access_token"], options={"verify_signature": False}))


def is_over(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["error"]) == (401, "authentication_error")


def test_a_refresh_token_is_good_once(visitor: Client, tokens: dict[str, Any], migrated: str) -> None:
    new = renew(visitor, tokens["refresh_token"])
    assert (new.status_code, new.json()["user"]) == (200, tokens["user"])
    assert new.json()["refresh_token"] != tokens["refresh_token"]
    assert visitor.get("/repositories", headers=bearer(new.json())).json() == []
    assert claims(new.json())["sid"] == claims(tokens)["sid"]
    assert renew(visitor, new.json()["refresh_token"]).status_code == 200
    kept = sql(migrated, "SELECT string_agg(t::text, ' ') FROM refresh_tokens AS t")[0][0]
    assert tokens["refresh_token"] not in kept


def test_one_that_comes_again_ends_the_session_for_both(
    visitor: Client, tokens: dict[str, Any], migrated: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = visitor.post("/auth/mock", json=ACCOUNT).json()
    stolen = tokens["refresh_token"]
    newer = renew(visitor, stolen).json()["refresh_token"]
    sql(migrated, OLDER)
    assert is_over(renew(visitor, stolen))
    assert is_over(renew(visitor, newer)), "the thief's other token is still good"
    assert "a refresh token came again" in caplog.text
    assert renew(visitor, other["refresh_token"]).status_code == 200, "another sign-in has nothing to do with it"
    assert sql(migrated, "SELECT revoked_because FROM auth_sessions WHERE revoked_at IS NOT NULL") == [("reuse",)]


def test_who_did_not_hear_the_answer_is_told_the_same_again(visitor: Client, tokens: dict[str, Any]) -> None:
    first, again = (renew(visitor, tokens["refresh_token"]).json() for _ in range(2))
    assert first["refresh_token"] == again["refresh_token"]
    newest = renew(visitor, first["refresh_token"]).json()
    assert is_over(renew(visitor, tokens["refresh_token"])), "what took its place has been used"
    assert is_over(renew(visitor, newest["refresh_token"]))


def test_tabs_that_ask_at_the_same_moment_hear_the_same(visitor: Client, tokens: dict[str, Any]) -> None:
    answers: list[httpx.Response] = []
    tabs = [threading.Thread(target=lambda: answers.append(renew(visitor, tokens["refresh_token"]))) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


@pytest.mark.parametrize("change", [
    "UPDATE refresh_tokens SET expires_at = now()", "UPDATE auth_sessions SET revoked_at = now()",
    "DELETE FROM auth_sessions", "DELETE FROM users",
])  # fmt: skip
def test_a_token_whose_time_session_or_account_is_over(
    visitor: Client, tokens: dict[str, Any], migrated: str, change: str
) -> None:
    sql(migrated, "SET session_replication_role = origin")
    sql(migrated, change)
    assert is_over(renew(visitor, tokens["refresh_token"]))


@pytest.mark.parametrize("text", ["", "nonsense", "é", "a" * 2000])
def test_text_that_is_no_refresh_token(visitor: Client, text: str) -> None:
    assert is_over(renew(visitor, text))


def test_neither_kind_passes_for_the_other(visitor: Client, tokens: dict[str, Any]) -> None:
    assert is_over(renew(visitor, tokens["access_token"]))
    headers = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert visitor.get("/repositories", headers=headers).json()["error"] == "jwt_error"


@pytest.mark.parametrize("by", ["body", "bearer"])
def test_who_signs_out_gets_no_more_tokens(visitor: Client, tokens: dict[str, Any], by: str) -> None:
    other = visitor.post("/auth/mock", json=ACCOUNT).json()
    given = {"json": {"refresh_token": tokens["refresh_token"]}} if by == "body" else {"headers": bearer(tokens)}
    for _ in range(2):
        answer = visitor.post("/auth/logout", **given)
        assert (answer.status_code, answer.content) == (204, b"")
    assert is_over(renew(visitor, tokens["refresh_token"]))
    assert renew(visitor, other["refresh_token"]).status_code == 200


def test_a_stranger_signs_nobody_out(visitor: Client, tokens: dict[str, Any]) -> None:
    assert visitor.post("/auth/logout", json={"refresh_token": "nonsense"}).status_code == 204
    assert visitor.post("/auth/logout").status_code == 204
    assert visitor.post("/auth/logout", headers={"Authorization": "Bearer x"}).status_code == 401
    assert renew(visitor, tokens["refresh_token"]).status_code == 200


@pytest.fixture
def organization(visitor: Client, tokens: dict[str, Any], migrated: str) -> str:
    """Hana is an admin of it."""
    made = str(sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id")[0][0])
    add = "INSERT INTO organization_members (organization_id, user_id, role) VALUES (%s, %s, 'admin')"
    sql(migrated, add, made, tokens["user"]["id"])
    return made


def switch(client: Client, tokens: dict[str, Any], organization: str | None) -> httpx.Response:
    return client.post("/auth/switch-organization", json={"organization_id": organization}, headers=bearer(tokens))


def test_a_session_acts_for_an_organization(visitor: Client, tokens: dict[str, Any], organization: str) -> None:
    answer = switch(visitor, tokens, organization).json()
    assert (answer["organization_id"], answer["organization_role"]) == (organization, "admin")
    for told in (answer, renew(visitor, tokens["refresh_token"]).json()):
        assert (claims(told)["org_id"], claims(told)["org_role"]) == (organization, "admin")
        me = visitor.get("/auth/me", headers=bearer(told)).json()
        assert me == tokens["user"] | {"organization_id": organization, "organization_role": "admin"}
    assert "org_id" not in claims(switch(visitor, answer, None).json())


def test_a_membership_that_is_over_is_noticed_at_the_next_refresh(
    visitor: Client, tokens: dict[str, Any], organization: str, migrated: str
) -> None:
    switched = switch(visitor, tokens, organization).json()
    sql(migrated, "UPDATE organization_members SET status = 'suspended'")
    assert visitor.get("/auth/me", headers=bearer(switched)).json()["organization_id"] is None
    assert "org_id" not in claims(renew(visitor, tokens["refresh_token"]).json())
    assert switch(visitor, tokens, organization).status_code == 403


def test_nobody_acts_for_another_s_organization(visitor: Client, tokens: dict[str, Any], migrated: str) -> None:
    theirs = str(sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id")[0][0])
    for some_id in (theirs, str(uuid4())):
        assert (switch(visitor, tokens, some_id).status_code, "no such") == (404, "no such")


@pytest.mark.parametrize("end", ["signed out", "reuse", "its time is over"])
def test_a_session_that_is_over_gives_no_newer_token(
    visitor: Client, tokens: dict[str, Any], organization: str, migrated: str, end: str
) -> None:
    switched = switch(visitor, tokens, organization).json()
    if end == "signed out":
        visitor.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    elif end == "reuse":
        renew(visitor, tokens["refresh_token"])
        sql(migrated, OLDER)
        renew(visitor, tokens["refresh_token"])
    else:
        sql(migrated, "UPDATE auth_sessions SET expires_at = now()")
    for held, to in ((tokens, organization), (switched, None)):
        assert is_over(switch(visitor, held, to))


def test_a_token_without_a_session_is_not_renewed(visitor: Client, tokens: dict[str, Any]) -> None:
    """One of the mission's backend, or one that names another's session."""
    other = visitor.sign_in(43, "kenji@example.com").headers["Authorization"].partition(" ")[2]
    sids = None, claims({"access_token": other})["sid"]
    for sid in sids:
        held = claims(tokens) | {"sid": sid}
        forged = jwt.encode({name: value for name, value in held.items() if value}, JWT_SECRET, algorithm="HS256")
        assert is_over(switch(visitor, {"access_token": forged}, None))


def test_me_of_an_account_that_is_gone(visitor: Client, tokens: dict[str, Any], migrated: str) -> None:
    sql(migrated, "DELETE FROM users")
    assert is_over(visitor.get("/auth/me", headers=bearer(tokens)))


def test_old_sessions_are_forgotten_when_somebody_signs_in(
    visitor: Client, tokens: dict[str, Any], migrated: str
) -> None:
    sql(migrated, "UPDATE auth_sessions SET expires_at = now() - interval '2 days'")
    visitor.post("/auth/mock", json=ACCOUNT)
    assert sql(migrated, "SELECT count(*) FROM auth_sessions") == [(1,)]
