"""Rows as the Rust backend writes them, served by ours: nothing but what its INSERTs name, and what it lets by."""

from collections.abc import Iterator

import pytest

from tests.backend import Client, make_backend, sql
from tests.postgres.tenants import told

ROWS = """
INSERT INTO users (github_id, email, name, avatar_url, access_token) VALUES
    (42, 'hana@example.com', 'Hana', 'https://avatars.githubusercontent.com/u/0', 'mock-access-token'),
    (43, 'kenji@example.com', NULL, NULL, 'mock-access-token');
INSERT INTO organizations (name, slug, owner_id) SELECT '!!!', '', id FROM users WHERE github_id = 42;
INSERT INTO organization_members (organization_id, user_id, role, status, accepted_at)
    SELECT o.id, u.id, 'owner', 'active', now() FROM organizations AS o, users AS u WHERE u.github_id = 42;
INSERT INTO organization_members (organization_id, user_id, role, status, invited_by)
    SELECT o.id, u.id, 'member', 'invited', o.owner_id FROM organizations AS o, users AS u WHERE u.github_id = 43;
INSERT INTO teams (organization_id, name, slug) SELECT id, '!', '' FROM organizations;
INSERT INTO team_members (team_id, user_id, role)
    SELECT t.id, u.id, 'lead' FROM teams AS t, users AS u WHERE u.github_id = 42;
INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name)
    SELECT id, 0, 'hana', 'garden', 'hana/garden' FROM users WHERE github_id = 42;
INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name, organization_id, team_id)
    SELECT o.owner_id, 1, 'hana', 'shop', 'hana/shop', o.id, t.id FROM organizations AS o, teams AS t;
INSERT INTO agent_executions (user_id, repository_id, agent_type, issue_number, status, started_at, options)
    SELECT user_id, id, 'codegen', 270, 'running', now(), '{"use_worktree": true, "auto_pr": null}' FROM repositories;
INSERT INTO agent_executions (user_id, repository_id, agent_type, status, completed_at, error_message, options)
    SELECT user_id, id, 'CodeGenAgent', 'failed', now(), 'Agent process exited with code 1', NULL FROM repositories;
INSERT INTO execution_logs (execution_id, log_level, message) SELECT id, 'INFO', 'line' FROM agent_executions;
INSERT INTO execution_logs (execution_id, log_level, message, metadata)
    SELECT id, 'ERROR', 'oh', '["x"]' FROM agent_executions;
INSERT INTO tasks (user_id, name) SELECT id, 'plain' FROM users WHERE github_id = 42;
INSERT INTO tasks (user_id, repository_id, name, status, priority, agent_type, metadata, failed_at, cancelled_at)
    SELECT user_id, id, 'odd', 'bogus', 'P9', 'nobody', NULL, now(), now() FROM repositories;
INSERT INTO task_dependencies (task_id, depends_on_task_id)
    SELECT a.id, b.id FROM tasks AS a, tasks AS b WHERE a.name = 'plain' AND b.name = 'odd';
INSERT INTO workflows (user_id, repository_id, name, definition)
    SELECT user_id, id, 'w', '[1, "two"]' FROM repositories;
"""
LISTS = {
    "/organizations": "organizations", "/repositories": None, "/tasks": "tasks", "/workflows": "workflows",
    "/agents/executions": None, "/dashboard/recent": None,
}  # fmt: skip


@pytest.fixture
def hana(migrated: str) -> Iterator[Client]:
    """Whose rows they are."""
    sql(migrated, ROWS)
    backend = make_backend(migrated)
    yield Client(backend).sign_in(42, "hana@example.com")
    backend.pool.close()


def rows(client: Client, path: str, key: str | None) -> list[dict[str, object]]:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    found: list[dict[str, object]] = answer.json()[key] if key else answer.json()
    return found


def test_every_list_and_every_row_is_served(hana: Client, migrated: str) -> None:
    counts = {path: len(rows(hana, path, key)) for path, key in LISTS.items()}
    assert counts == {
        "/organizations": 1, "/repositories": 2, "/tasks": 3, "/workflows": 2, "/agents/executions": 4,
        "/dashboard/recent": 4,
    }  # fmt: skip
    for path in ("/repositories", "/tasks", "/workflows", "/agents/executions"):
        for row in rows(hana, path, LISTS[path]):
            assert hana.get(f"{path}/{row['id']}").status_code == 200, path
    for execution in rows(hana, "/agents/executions", None):
        lines = rows(hana, f"/agents/executions/{execution['id']}/logs", None)
        assert [line["log_level"] for line in lines] == ["INFO", "ERROR"]


def test_an_organization_with_all_that_is_in_it(hana: Client) -> None:
    (organization,) = rows(hana, "/organizations", "organizations")
    base = f"/organizations/{organization['organization_id']}"
    assert hana.get(base).json()["organization"]["slug"] == ""
    shown = {(row["email"], row["status"]) for row in rows(hana, f"{base}/members", "members")}
    assert shown == {("hana@example.com", "active"), ("kenji@example.com", "invited")}
    (team,) = rows(hana, f"{base}/teams", "teams")
    assert len(rows(hana, f"{base}/teams/{team['id']}/members", "members")) == 1
    named = f"?organization_id={organization['organization_id']}"
    assert len(rows(hana, f"/tasks{named}", "tasks")) == len(rows(hana, f"/workflows{named}", "workflows")) == 1
    assert hana.get(f"/dashboard/summary{named}").json()["failed_executions"] == 1
    assert len(rows(hana, f"/dashboard/recent{named}", None)) == 2
    assert hana.request("PATCH", base, json={"description": "x"}).status_code == 200


def test_an_invitation_of_the_rust_backend_can_be_accepted(hana: Client, migrated: str) -> None:
    """That backend has no way to."""
    kenji = hana.sign_in(43, "kenji@example.com")
    (found,) = rows(kenji, "/invitations", "invitations")
    assert kenji.post(f"/organizations/{found['organization_id']}/accept").json()["status"] == "active"


def test_a_state_that_there_is_not_can_only_be_seen(hana: Client) -> None:
    odd = next(row for row in rows(hana, "/tasks", "tasks") if row["status"] == "bogus")
    assert hana.get("/tasks/stats").json()["total"] == 3
    for move in ("start", "complete", "fail", "cancel", "retry"):
        assert told(hana.post(f"/tasks/{odd['id']}/{move}")) == (409, "conflict")
    changed = hana.request("PATCH", f"/tasks/{odd['id']}", json={"priority": "P1"})
    assert (changed.status_code, changed.json()["task"]["metadata"]) == (200, None)
    assert hana.request("DELETE", f"/tasks/{odd['id']}").status_code == 200
