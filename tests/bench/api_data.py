"""A database as after a month of heavy use: a million executions, ten million log lines, and who asked for them.

Made once in `.miyabi/bench-api` (3.3 GB, some minutes) and kept for the next run, which applies new migrations. Hana
has asked for a fifth of the executions; her organization has a hundred members. One log has 50,000 lines.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from database import migrations
from localcloud.postgres import Postgres

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".miyabi" / "bench-api"
EXECUTIONS, LINES, LONG_LOG, USERS, REPOSITORIES = 1_000_000, 10_000_000, 50_000, 100, 500
TASKS = 200_000


PEOPLE = """
INSERT INTO users (id, github_id, email, name, access_token)
SELECT md5('user' || n)::uuid, 1000 + n, 'u' || n || '@example.com', 'User ' || n, ''
FROM generate_series(0, %(users)s - 1) AS n;
INSERT INTO organizations (id, name, slug, owner_id) VALUES (md5('org')::uuid, 'Green', 'green', md5('user0')::uuid);
INSERT INTO organization_members (organization_id, user_id, role, status)
SELECT md5('org')::uuid, md5('user' || n)::uuid, CASE n WHEN 0 THEN 'owner' ELSE 'member' END::org_member_role, 'active'
FROM generate_series(0, %(users)s - 1) AS n;
INSERT INTO repositories (id, user_id, github_repo_id, owner, name, full_name, organization_id)
SELECT md5('repository' || n)::uuid, md5('user' || n %% %(users)s)::uuid, -n, 'green', 'r' || n, 'green/r' || n,
    CASE WHEN n %% 2 = 0 THEN md5('org')::uuid END
FROM generate_series(1, %(repositories)s) AS n
"""
FILL = {
    "agent_executions": """
INSERT INTO agent_executions
    (id, user_id, repository_id, agent_type, issue_number, status, priority, created_at, updated_at, started_at,
     completed_at, result_summary, pr_number, error_message, result)
SELECT md5('execution' || n)::uuid, md5('user' || CASE WHEN n %% 5 = 0 THEN 0 ELSE n %% %(users)s END)::uuid,
    md5('repository' || 1 + n %% %(repositories)s)::uuid,
    (ARRAY['review', 'codegen', 'issue', 'crm', 'pr', 'sales', 'marketing'])[1 + n %% 7], n %% 5000, status,
    'P' || n %% 4, at, at, CASE WHEN status <> 'pending' THEN at + interval '1 s' END,
    CASE WHEN status NOT IN ('pending', 'running') THEN at + interval '30 s' END,
    'Looked at file ' || n, CASE WHEN n %% 20 = 0 THEN n END, CASE status WHEN 'failed' THEN 'The check failed' END,
    '{"status": "success"}'
FROM (
    SELECT n, now() - n * interval '2.5 s' AS at,
        CASE WHEN n <= 200 THEN 'running' WHEN n <= 1000 THEN 'pending' WHEN n %% 50 = 7 THEN 'failed'
            WHEN n %% 100 = 9 THEN 'cancelled' ELSE 'completed' END AS status
    FROM generate_series(1, %(executions)s) AS n
) AS made
""",
    "execution_logs": """
INSERT INTO execution_logs (execution_id, log_level, message, timestamp)
SELECT md5('execution' || CASE WHEN n <= %(long)s THEN 5 ELSE 5 + n * %(executions)s::bigint / %(lines)s END)::uuid,
    CASE WHEN n %% 40 = 0 THEN 'WARN' ELSE 'INFO' END, 'Line ' || n || ' of what an agent says while it works',
    now() - (%(lines)s - n) * interval '0.25 s'
FROM generate_series(1, %(lines)s) AS n
""",
    "tasks": """
INSERT INTO tasks (id, user_id, repository_id, name, status, priority, agent_type, created_at, updated_at)
SELECT md5('task' || n)::uuid, md5('user' || CASE WHEN n %% 5 = 0 THEN 0 ELSE n %% %(users)s END)::uuid,
    md5('repository' || 1 + n %% %(repositories)s)::uuid, 'Task ' || n,
    (ARRAY['pending', 'running', 'completed', 'completed', 'completed', 'failed'])[1 + n %% 6], 'P' || n %% 3, 'review',
    now() - n * interval '10 s', now()
FROM generate_series(1, %(tasks)s) AS n
""",
}
SIZES = {
    "executions": EXECUTIONS, "lines": LINES, "long": LONG_LOG, "users": USERS, "repositories": REPOSITORIES,
    "tasks": TASKS,
}  # fmt: skip


def uuid_of(text: str) -> UUID:
    """As PostgreSQL makes it of md5."""
    return UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


@contextmanager
def filled() -> Iterator[str]:
    """The connection string of the database, made if it is not there and migrated as far as there are migrations."""
    HOME.mkdir(parents=True, exist_ok=True)
    postgres = Postgres(HOME)
    postgres.start()
    try:
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = 'bench'").rowcount:
                make(postgres, connection)
        dsn = postgres.dsn("bench") + "?sslmode=disable"
        migrations.run(dsn, migrations.load(ROOT / "migrations"))
        yield dsn
    finally:
        postgres.stop()


def make(postgres: Postgres, admin: psycopg.Connection[Any]) -> None:
    began = time.monotonic()
    admin.execute("DROP DATABASE IF EXISTS unfinished")
    admin.execute("CREATE DATABASE unfinished")
    dsn = postgres.dsn("unfinished") + "?sslmode=disable"
    migrations.run(dsn, migrations.load(ROOT / "migrations"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
    admin.execute("ALTER DATABASE unfinished RENAME TO bench")
    print(f"made {EXECUTIONS:,} executions and {LINES:,} log lines in {time.monotonic() - began:.0f} s")


def fill(connection: psycopg.Connection[Any]) -> None:
    """Rows first, without triggers and foreign keys, then their indexes."""
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET maintenance_work_mem = '256MB'")
    connection.execute("SET synchronous_commit = off")
    for statement in PEOPLE.split(";\n"):
        connection.execute(statement.encode(), SIZES)
    for table, statement in FILL.items():
        indexes = secondary(connection, table)
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}".encode())
        connection.execute(statement.encode(), SIZES)
        for _, definition in indexes:
            connection.execute(definition.encode())
    connection.execute("VACUUM ANALYZE")


def secondary(connection: psycopg.Connection[Any], table: str) -> list[tuple[str, str]]:
    """Indexes that no constraint needs, and how to make them."""
    find = """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE tablename = %s AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
    """
    return connection.execute(find, (table,)).fetchall()
