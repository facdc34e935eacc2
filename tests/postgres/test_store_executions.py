"""Requests that come at the same time, a list that stays fast, and the wake-up of whoever runs agents."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from database import executions, repositories, users
from database.execution_rows import Filter, Request
from database.refusals import Conflict

T = TypeVar("T")
Connection = psycopg.Connection[Any]


@pytest.fixture
def user_id(migrated: str) -> UUID:
    with psycopg.connect(migrated, autocommit=True) as connection:
        user = users.sign_in_mock(connection, 42, "hana@example.com", name=None, avatar_url="")
    assert user
    return user.id


def eight_at_once(dsn: str, call: Callable[[Connection], T]) -> list[T]:
    def one(_number: int) -> T:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return call(connection)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(one, range(8)))


def test_the_same_repository_at_the_same_time_is_one(migrated: str, user_id: UUID) -> None:
    answers = eight_at_once(migrated, lambda connection: repositories.register(connection, user_id, "hana/garden"))
    assert len({repository.id for repository, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_nothing_is_left_waiting_where_the_repository_is_deactivated_meanwhile(migrated: str, user_id: UUID) -> None:
    """Whoever is second waits for the first: the request is cancelled, or refused."""
    with psycopg.connect(migrated) as first, ThreadPoolExecutor(1) as threads:
        for number, wanted in enumerate(("deactivated", "asked for")):
            repository, _ = repositories.register(first, user_id, f"hana/{number}")
            first.commit()
            made = executions.create(first, user_id, request := Request(repository.id, "review"))
            assert made
            if wanted == "deactivated":
                second = threads.submit(
                    alone, migrated, lambda link, id=repository.id: repositories.deactivate(link, id)
                )
            else:
                repositories.deactivate(first, repository.id)
                second = threads.submit(alone, migrated, lambda link, it=request: executions.create(link, user_id, it))
            with pytest.raises(TimeoutError):
                second.result(0.1)
            first.commit()
            assert (type(second.exception(5)) is Conflict) == (wanted == "asked for")
            row = executions.get(first, user_id, made.id)
            assert row is not None
            assert row.status == "cancelled"


def alone(dsn: str, call: Callable[[Connection], T]) -> T:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return call(connection)


def test_a_request_wakes_the_dispatcher(migrated: str, user_id: UUID) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        repository, _ = repositories.register(connection, user_id, "hana/garden")
        connection.execute("LISTEN agent_executions")
        executions.create(connection, user_id, Request(repository.id, "review"))
        assert len(list(connection.notifies(timeout=2, stop_after=1))) == 1


def test_a_page_far_down_reads_no_more_rows_than_the_first(migrated: str, user_id: UUID) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO agent_executions (user_id, agent_type, status, created_at) "
            "SELECT %s, 'codegen', 'completed', '2025-01-01Z'::timestamptz + n * interval '1 second' "
            "FROM generate_series(1, 5000) AS n",
            (user_id,),
        )
        connection.execute("ANALYZE agent_executions")
        before = executions.page(connection, user_id, Filter(), limit=4000).next
        assert before
        values = asdict(Filter()) | {"user_id": user_id, "places": None, "scanned": 51, "limit": 51}
        values |= {"before_at": before.created_at, "before_id": before.id}
        query = "EXPLAIN (ANALYZE, FORMAT JSON) " + executions.SQL["page"]
        row = psycopg.ClientCursor(connection).execute(query.encode(), values).fetchone()
    assert row
    assert most_rows(row[0][0]["Plan"]) < 100


def most_rows(plan: dict[str, Any]) -> int:
    """The most rows that a step of the plan gave or threw away."""
    here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return max([here, *(most_rows(part) for part in plan.get("Plans", []))])
