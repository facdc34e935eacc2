"""What was left behind before migrations that keep it from happening: put right by them."""

import psycopg

from database import migrations
from tests.postgres.conftest import MIGRATIONS

BEFORE = """
INSERT INTO users (github_id, email, access_token)
    SELECT n, 'u' || n || '@example.com', '' FROM generate_series(1, 4) AS n;
INSERT INTO organizations (name, slug, is_active) VALUES ('Green', 'green', true), ('Gone', 'gone', false);
INSERT INTO organization_members (organization_id, user_id, status, invited_as)
    SELECT o.id, u.id, 'invited', (ARRAY['u1@example.com', '2', NULL])[u.github_id]
    FROM organizations AS o, users AS u WHERE o.slug = 'green' AND u.github_id < 4;
INSERT INTO agent_executions (id, user_id, agent_type, status, error_message)
    SELECT md5(e.name)::uuid, u.id, 'x', e.status, 'the door is stuck'
    FROM users AS u, (VALUES ('run', 'failed'), ('child', 'failed'), ('other', 'running')) AS e (name, status)
    WHERE u.github_id = 1;
INSERT INTO tasks (user_id, name, status, execution_id, metadata)
    SELECT u.id, t.name, t.status, md5(t.child)::uuid, jsonb_build_object('coordinator', md5(t.run)::uuid)
    FROM users AS u, (VALUES
        ('begun', 'running', 'child', 'run'), ('left', 'pending', NULL, 'run'), ('waits', 'pending', NULL, 'other')
    ) AS t (name, status, child, run) WHERE u.github_id = 1;
"""


def test_what_was_left_behind_is_put_right(database: str) -> None:
    files = migrations.load(MIGRATIONS)
    migrations.run(database, files, target=20261127005000)
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(BEFORE.encode())
        migrations.run(database, files)

        def rows(query: str) -> list[tuple[object, ...]]:
            return conn.execute(query.encode()).fetchall()

        assert rows("SELECT name, status, error_message FROM tasks ORDER BY name") == [
            ("begun", "failed", "the door is stuck"), ("left", "cancelled", "not run: its run failed"),
            ("waits", "pending", None),
        ]  # fmt: skip
        assert rows("SELECT email, github_id FROM organization_invitations ORDER BY email") == [
            ("u1@example.com", None), (None, 2),
        ]  # fmt: skip
        assert rows("SELECT u.github_id FROM organization_members AS m JOIN users AS u ON u.id = m.user_id") == [(3,)]
        assert rows("SELECT slug = 'gone~' || id FROM organizations WHERE NOT is_active") == [(True,)]
        invited = "SELECT u.github_id FROM users AS u, invitations_to(u.id) ORDER BY u.github_id"
        assert rows(invited) == [(1,), (2,), (3,)]
