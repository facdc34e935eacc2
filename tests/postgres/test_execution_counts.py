"""The counts of what has ended are those that counting gives, whatever happens to the rows."""

import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import psycopg
import pytest

from database import dashboard
from tests.backend import sql

COUNTED = """
SELECT count(*) AS total_executions,
    count(*) FILTER (WHERE status = 'running') AS running_executions,
    count(*) FILTER (WHERE status = 'completed') AS completed_executions,
    count(*) FILTER (WHERE status = 'failed') AS failed_executions,
    count(*) FILTER (WHERE status = 'pending') AS pending_executions,
    (SELECT count(*) FROM repositories WHERE user_id = %(user)s) AS total_repositories,
    count(pr_number) AS total_prs_created
FROM agent_executions WHERE user_id = %(user)s
"""
GROUND = """
INSERT INTO users (github_id, email, access_token) VALUES (1, 'a@b', ''), (2, 'c@d', '');
INSERT INTO organizations (name, slug) VALUES ('O', 'o');
INSERT INTO organization_members (organization_id, user_id, role)
    SELECT o.id, u.id, 'viewer' FROM organizations AS o, users AS u;
INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name, organization_id)
    SELECT u.id, n + 10 * u.github_id, 'o', 'r' || n, 'o/r' || n, CASE n WHEN 1 THEN o.id END
    FROM users AS u, organizations AS o, generate_series(1, 2) AS n;
INSERT INTO agent_executions (user_id, repository_id, agent_type, status, pr_number)
    SELECT user_id, id, 'review', (ARRAY['pending', 'running', 'completed', 'failed', 'cancelled'])[1 + n % 5],
        CASE WHEN n % 7 = 0 THEN n END
    FROM repositories, generate_series(1, 400) AS n;
"""
CHANGES = (
    "UPDATE agent_executions SET status = 'completed', pr_number = 5 WHERE status = 'running'",
    "UPDATE agent_executions SET status = 'pending' WHERE status = 'failed' AND pr_number IS NULL",
    "UPDATE agent_executions SET pr_number = NULL WHERE status = 'completed' AND pr_number > 50",
    "SELECT fold_execution_counts()",
    "DELETE FROM agent_executions WHERE status = 'cancelled'",
    "UPDATE agent_executions SET status = 'failed' WHERE status = 'pending'",
    "DELETE FROM repositories WHERE name = 'r2' AND github_repo_id < 20",
    "SELECT fold_execution_counts()",
)


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(migrated, autocommit=True) as found:
        found.execute(GROUND.encode())
        yield found


def same(connection: psycopg.Connection[Any]) -> bool:
    for (user,) in connection.execute("SELECT id FROM users").fetchall():
        counted = connection.execute(COUNTED, {"user": user}).fetchone()
        if tuple(asdict(dashboard.summary(connection, user)).values()) != counted:
            return False
    return True


def test_after_every_change_the_counts_are_right(connection: psycopg.Connection[Any]) -> None:
    assert same(connection)
    for change in CHANGES:
        connection.execute(change.encode())
        assert same(connection), change
    assert connection.execute("SELECT count(*) FROM execution_count_changes").fetchone() == (0,)


def test_an_organization_s_are_those_of_its_repositories(connection: psycopg.Connection[Any]) -> None:
    ((organization,),) = connection.execute("SELECT id FROM organizations").fetchall()
    ((user, *_), *_) = connection.execute("SELECT id FROM users").fetchall()
    found = dashboard.summary(connection, user, organization)
    assert (found.total_executions, found.pending_executions, found.failed_executions) == (800, 160, 160)
    assert found.total_repositories == 2


def test_changes_are_folded_as_they_come_and_by_one_at_a_time(
    connection: psycopg.Connection[Any], migrated: str
) -> None:
    add = """
        INSERT INTO agent_executions (user_id, agent_type, status)
        SELECT id, 'review', 'completed' FROM users, generate_series(1, 800)
    """
    threads = [threading.Thread(target=sql, args=(migrated, add)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((waiting,),) = connection.execute("SELECT count(*) FROM execution_count_changes").fetchall()
    assert waiting < 5000
    assert same(connection)
