"""What the dashboard asks for: live figures, lists that are searched, releases. Small however much there is."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

import psycopg
import pytest

from database import dashboard, executions
from database.agents import AGENTS
from database.execution_rows import Filter
from tests.backend import Client, sql

ROWS = """
INSERT INTO agent_executions (user_id, repository_id, agent_type, status, created_at, completed_at, result_summary)
SELECT user_id, id, (%(agents)s::text[])[1 + n %% 24],
    CASE WHEN n %% 1000 = 0 THEN 'cancelled' WHEN n %% 20 = 0 THEN 'failed' ELSE 'completed' END,
    now() - n * interval '1 minute', now(), 'Looked at file ' || n
FROM repositories, generate_series(1, 12000) AS n
"""
RELEASE = """
INSERT INTO releases
    (environment, status, requested_by, git_sha, verdicts, error, flow_run_id, lambda_version_after, started_at)
SELECT %s, %s, 'mio', '1f3c2ab', '{"health": true}', E'The health check failed\\nat length', gen_random_uuid(), n,
    '2026-11-27T08:00Z'::timestamptz + n * interval '1 minute'
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def repository_id(hana: Client) -> str:
    return str(hana.post("/repositories", json={"full_name": "hana/garden"}).json()["id"])


@pytest.fixture
def many(migrated: str, repository_id: str) -> Iterator[psycopg.Connection[Any]]:
    """12,000 executions, one a minute."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(ROWS, {"agents": [*AGENTS]})
        connection.execute("ANALYZE agent_executions")
        yield connection


def asked(client: Client, repository_id: str, agent: str = "review") -> str:
    answer = client.post(
        "/agents/execute", json={"repository_id": repository_id, "agent_type": agent, "issue_number": 1}
    )
    return str(answer.json()["id"])


def test_a_new_account_has_figures_all_the_same(hana: Client) -> None:
    live = hana.get("/dashboard/live").json()
    assert (live["running"], live["pending"], len(live["hours"])) == (0, 0, 24)
    assert [state["agent_type"] for state in live["agents"]] == list(AGENTS)
    assert live["agents"][0] == {
        "agent_type": "coordinator", "running": 0, "pending": 0, "completed": 0, "failed": 0,
        "last_id": None, "last_status": None, "last_at": None,
    }  # fmt: skip


def test_figures_are_of_one_s_own_executions(hana: Client, kenji: Client, repository_id: str, migrated: str) -> None:
    ids = [asked(hana, repository_id, agent) for agent in ("review", "review", "review", "codegen", "codegen")]
    for status, place in (("completed", 0), ("failed", 1), ("running", 3)):
        sql(migrated, "UPDATE agent_executions SET status = 'running' WHERE id = %s", ids[place])
        sql(migrated, "UPDATE agent_executions SET status = %s WHERE id = %s", status, ids[place])
    sql(migrated, "UPDATE agent_executions SET created_at = now() - interval '2 days' WHERE id = %s", ids[0])
    sql(migrated, "UPDATE agent_executions SET agent_type = 'retired' WHERE id = %s", ids[4])
    live = hana.get("/dashboard/live").json()
    assert (live["running"], live["pending"]) == (1, 2)
    assert sum(hour["failed"] for hour in live["hours"]) == 1
    assert sum(hour["completed"] for hour in live["hours"]) == 0
    states = {state["agent_type"]: state for state in live["agents"]}
    review = states["review"]
    assert [review[name] for name in ("running", "pending", "completed", "failed")] == [0, 1, 0, 1]
    assert (review["last_id"], review["last_status"]) == (ids[2], "pending")
    assert (states["codegen"]["running"], states["retired"]["pending"]) == (1, 1)
    assert kenji.get("/dashboard/live").json()["pending"] == 0


@pytest.mark.parametrize("query", ["hours", "agents"])
def test_the_figures_read_no_more_than_the_day(many: psycopg.Connection[Any], query: str) -> None:
    values = {"user_id": owner(many), "agents": [*AGENTS], "places": None}
    assert rows_read(many, dashboard.SQL[query], values) <= 24 * 60 + 24 * 5


@pytest.mark.parametrize("wanted", [
    Filter(), Filter("failed"), Filter("cancelled"), Filter("running"), Filter(agent_type="crm"),
])  # fmt: skip
def test_each_list_is_read_by_an_index(many: psycopg.Connection[Any], wanted: Filter) -> None:
    unset = dict.fromkeys(["before_at", "before_id", "places"])
    values = asdict(wanted) | unset | {"user_id": owner(many), "scanned": 51, "limit": 51}
    assert rows_read(many, executions.SQL["page"], values) <= 120


def test_a_text_is_found_wherever_the_list_shows_it(hana: Client, repository_id: str, migrated: str) -> None:
    ids = [asked(hana, repository_id, agent) for agent in ("review", "codegen", "issue")]
    sql(
        migrated, "UPDATE agent_executions SET error_message = '100%% broken', issue_number = 977 WHERE id = %s", ids[0]
    )

    def found(text: str) -> list[str]:
        return [row["id"] for row in hana.get("/agents/executions", params={"text": text}).json()]

    assert found("#977") == found("100% BROKEN") == [ids[0]]
    assert found("ODEGE") == [ids[1]]
    assert found("Hana/Gard") == ids[::-1]
    assert found(ids[2][:13]) == [ids[2]]
    assert found("1000 broken") == []
    assert hana.get("/agents/executions").json()[0]["repository"] == "hana/garden"


def test_a_search_goes_on_where_a_page_gave_up(many: psycopg.Connection[Any]) -> None:
    """All rows are looked at, and 10,000 for a page."""
    user_id, wanted = owner(many), Filter(text="at file 1100")
    first = executions.page(many, user_id, wanted, limit=3)
    second = executions.page(many, user_id, wanted, before=first.next, limit=3)
    rest = executions.page(many, user_id, wanted, before=second.next)
    summaries = [[row.result_summary for row in page.executions] for page in (first, second, rest)]
    assert summaries[0] == ["Looked at file 1100"]
    assert [text for page in summaries[1:] for text in page] == [f"Looked at file {n}" for n in range(11000, 11010)]
    assert rest.next is None


def test_releases_are_seen_by_everyone_who_is_signed_in(hana: Client, migrated: str) -> None:
    sql(migrated, RELEASE, "production", "succeeded", 3)
    sql(migrated, RELEASE, "staging", "failed", 2)
    every = hana.get("/releases").json()
    assert [(release["environment"], release["lambda_version_after"]) for release in every].count(("staging", "2")) == 1
    assert [release["started_at"] for release in every] == sorted((r["started_at"] for r in every), reverse=True)
    assert every[0]["error"] == "The health check failed"
    assert "flow_run_id" not in every[0]
    seen, query = [], {"environment": "production", "limit": 2}
    while query:
        answer = hana.get("/releases", params=query)
        seen += [release["lambda_version_after"] for release in answer.json()]
        cursor = answer.headers.get("x-next-cursor")
        query = query | {"before": cursor} if cursor else {}
    assert seen == ["3", "2", "1"]
    assert hana.get("/releases?before=nonsense").status_code == 422


def owner(connection: psycopg.Connection[Any]) -> UUID:
    row = connection.execute("SELECT id FROM users").fetchone()
    assert row
    return UUID(str(row[0]))


def rows_read(connection: psycopg.Connection[Any], statement: str, values: dict[str, Any]) -> int:
    """How many rows of executions the statement reads, those that it throws away too."""
    query = "EXPLAIN (ANALYZE, FORMAT JSON) " + statement
    row = psycopg.ClientCursor(connection).execute(query.encode(), values).fetchone()
    assert row
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(row[0][0]["Plan"])
        if node.get("Relation Name") == "agent_executions"
    )


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)
