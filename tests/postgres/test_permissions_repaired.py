"""What has_permission says once our migrations have repaired it, in the words of test_migrations_schema.py."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from tests.postgres.test_migrations_schema import People


@pytest.fixture
def people(migrated: str) -> Iterator[People]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield People(connection)


def test_the_missing_codes_are_there_and_granted(people: People) -> None:
    grants = """
        SELECT p.code, array_agg(r.code::text ORDER BY r.code COLLATE "C") FROM permissions AS p
        JOIN role_permissions AS rp ON rp.permission_id = p.id JOIN roles AS r ON r.id = rp.role_id
        WHERE p.code IN ('repositories.create', 'dashboard.read') GROUP BY p.code
    """
    assert dict(people.conn.execute(grants).fetchall()) == {
        "repositories.create": ["org:admin", "org:member", "org:owner"],
        "dashboard.read": ["org:admin", "org:member", "org:owner", "org:viewer", "team:lead", "team:member"],
    }


def test_an_inactive_organization_gives_nothing(people: People) -> None:
    member, granted = people.member("owner"), people.user()
    people.grant(granted, "agents.stop", people.organization)
    assert people.may(member, "agents.read")
    people.conn.execute("UPDATE organizations SET is_active = false")
    assert not people.may(member, "agents.read")
    assert not people.may(granted, "agents.stop")


def test_a_team_role_counts_with_an_active_membership(people: People) -> None:
    user = people.member("viewer")
    add = "INSERT INTO teams (organization_id, name, slug) VALUES (%s, 'T', 't') RETURNING id"
    team = people.one(add, people.organization)
    people.conn.execute("INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, 'lead')", [team, user])
    assert people.may(user, "tasks.assign")
    people.conn.execute("UPDATE organization_members SET status = 'suspended' WHERE user_id = %s", [user])
    assert not people.may(user, "tasks.assign")
    people.conn.execute("DELETE FROM organization_members WHERE user_id = %s", [user])
    assert people.one("SELECT count(*) FROM team_members") == 0


def test_a_direct_grant_rests_while_its_holder_is_suspended(people: People) -> None:
    outside, suspended = people.user(), people.member("viewer", "suspended")
    for user in (outside, suspended):
        people.grant(user, "agents.stop", people.organization)
    assert people.may(outside, "agents.stop")
    assert not people.may(suspended, "agents.stop")


def test_a_system_wide_grant_counts_in_every_active_organization(people: People) -> None:
    user = people.user()
    people.grant(user, "agents.stop", None)
    add = "INSERT INTO organizations (name, slug, is_active) VALUES ('I', 'i', false) RETURNING id"
    inactive = people.one(add)
    assert people.may(user, "agents.stop")
    assert people.one("SELECT has_permission(%s, NULL, 'agents.stop')", user) is True
    assert not people.may(user, "agents.stop", inactive)
    assert not people.may(user, "agents.stop", uuid4())
    permitted = people.conn.execute("SELECT organizations_permitting(%s, 'agents.stop')", [user]).fetchall()
    assert permitted == [(people.organization,)]
