"""Who may run what now: the order of the queue, the colours and the limits, also with many claimers at once."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest

from database import queue
from database.agents import AGENTS
from database.queue import Claim, Limits
from tests.postgres.queue_support import Rows, rows_in, run

EVERY = list(AGENTS)


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


class Claimer:
    """Claims in the name of one worker, for tests that look at the outcome of one call after another."""

    def __init__(self, dsn: str, **options: Any) -> None:
        self.dsn = dsn
        self.options = {"agent_types": EVERY, "limit": 100, "lease_s": 30.0} | options

    def __call__(self, **options: Any) -> list[UUID]:
        return [claim.id for claim in self.claims(**options)]

    def claims(self, **options: Any) -> list[Claim]:
        return run(self.dsn, lambda connection: queue.claim(connection, "me", **self.options | options))


@pytest.fixture
def claim(migrated: str) -> Claimer:
    return Claimer(migrated)


def end(rows: Rows, *executions: UUID) -> None:
    for execution in executions:
        rows.set(execution, status="completed")


def test_a_claim_says_all_that_is_needed_to_work(rows: Rows, claim: Claimer) -> None:
    repository = rows.repository()
    asked = rows.add("review", repository, issue_number=270, input={"path": "."}, options={"x": 1}, timeout_seconds=9)
    (claimed,) = claim.claims()
    assert claimed == Claim(
        id=asked, agent_type="review", repository_id=repository, repository="hana/r1", issue_number=270,
        user_id=rows.user, priority="P2", options={"x": 1}, input={"path": "."}, attempt=1, max_attempts=3,
        timeout_seconds=9, parent_id=None, flow_run_id=None, created_at=claimed.created_at,
    )  # fmt: skip
    assert rows.get(asked, "status", "lease_owner", "attempt", "dispatch") == ("running", "me", 1, 2)
    assert rows.one("SELECT lease_expires_at - now() > interval '25 s' FROM agent_executions")


def test_priority_comes_first_and_age_second(rows: Rows, claim: Claimer) -> None:
    late, soon, first, never = (rows.add(priority=priority) for priority in ("P2", "P1", "P0", "P3"))
    also_late = rows.add("review", priority="P2")
    assert claim(limit=2) == [first, soon]
    assert claim(limit=2) == [late, also_late]
    assert claim() == [never]


def test_only_what_is_asked_for_and_due(rows: Rows, claim: Claimer) -> None:
    rows.add("issue")
    waits, due = rows.add(), rows.add()
    rows.connection.execute("UPDATE agent_executions SET run_after = now() + interval '1 h' WHERE id = %s", [waits])
    rows.connection.execute("UPDATE agent_executions SET run_after = now() - interval '1 s' WHERE id = %s", [due])
    assert claim(agent_types=["codegen", "review"]) == [due]
    assert rows.get(due, "run_after") is None


def test_red_is_alone_in_its_repository(rows: Rows, claim: Claimer) -> None:
    here, there = rows.repository(), rows.repository()
    red, green, other = rows.add("coordinator", here), rows.add("codegen", here), rows.add("codegen", there)
    assert claim() == [red, other]
    assert claim() == []
    end(rows, red)
    assert claim() == [green]


def test_descendants_of_a_red_one_run_beside_it(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    red = rows.add("coordinator", here)
    assert claim() == [red]
    stranger, child = rows.add("review", here), rows.add("review", here, parent_id=red)
    assert claim() == [child]
    grandchild, red_child = rows.add("codegen", here, parent_id=child), rows.add("coordinator", here, parent_id=red)
    assert claim() == [grandchild], "a red child waits for its siblings"
    end(rows, child, grandchild)
    assert claim() == [red_child], "and then it runs beside its parent"
    end(rows, red, red_child)
    assert claim() == [stranger]


def test_a_red_one_that_died_starts_again_while_its_children_run(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    red = rows.add("coordinator", here)
    claim()
    child = rows.add("codegen", here, parent_id=red)
    assert claim() == [child]
    rows.set(red, status="pending")
    stranger = rows.add("codegen", here)
    assert claim() == [red]
    end(rows, red, child)
    assert claim() == [stranger]


def test_nothing_overtakes_a_red_one_that_waits(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    before = rows.add("codegen", here)
    assert claim() == [before]
    red, after = rows.add("coordinator", here), rows.add("codegen", here)
    assert claim() == []
    child, urgent = rows.add("review", here, parent_id=before), rows.add("codegen", here, priority="P0")
    assert claim() == [urgent, child], "only what comes before it, or what it waits for needs"
    end(rows, before, child, urgent)
    assert claim() == [red]
    end(rows, red)
    assert claim() == [after]


def test_yellow_is_one_of_a_type_in_a_repository(rows: Rows, claim: Claimer) -> None:
    here, there = rows.repository(), rows.repository()
    first, second, elsewhere = rows.add("pr", here), rows.add("pr", here), rows.add("pr", there)
    other_type, nowhere, nowhere_too = rows.add("deployment", here), rows.add("pr"), rows.add("pr")
    assert claim() == [first, elsewhere, other_type, nowhere, nowhere_too]
    assert claim() == []
    end(rows, first)
    assert claim() == [second]


def test_a_repository_is_one_by_whomever_it_is_registered(rows: Rows, claim: Claimer) -> None:
    mine, theirs = rows.repository("b"), rows.repository("B")
    red, green = rows.add("coordinator", mine), rows.add("codegen", theirs)
    assert claim() == [red], "two that wait"
    child = rows.add("review", theirs, parent_id=red)
    assert claim() == [child], "one that waits and one that runs"
    end(rows, red, child)
    assert claim() == [green]
    red, after = rows.add("coordinator", mine), rows.add("codegen", theirs)
    assert claim() == [], "nor is it overtaken"
    end(rows, green)
    assert claim() == [red]
    end(rows, red)
    first, second = rows.add("pr", theirs), rows.add("pr", mine)
    assert claim() == [after, first]
    assert claim() == []
    end(rows, after, first)
    assert claim(limits=Limits(per_repository=1)) == [second]
    last = rows.add("codegen", theirs)
    assert claim(limits=Limits(per_repository=1)) == []
    assert claim(limits=Limits(per_repository=2)) == [last]


def test_limits_of_all_of_a_repository_and_of_a_parent(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    crowd = [rows.add("codegen", here) for _ in range(4)]
    others = [rows.add("review") for _ in range(4)]
    assert claim(limits=Limits(per_repository=2)) == [*crowd[:2], *others]
    assert claim(limits=Limits(total=7)) == [crowd[2]]
    assert claim(limits=Limits(total=7)) == []
    end(rows, *crowd[:3], *others)
    rows.set(crowd[3], status="cancelled")
    parent = rows.add("issue", here)
    assert claim() == [parent]
    children = [rows.add("codegen", here, parent_id=parent) for _ in range(7)]
    assert claim() == children[:5]
    assert claim() == []
    end(rows, children[0])
    assert claim() == [children[5]]


def test_a_queue_head_full_of_what_may_not_run_hides_nothing(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    crowd = [rows.add("codegen", here) for _ in range(queue.WINDOW * 2)]
    behind = rows.add("codegen")
    assert claim(limit=5, limits=Limits(per_repository=3)) == [*crowd[:3], behind]


def test_a_parent_that_waits_for_its_children_does_not_keep_them_out(rows: Rows, claim: Claimer) -> None:
    here = rows.repository()
    parent, stranger = rows.add("coordinator", here), rows.add("review")
    tight = Limits(total=1, per_repository=1)
    assert claim(limits=tight) == [parent]
    assert claim(limits=tight) == []
    child = rows.add("codegen", here, parent_id=parent, priority="P0")
    assert claim(limits=tight) == [child]
    assert claim(limits=tight) == []
    end(rows, child)
    assert claim(limits=tight) == [], "the parent works again"
    end(rows, parent)
    assert claim(limits=tight) == [stranger]


def test_what_was_claimed_in_a_lost_answer_is_claimed_again(rows: Rows, claim: Claimer) -> None:
    known, unknown, fresh = rows.add(), rows.add(), rows.add()
    assert claim(limit=3) == [known, unknown, fresh]
    for execution in (known, unknown):
        rows.expire(execution)
    assert claim(running=[known]) == [unknown]
    assert rows.get(unknown, "attempt") == 1
    assert claim(running=[known, unknown]) == [], "a claim of this moment may be on its way"


def test_what_is_still_worked_on_is_not_claimed_by_the_same_owner(rows: Rows, claim: Claimer) -> None:
    mine = rows.add()
    assert claim() == [mine]
    rows.set(mine, status="pending")
    assert claim(running=[mine]) == []
    assert claim(running=[]) == [mine]


def fill(rows: Rows, repositories: Sequence[UUID], number: int, seed: int) -> None:
    """A mixed queue: all types, priorities and repositories, a fifth of it children."""
    chance = random.Random(seed)
    ids: list[UUID] = []
    for _ in range(number):
        parent = chance.choice(ids) if ids and chance.random() < 0.2 else None
        ids.append(rows.add(
            chance.choice(["codegen", "review", "pr", "coordinator", "issue"]), chance.choice(repositories),
            priority=chance.choice(["P0", "P1", "P2", "P3"]), parent_id=parent,
        ))  # fmt: skip


BROKEN_RULES = """
WITH r AS (SELECT * FROM agent_executions WHERE status = 'running'),
working AS (
    SELECT * FROM r WHERE NOT EXISTS (
        SELECT FROM agent_executions AS c WHERE c.parent_id = r.id AND c.status IN ('pending', 'running'))
)
SELECT 'total' FROM working HAVING count(*) > 8
UNION ALL SELECT 'repository' FROM working GROUP BY repository_id HAVING count(*) > 3
UNION ALL SELECT 'parent' FROM r WHERE parent_id IS NOT NULL GROUP BY parent_id HAVING count(*) > 2
UNION ALL SELECT 'yellow' FROM r WHERE agent_type = 'pr' GROUP BY repository_id HAVING count(*) > 1
UNION ALL SELECT 'red' FROM r AS a JOIN r AS b ON a.repository_id = b.repository_id AND a.id <> b.id
    WHERE a.agent_type = 'coordinator' AND a.id <> ALL (b.ancestors) AND b.id <> ALL (a.ancestors)
"""


def test_many_claimers_claim_none_twice_and_break_no_rule(migrated: str, rows: Rows) -> None:
    fill(rows, [rows.repository() for _ in range(4)], 300, seed=7)
    rules = Limits(total=8, per_repository=3, per_parent=2)
    claimed: list[UUID] = []
    seen: list[str] = []

    async def claimer(number: int) -> None:
        async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as connection:
            while len(claimed) < 300:
                claims = await queue.claim(
                    connection, f"w{number}", agent_types=EVERY, limit=1 + number % 3, lease_s=30, limits=rules
                )
                claimed.extend(claim.id for claim in claims)
                broken = await (await connection.execute(BROKEN_RULES)).fetchall()
                seen.extend(row[0] for row in broken)
                await connection.execute(
                    "UPDATE agent_executions SET status = 'completed' WHERE status = 'running' AND lease_owner = %s",
                    [f"w{number}"],
                )

    async def all_of_them() -> None:
        await asyncio.wait_for(asyncio.gather(*map(claimer, range(8))), 60)

    asyncio.run(all_of_them())
    assert len(claimed) == len(set(claimed)) == 300
    assert set(seen) <= {"total", "repository"}, "children that end let their parents work again"


def test_many_claimers_and_limits_without_families(migrated: str, rows: Rows) -> None:
    """Nobody ends here, so the limits hold to the last one."""
    repositories = [rows.repository() for _ in range(4)]
    for place in range(200):
        rows.add("codegen", repositories[place % 4])

    async def claimer(number: int) -> list[Claim]:
        async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as connection:
            return [
                claim
                for _ in range(10)
                for claim in await queue.claim(
                    connection, f"w{number}", agent_types=EVERY, limit=2, lease_s=30,
                    limits=Limits(total=37, per_repository=10),
                )
            ]  # fmt: skip

    async def all_of_them() -> list[list[Claim]]:
        return await asyncio.gather(*map(claimer, range(8)))

    claims = [claim.id for some in asyncio.run(all_of_them()) for claim in some]
    assert len(claims) == len(set(claims)) == rows.running() == 37
    most = rows.one(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM agent_executions WHERE status = 'running' "
        "GROUP BY repository_id) AS of_one"
    )
    assert most == 10


def test_a_row_that_somebody_locks_is_passed_over(migrated: str, rows: Rows, claim: Claimer) -> None:
    locked, free = rows.add(), rows.add()
    with psycopg.connect(migrated) as other:
        other.execute("SELECT FROM agent_executions WHERE id = %s FOR UPDATE", [locked])
        assert claim() == [free]
    assert claim() == [locked]
