"""The history of load tests and what they look at, on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from database.load_runs import LoadRun, count_connections, last_runs, tidy_executions
from tasks.changes import Rollout
from tasks.errors import Permanent, Temporary
from tasks.load_history import compared_and_kept
from tasks.load_requests import EMAIL, TESTER, lift_limit
from tests.backend import NOWHERE, Client, sql
from tests.support import make_rollout

BEGAN = datetime(2026, 11, 27, 9, tzinfo=UTC)
RUN = LoadRun("testing", "baseline", "50 users", True, 10_000, 3, 400.0, 20.0, 40.0, 80.0, BEGAN,
              figures={"outcomes": {"2xx": 9997}}, flow_run_id=UUID(int=7), lambda_version="3")  # fmt: skip


@pytest.fixture(scope="module")
def rollout() -> Rollout:
    return make_rollout()


def keep(rollout: Rollout, dsn: str, run: LoadRun) -> list[str]:
    """Keep a run; the figures that were worse than noise explains."""
    return [one.figure for one in compared_and_kept(rollout, run, dsn=SecretStr(dsn)) if one.worse]


def test_a_run_is_compared_with_the_last_ones_of_the_same_load(rollout: Rollout, migrated: str) -> None:
    assert compared_and_kept(rollout, RUN, dsn=SecretStr(migrated)) == []
    for number in range(1, 12):
        assert keep(rollout, migrated, replace(RUN, p95_ms=40.0 + number % 3, started_at=later(number))) == []
    for other in (replace(RUN, environment="staging"), replace(RUN, profile="spike"), replace(RUN, load="9 users")):
        keep(rollout, migrated, replace(other, p95_ms=9000.0, started_at=later(20)))
    worse = replace(RUN, p95_ms=70.0, per_second=300.0, started_at=later(21))
    assert keep(rollout, migrated, worse) == ["p95_ms", "per_second"]
    with psycopg.connect(migrated) as connection:
        newest, *rest = last_runs(connection, "testing", "baseline", "50 users", most=10)
    assert len(rest) == 9
    assert replace(newest, id=None) == worse
    assert [run.started_at for run in rest] == [later(number) for number in range(11, 2, -1)]


def later(minutes: int) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def test_a_run_that_was_cut_short_is_kept_and_no_measure_for_others(rollout: Rollout, migrated: str) -> None:
    keep(rollout, migrated, RUN)
    cut = replace(RUN, partial=True, p50_ms=None, p95_ms=None, p99_ms=None, requests=0, errors=0, started_at=later(1))
    assert compared_and_kept(rollout, cut, dsn=SecretStr(migrated)) == []
    assert sql(migrated, "SELECT count(*), count(p50_ms) FROM load_runs") == [(2, 1)]
    with psycopg.connect(migrated) as connection:
        assert len(last_runs(connection, "testing", "baseline", "50 users", most=10)) == 1


def test_a_database_without_the_table_says_what_to_do(rollout: Rollout, database: str) -> None:
    with pytest.raises(Permanent, match="run migrate first"):
        keep(rollout, database, RUN)
    with pytest.raises(Temporary, match="cannot be reached"):
        compared_and_kept(rollout, RUN, dsn=SecretStr(NOWHERE), patience=0.0)


def test_connections_are_counted_without_the_one_that_asks(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:  # within a transaction they would not change
        before = count_connections(connection)
        with psycopg.connect(migrated):
            after = count_connections(connection)
    assert after.here == before.here + 1
    assert after.all >= after.here
    assert after.most >= 20


def test_the_load_tests_own_executions_go_and_no_others(migrated: str, visitor: Client) -> None:
    tester, hana = visitor.sign_in(TESTER, "load-test@miyabi.invalid"), visitor.sign_in()
    for client in (tester, hana):
        repository = client.post("/repositories", json={"full_name": "a/b"}).json()["id"]
        body = {"repository_id": repository, "agent_type": "issue", "input": {"issue": {"title": "A load test"}}}
        for _ in range(3):
            assert client.post("/agents/execute", json=body).status_code == 202
    (running,) = tester.get("/agents/executions?limit=1").json()
    sql(migrated, "UPDATE agent_executions SET status = 'running', started_at = now() WHERE id = %s", running["id"])
    with psycopg.connect(migrated, autocommit=True) as connection:
        assert tidy_executions(connection, TESTER) == 2
        assert tidy_executions(connection, TESTER) == 0
    assert [row["status"] for row in tester.get("/agents/executions").json()] == ["running"]
    assert len(hana.get("/agents/executions").json()) == 3


def test_the_load_test_s_account_is_not_limited(migrated: str, visitor: Client, rollout: Rollout) -> None:
    visitor.sign_in(TESTER, EMAIL)
    for _ in range(2):
        lift_limit(rollout, dsn=lambda: migrated)
    assert sql(migrated, "SELECT is_granted(id, 'api.unlimited') FROM users") == [(True,)]
