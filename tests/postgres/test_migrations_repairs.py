"""Our own migrations on a deployed database that has data, good and bad; and the rules that they bring."""

import datetime
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from database import migrations
from tests.postgres.conftest import MIGRATIONS

Connection = psycopg.Connection[Any]

BEFORE = """
INSERT INTO users (id, github_id, email, access_token) VALUES ('00000000-0000-0000-0000-000000000001', 1, 'a@b', '');
INSERT INTO tasks (id, name, failed_at) VALUES
    ('00000000-0000-0000-0000-00000000000a', 'a', '2026-01-02 03:04:05'),
    ('00000000-0000-0000-0000-00000000000b', 'b', NULL);
INSERT INTO task_dependencies (task_id, depends_on_task_id) VALUES
    ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000a'),
    ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b');
INSERT INTO user_permissions (user_id, permission_id, expires_at)
    SELECT '00000000-0000-0000-0000-000000000001', p.id, e.at
    FROM permissions p, (VALUES (now()), (NULL), (now() + interval '1 day'), (NULL)) AS e (at)
    WHERE p.code IN ('agents.read', 'agents.stop');
INSERT INTO agent_executions (agent_type, status) VALUES ('codegen', 'bogus'), ('codegen', 'running');
INSERT INTO execution_logs (execution_id, log_level, message)
    SELECT id, 'INFO', 'line' || n FROM agent_executions, generate_series(1, 3) AS n;
"""


@pytest.fixture
def repaired(database: str) -> Iterator[Connection]:
    """A deployed database with data, after our migrations."""
    files = migrations.load(MIGRATIONS)
    migrations.run(database, files, target=20251125000001)
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(BEFORE.encode())
        conn.execute("SET TimeZone = 'Asia/Tokyo'")
        migrations.run(database, files)
        yield conn


@pytest.fixture
def conn(migrated: str) -> Iterator[Connection]:
    with psycopg.connect(migrated, autocommit=True) as conn:
        yield conn


def one(conn: Connection, query: str, *parameters: object) -> Any:
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


class TestOldData:
    def test_a_task_no_longer_waits_for_itself(self, repaired: Connection) -> None:
        assert one(repaired, "SELECT count(*) FROM task_dependencies") == 1

    def test_times_without_zone_were_utc(self, repaired: Connection) -> None:
        wanted = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        assert one(repaired, "SELECT failed_at FROM tasks WHERE failed_at IS NOT NULL") == wanted
        left = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND data_type = %s"
        assert one(repaired, left, "timestamp without time zone") == 0

    def test_of_equal_grants_the_longest_lasting_stays(self, repaired: Connection) -> None:
        assert repaired.execute("SELECT expires_at FROM user_permissions").fetchall() == [(None,), (None,)]

    def test_an_unknown_status_stays_and_no_new_one_comes(self, repaired: Connection) -> None:
        assert one(repaired, "SELECT count(*) FROM agent_executions WHERE status = 'bogus'") == 1
        unchecked = repaired.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated").fetchall()
        assert unchecked == [("agent_executions_status_check",)]
        with pytest.raises(errors.CheckViolation):
            repaired.execute("INSERT INTO agent_executions (agent_type, status) VALUES ('codegen', 'bogus')")

    def test_old_log_lines_are_numbered(self, repaired: Connection) -> None:
        assert one(repaired, "SELECT count(DISTINCT sequence) FROM execution_logs") == 6

    def test_an_execution_gets_the_defaults_of_the_queue(self, repaired: Connection) -> None:
        row = repaired.execute(
            "SELECT DISTINCT priority, attempt, max_attempts, input FROM agent_executions"
        ).fetchall()
        assert row == [("P2", 0, 3, {})]


def test_on_clean_data_every_rule_is_checked(conn: Connection) -> None:
    assert one(conn, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0


def test_a_task_cannot_wait_for_itself(conn: Connection) -> None:
    task = one(conn, "INSERT INTO tasks (name) VALUES ('a') RETURNING id")
    insert = "INSERT INTO task_dependencies (task_id, depends_on_task_id) VALUES (%s, %s)"
    with pytest.raises(errors.RaiseException, match="Circular dependency detected"):
        conn.execute(insert, [task, task])
    other = one(conn, "INSERT INTO tasks (name) VALUES ('b') RETURNING id")
    conn.execute(insert, [task, other])
    with pytest.raises(errors.RaiseException, match="Circular dependency detected"):
        conn.execute(insert, [other, task])
    conn.execute("UPDATE task_dependencies SET task_id = %s, depends_on_task_id = %s", [other, task])


def test_a_system_wide_grant_is_stored_once(conn: Connection) -> None:
    user = one(conn, "INSERT INTO users (github_id, email, access_token) VALUES (1, 'a@b', '') RETURNING id")
    insert = "INSERT INTO user_permissions (user_id, permission_id) SELECT %s, id FROM permissions LIMIT 1"
    conn.execute(insert, [user])
    with pytest.raises(errors.UniqueViolation):
        conn.execute(insert, [user])


def execution(conn: Connection, status: str = "pending", **columns: object) -> UUID:
    names = ", ".join(["agent_type", "status", *columns])
    marks = ", ".join(["%s"] * (2 + len(columns)))
    query = f"INSERT INTO agent_executions ({names}) VALUES ({marks}) RETURNING id"
    return UUID(str(one(conn, query, "codegen", status, *columns.values())))


ALLOWED = {
    ("pending", "running"), ("pending", "cancelled"), ("pending", "failed"),
    ("running", "completed"), ("running", "failed"), ("running", "cancelled"), ("running", "pending"),
    ("failed", "pending"),
}  # fmt: skip
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_an_execution_moves_only_as_it_may(conn: Connection, before: str, after: str) -> None:
    identity = execution(conn, before)
    update = "UPDATE agent_executions SET status = %s WHERE id = %s"
    if before == after or (before, after) in ALLOWED:
        conn.execute(update, [after, identity])
        return
    with pytest.raises(errors.CheckViolation) as caught:
        conn.execute(update, [after, identity])
    assert caught.value.diag.constraint_name == "agent_executions_status_moves"
    assert str(caught.value).startswith(f"execution {identity} cannot go from {before} to {after}")


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"priority": "P9"}, "agent_executions_priority_check"),
        ({"quality_score": 101}, "agent_executions_quality_score_check"),
        ({"quality_score": -1}, "agent_executions_quality_score_check"),
        ({"max_attempts": 0}, "agent_executions_attempts_check"),
        ({"timeout_seconds": 0}, "agent_executions_timeout_check"),
    ],
)
def test_an_execution_keeps_its_rules(conn: Connection, columns: dict[str, object], rule: str) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        execution(conn, **columns)
    assert caught.value.diag.constraint_name == rule


def test_an_idempotency_key_is_used_once_by_a_user(conn: Connection) -> None:
    users = [
        one(conn, "INSERT INTO users (github_id, email, access_token) VALUES (%s, 'a@b', '') RETURNING id", n)
        for n in (1, 2)
    ]
    for user in (*users, None):
        execution(conn, user_id=user, idempotency_key="k")
        execution(conn, user_id=user)
        execution(conn, user_id=user)
        with pytest.raises(errors.UniqueViolation):
            execution(conn, user_id=user, idempotency_key="k")


def test_pending_executions_wake_a_listener_once_a_transaction(conn: Connection, migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as listener:
        listener.execute("LISTEN agent_executions")

        def heard() -> int:
            """How often it was woken; a notice of our own comes last, since they keep their order."""
            conn.execute("NOTIFY agent_executions, 'end'")
            payloads: list[str] = []
            while "end" not in payloads:
                payloads += [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]
            return len(payloads) - 1

        with conn.transaction():
            for _ in range(3):
                identity = execution(conn)
        assert heard() == 1
        execution(conn, "completed")
        conn.execute("UPDATE agent_executions SET status = 'running' WHERE id = %s", [identity])
        conn.execute("UPDATE agent_executions SET heartbeat_at = now(), status = status WHERE id = %s", [identity])
        assert heard() == 0
        conn.execute("UPDATE agent_executions SET status = 'pending' WHERE id = %s", [identity])
        assert heard() == 1


def test_log_lines_of_one_moment_have_an_order(conn: Connection) -> None:
    identity = execution(conn)
    conn.execute(
        "INSERT INTO execution_logs (execution_id, log_level, message) "
        "SELECT %s, 'INFO', n FROM generate_series(1, 5) AS n",
        [identity],
    )
    lines = conn.execute("SELECT message, sequence FROM execution_logs ORDER BY sequence").fetchall()
    assert [line for line, _ in lines] == ["1", "2", "3", "4", "5"]
    assert one(conn, "SELECT count(*) FROM execution_logs WHERE sequence > %s", lines[2][1]) == 2


def test_steps_and_undo_log_go_with_what_they_belong_to(conn: Connection) -> None:
    identity = execution(conn, "running")
    step = "INSERT INTO execution_steps (execution_id, number, name) VALUES (%s, %s, 'clone')"
    conn.execute(step, [identity, 1])
    with pytest.raises(errors.UniqueViolation):
        conn.execute(step, [identity, 1])
    child = execution(conn, parent_id=identity)
    release = one(conn, "INSERT INTO releases (id, environment) VALUES (%s, 'local') RETURNING id", uuid4())
    conn.execute(
        "INSERT INTO release_steps (release_id, number, name, kind, resource, before) "
        "VALUES (%s, 1, 'shift traffic', 'alias', 'live', '{}')",
        [release],
    )
    assert one(conn, "SELECT verdicts FROM releases") == {}
    conn.execute("DELETE FROM agent_executions WHERE id = %s", [identity])
    conn.execute("DELETE FROM releases")
    assert one(conn, "SELECT parent_id FROM agent_executions WHERE id = %s", child) is None
    assert one(conn, "SELECT (SELECT count(*) FROM execution_steps) + (SELECT count(*) FROM release_steps)") == 0


PLENTY = """
INSERT INTO users (github_id, email, access_token) SELECT n, 'a@b', '' FROM generate_series(1, 100) AS n;
INSERT INTO agent_executions (user_id, agent_type, status, lease_expires_at)
    SELECT id, 'codegen', (ARRAY['pending', 'running', 'completed', 'completed'])[1 + n % 4], now() + n * interval '1 h'
    FROM users, generate_series(1, 100) AS n;
INSERT INTO execution_logs (execution_id, log_level, message) SELECT id, 'INFO', '' FROM agent_executions LIMIT 1000;
INSERT INTO releases (environment, started_at)
    SELECT (ARRAY['local', 'staging'])[1 + n % 2], now() + n * interval '1 h' FROM generate_series(1, 1000) AS n;
ANALYZE;
"""


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT id FROM agent_executions WHERE status = 'pending' AND agent_type = 'codegen' "
            "ORDER BY priority, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
            "idx_agent_executions_pending",
        ),
        (
            "SELECT * FROM agent_executions WHERE user_id = %(user)s ORDER BY created_at DESC, id LIMIT 20",
            "idx_agent_executions_user_recent",
        ),
        ("SELECT * FROM agent_executions ORDER BY created_at DESC, id LIMIT 20", "idx_agent_executions_recent"),
        (
            "SELECT * FROM execution_logs WHERE execution_id = %(execution)s AND sequence > 5 ORDER BY sequence",
            "idx_execution_logs_execution_sequence",
        ),
        ("SELECT * FROM releases WHERE environment = 'local' ORDER BY started_at DESC LIMIT 1", "idx_releases_recent"),
    ],
)
def test_the_common_reads_have_their_index(conn: Connection, query: str, index: str) -> None:
    conn.execute(PLENTY.encode())
    user, identity = conn.execute("SELECT user_id, id FROM agent_executions LIMIT 1").fetchone() or (None, None)
    plan = conn.execute(f"EXPLAIN {query}".encode(), {"user": user, "execution": identity}).fetchall()
    assert index in "\n".join(line for (line,) in plan)
