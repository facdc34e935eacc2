"""How PostgreSQL goes about the queue's statements: they read what they need of a long queue and of many ended rows.

Claims do so even where the table was last analysed when it was empty, as in the first minutes of a new one.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from database import queue
from database.agents import AGENTS
from database.queue import Limits
from tests.postgres.queue_support import Async, Rows, rows_in, run

EVERY = list(AGENTS)
PLENTY = """
WITH named AS (
    INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name)
    SELECT (SELECT id FROM users), n, 'hana', 'r' || n / 2, 'hana/r' || n / 2 FROM generate_series(0, 3999) AS n
    RETURNING id, github_repo_id
)
INSERT INTO agent_executions
    (user_id, repository_id, agent_type, status, priority, created_at, completed_at, flow_run_id)
SELECT (SELECT id FROM users), (SELECT id FROM named WHERE github_repo_id = n %% 4000), (%(types)s::text[])[1 + n %% 5],
    CASE WHEN n %% 2 = 0 THEN 'pending' ELSE 'completed' END, 'P' || n %% 4, now() + n * interval '1 ms',
    CASE n %% 2 WHEN 1 THEN now() - n * interval '1 s' END, gen_random_uuid()
FROM generate_series(1, 12000) AS n
"""


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    """6,000 that wait and 6,000 that have ended, one a second until two hours ago, and one that runs; 4,000
    repositories, always two of a name."""
    with rows_in(migrated) as rows:
        rows.connection.execute("ANALYZE agent_executions, repositories")  # of empty tables
        rows.connection.execute(PLENTY, {"types": EVERY[:5]})
        here = rows.one("SELECT id FROM repositories WHERE github_repo_id = 0")
        rows.expire(rows.add(repository=here, status="running", lease_owner="me", attempt=1))
        yield rows


def read(dsn: str, query: str, values: dict[str, Any]) -> int:
    """How many rows of the table and its indexes a statement reads. All by index, and nothing compiled."""

    async def explained(connection: Async) -> Any:
        async with connection.transaction(force_rollback=True):
            if query in ("take", "reserve"):
                await connection.execute(queue.SQL["lock"])
            statement = queue.SQL["permitted"] + queue.SQL[query] if query in ("take", "reserve") else queue.SQL[query]
            cursor = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, values)
            return (await cursor.fetchone() or [None])[0]

    (explanation,) = run(dsn, explained)
    assert "JIT" not in explanation
    done = [node for node in nodes(explanation["Plan"]) if node["Actual Loops"]]
    reads = [node for node in done if node.get("Relation Name") in ("agent_executions", "repositories")]
    assert reads
    assert {node["Node Type"] for node in reads} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan", "ModifyTable"}
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in reads)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.mark.parametrize("then", ["take", "reserve"])
@pytest.mark.parametrize("analysed", [True, False])
def test_a_claim_reads_a_window_of_each_type(migrated: str, rows: Rows, then: str, analysed: bool) -> None:
    if analysed:
        rows.connection.execute("ANALYZE agent_executions, repositories")
    values = queue._rules(EVERY, Limits(total=100, per_repository=5), queue.COLOURS, ())
    values |= {"owner": "me", "lease_s": 30.0, "hold_s": 30.0, "limit": 1, "window": 1 + queue.WINDOW}
    assert read(migrated, then, values) < 20 * (1 + queue.WINDOW), "and not the 6,000 that wait"


@pytest.mark.parametrize(
    ("query", "values", "most"),
    [
        ("release_unknown", {"owner": "me", "running": []}, 5),
        ("reap", {"grace_s": 0}, 5),
        ("renew", {"owner": "me", "executions": [], "lease_s": 30}, 5),
        ("refuse_unknown", {"known": EVERY}, 20),
        ("linked", {"ended_within_s": 60, "limit": 1000}, 100),
    ],
)
def test_what_is_done_every_few_seconds_reads_little(
    migrated: str, rows: Rows, query: str, values: dict[str, Any], most: int
) -> None:
    rows.connection.execute("ANALYZE agent_executions")
    assert read(migrated, query, values) <= most
