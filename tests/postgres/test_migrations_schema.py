"""The seven migrations of the mission give exactly the deployed schema, and what the deployed one does, ours does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from database import migrations
from tests.postgres.conftest import MIGRATIONS

DEPLOYED = Path(__file__).parents[1] / "fixtures" / "schema" / "deployed.txt"
CATALOG = Path(__file__).with_name("catalog.sql")
LAST_OF_THE_MISSION = 20251125000001

Connection = psycopg.Connection[Any]


@pytest.fixture
def deployed(database: str) -> Iterator[Connection]:
    """A database as the mission's seven migrations leave it."""
    migrations.run(database, migrations.load(MIGRATIONS), target=LAST_OF_THE_MISSION)
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


def sections(text: str, mark: str) -> dict[str, str]:
    _, *parts = re.split(mark, text, flags=re.MULTILINE)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def test_the_catalog_is_the_deployed_one(deployed: Connection) -> None:
    wanted = sections(DEPLOYED.read_text(), r"^## (.+)$")
    queries = sections(CATALOG.read_text(), r"^-- (.+) --$")
    assert list(queries) == list(wanted)
    for section, query in queries.items():
        seen = [row[0] for row in deployed.execute(query.encode())]
        assert seen == [line.rstrip("\n") for line in wanted[section].splitlines()], section


def test_the_counts_of_the_mission(deployed: Connection) -> None:
    def count(query: bytes) -> int:
        return deployed.execute(query).fetchone()[0]  # type: ignore[index]

    assert count(b"SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 17 + 1
    assert count(b"SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'") == 75 + 1
    assert count(b"SELECT count(*) FROM role_permissions") == 101
    assert count(b"SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'") == 0


class People:
    """Rows to ask `has_permission` about."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.organization = self.one("INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id")

    def one(self, query: str, *parameters: object) -> Any:
        row = self.conn.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def user(self) -> UUID:
        return self.one(
            "INSERT INTO users (github_id, email, access_token) VALUES (%s, 'a@b', '') RETURNING id",
            uuid4().int % 2**62,
        )

    def member(self, role: str, status: str = "active") -> UUID:
        user = self.user()
        self.conn.execute(
            "INSERT INTO organization_members (organization_id, user_id, role, status) VALUES (%s, %s, %s, %s)",
            [self.organization, user, role, status],
        )
        return user

    def grant(self, user: UUID, code: str, organization: UUID | None, expires: str | None = None) -> None:
        self.conn.execute(
            "INSERT INTO user_permissions (user_id, permission_id, organization_id, expires_at) "
            "SELECT %s, id, %s, now() + %s::interval FROM permissions WHERE code = %s",
            [user, organization, expires, code],
        )

    def may(self, user: UUID, code: str, organization: UUID | None = None) -> bool:
        return bool(self.one("SELECT has_permission(%s, %s, %s)", user, organization or self.organization, code))


@pytest.fixture
def people(deployed: Connection) -> People:
    return People(deployed)


@pytest.mark.parametrize(
    ("role", "status", "code", "allowed"),
    [
        ("viewer", "active", "agents.read", True),
        ("viewer", "active", "agents.execute", False),
        ("member", "active", "agents.execute", True),
        ("admin", "active", "organization.delete", False),
        ("owner", "active", "organization.delete", True),
        ("owner", "invited", "agents.read", False),
        ("owner", "suspended", "agents.read", False),
    ],
)
def test_a_member_may_what_the_role_says_while_active(
    people: People, role: str, status: str, code: str, allowed: bool
) -> None:
    assert people.may(people.member(role, status), code) is allowed


def test_an_owner_without_membership_may_nothing(people: People) -> None:
    user = people.user()
    people.conn.execute("UPDATE organizations SET owner_id = %s", [user])
    assert not people.may(user, "organization.read")


def test_a_team_role_needs_no_membership_of_the_organization(people: People) -> None:
    user = people.user()
    team = people.one(
        "INSERT INTO teams (organization_id, name, slug) VALUES (%s, 'T', 't') RETURNING id", people.organization
    )
    people.conn.execute("INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, 'lead')", [team, user])
    assert people.may(user, "tasks.assign")
    assert not people.may(user, "agents.manage")


def test_a_direct_grant_holds_until_it_expires(people: People) -> None:
    lasting, over = people.user(), people.user()
    people.grant(lasting, "agents.stop", people.organization, "1 hour")
    people.grant(over, "agents.stop", people.organization, "-1 hour")
    assert people.may(lasting, "agents.stop")
    assert not people.may(over, "agents.stop")


def test_a_system_wide_grant_counts_for_no_organization(people: People) -> None:
    user = people.user()
    people.grant(user, "agents.stop", None)
    assert not people.may(user, "agents.stop")
    assert people.one("SELECT has_permission(%s, NULL, 'agents.stop')", user) is False


def test_an_inactive_organization_keeps_its_permissions_and_leaves_the_list(people: People) -> None:
    user = people.member("viewer")
    listed = "SELECT count(*) FROM user_organizations WHERE user_id = %s"
    assert people.one(listed, user) == 1
    people.conn.execute("UPDATE organizations SET is_active = false")
    assert people.may(user, "agents.read")
    assert people.one(listed, user) == 0


def test_invitations_are_listed_and_not_counted(people: People) -> None:
    people.member("owner")
    invited = people.member("member", "invited")
    assert people.one("SELECT status FROM user_organizations WHERE user_id = %s", invited) == "invited"
    assert people.one("SELECT member_count FROM organization_summary") == 1


def chain(conn: Connection, *pairs: tuple[int, int]) -> None:
    """Tasks 1 to 3, and dependencies between them as (task, depends on)."""
    tasks = [uuid4() for _ in range(3)]
    for task in tasks:
        conn.execute("INSERT INTO tasks (id, name) VALUES (%s, 't')", [task])
    for task, on in pairs:
        conn.execute(
            "INSERT INTO task_dependencies (task_id, depends_on_task_id) VALUES (%s, %s)",
            [tasks[task - 1], tasks[on - 1]],
        )


def test_cycles_are_refused_but_not_yet_the_shortest(deployed: Connection) -> None:
    for pairs in ([(1, 2), (2, 1)], [(1, 2), (2, 3), (3, 1)]):
        with pytest.raises(psycopg.errors.RaiseException, match="Circular dependency detected"):
            chain(deployed, *pairs)
    chain(deployed, (1, 2), (1, 3), (2, 3))
    chain(deployed, (1, 1))
