"""What tests of organizations share: signed-in people of one, and how they come to be its members."""

from typing import Any

from tests.backend import Client, sql

PEOPLE = {"hana": 42, "kenji": 43, "mio": 44, "sora": 45, "rin": 46}


def person(visitor: Client, name: str) -> Client:
    return visitor.sign_in(PEOPLE[name], f"{name}@example.com")


def id_of(dsn: str, name: str) -> str:
    return str(sql(dsn, "SELECT id FROM users WHERE email = %s", f"{name}@example.com")[0][0])


def organization(client: Client, name: str = "Green Garden") -> str:
    return str(client.post("/organizations", json={"name": name}).json()["organization"]["id"])


def join(dsn: str, organization_id: str, name: str, role: str = "member", status: str = "active") -> str:
    """Put somebody who has signed in into an organization, as the Rust backend does; the user's id."""
    add = """
        INSERT INTO organization_members (organization_id, user_id, role, status, accepted_at)
        SELECT %s, id, %s, %s, CASE WHEN %s = 'invited' THEN NULL ELSE now() END FROM users WHERE email = %s
        ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role, status = excluded.status
        RETURNING user_id
    """
    return str(sql(dsn, add, organization_id, role, status, status, f"{name}@example.com")[0][0])


def told(answer: Any) -> tuple[int, str]:
    """Status and kind of a refusal."""
    return answer.status_code, answer.json()["error"]
