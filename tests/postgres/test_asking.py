"""Executions asked for by agents and by people in the Prefect UI, and what has come to a stop; on a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from database import asking, stalls
from database.asking import ChildRequest, FormRequest

Connection = psycopg.AsyncConnection[Any]


def run(dsn: str, scene: Callable[[Connection], Awaitable[None]]) -> None:
    async def go() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await scene(connection)

    asyncio.run(go())


async def rows(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()  # type: ignore[call-overload, no-any-return]


async def new_user(connection: Connection) -> UUID:
    ((id,),) = await rows(
        connection, "INSERT INTO users (github_id, email, access_token) VALUES (7, 'h@x', 't') RETURNING id"
    )
    return UUID(str(id))


async def new_parent(connection: Connection, user: UUID) -> UUID:
    query = "INSERT INTO agent_executions (agent_type, status, user_id, priority, options) "
    query += "VALUES ('coordinator', 'running', %s, 'P1', '{\"auto_pr\": true}') RETURNING id"
    ((id,),) = await rows(connection, query, user)
    return UUID(str(id))


def test_children_are_made_once_and_are_like_their_parent(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        user = await new_user(connection)
        parent = await new_parent(connection, user)
        wanted = [ChildRequest("codegen", {"a": 1}, issue_number=5), ChildRequest("review", priority="P3")]
        first = await asking.add_children(connection, parent, "step:1", wanted)
        assert await asking.add_children(connection, parent, "step:1", wanted) == first
        assert await asking.add_children(connection, parent, "step:2", wanted) != first
        query = "SELECT agent_type, priority, input, options, user_id, issue_number FROM agent_executions WHERE id = %s"
        found = [(await rows(connection, query, id))[0] for id in first]
        assert found == [
            ("codegen", "P1", {"a": 1}, {"auto_pr": True}, user, 5),
            ("review", "P3", {}, {"auto_pr": True}, user, None),
        ]

    run(migrated, scene)


def test_looking_at_children_keeps_their_order(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        parent = await new_parent(connection, await new_user(connection))
        ids = await asking.add_children(connection, parent, "k", [ChildRequest("issue"), ChildRequest("review")])
        looked = await asking.look(connection, ids[::-1])
        assert [(child.agent_type, child.ended) for child in looked] == [("review", False), ("issue", False)]
        with pytest.raises(LookupError, match="these executions were deleted"):
            await asking.look(connection, [*ids, uuid4()])

    run(migrated, scene)


def test_a_form_is_one_row_of_the_repositorys_owner(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        user = await new_user(connection)
        query = "INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name) "
        ((known,),) = await rows(connection, query + "VALUES (%s, 1, 'Hana', 'Shop', 'Hana/Shop') RETURNING id", user)
        request = FormRequest("codegen", "hana/shop", 270, "P0", {"instructions": "x"})
        first = await asking.ask(connection, request, key="flow-run:1")
        assert await asking.ask(connection, request, key="flow-run:1") == first
        query = "SELECT user_id, repository_id, issue_number, priority, input FROM agent_executions WHERE id = %s"
        assert await rows(connection, query, first) == [(user, known, 270, "P0", {"instructions": "x"})]

    run(migrated, scene)


def test_a_form_without_owner_belongs_to_the_account_of_prefect(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        for request in (FormRequest("issue", "new/one"), FormRequest("issue", "new/one"), FormRequest("refresher")):
            await asking.ask(connection, request, key=str(uuid4()))
        query = "SELECT r.full_name, u.name FROM agent_executions AS e JOIN users AS u ON u.id = e.user_id "
        query += "LEFT JOIN repositories AS r ON r.id = e.repository_id ORDER BY e.created_at"
        expected = [("new/one", "prefect"), ("new/one", "prefect"), (None, "prefect")]
        assert await rows(connection, query) == expected
        assert await rows(connection, "SELECT count(*) FROM repositories") == [(1,)]

    run(migrated, scene)


def test_what_gives_no_sign_of_life_is_found(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        old = "now() - interval '1 hour'"
        for columns, values in (
            ("status, created_at", f"'pending', {old}"),
            ("status, created_at, run_after", f"'pending', {old}, now() + interval '1 hour'"),
            ("status, created_at, dispatched_until", f"'pending', {old}, now() + interval '1 hour'"),
            ("status, created_at, heartbeat_at", f"'running', {old}, {old}"),
            ("status, created_at, heartbeat_at", f"'running', {old}, now()"),
            ("status", "'pending'"),
        ):
            await connection.execute(
                f"INSERT INTO agent_executions (agent_type, {columns}) VALUES ('issue', {values})"  # type: ignore[arg-type]
            )
        assert await stalls.counts(connection) == (4, 2)
        found = await stalls.stalled(connection, after_s=600)
        assert sorted(one.status for one in found) == ["pending", "running"]

    run(migrated, scene)


def test_ready_tasks_are_supplied_once(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        user = await new_user(connection)
        query = "INSERT INTO tasks (user_id, name, agent_type, status, created_at, coordinator_id) "
        query += "VALUES (%s, %s, 'review', %s, now() - interval '1 hour', %s::uuid) RETURNING id"
        ids = {
            name: (await rows(connection, query, user, name, status, coordinator))[0][0]
            for name, status, coordinator in (
                ("done", "completed", None), ("ready", "pending", None), ("waits", "pending", None),
                ("planned", "pending", UUID(int=1)),
            )
        }  # fmt: skip
        for task, before in (("ready", "done"), ("waits", "ready")):
            depends = "INSERT INTO task_dependencies (task_id, depends_on_task_id) VALUES (%s, %s)"
            await connection.execute(depends, [ids[task], ids[before]])
        (ready,) = await stalls.ready_tasks(connection, after_s=600)
        assert ready.name == "ready"
        made = await stalls.supply(connection, ready, {})
        assert await stalls.supply(connection, ready, {}) is None
        assert await rows(connection, "SELECT execution_id, status FROM tasks WHERE id = %s", ready.id) == [
            (made, "running")
        ]
        assert await stalls.ready_tasks(connection, after_s=600) == []

    run(migrated, scene)


def test_no_task_is_supplied_where_the_repository_was_deactivated(migrated: str) -> None:
    async def scene(connection: Connection) -> None:
        user = await new_user(connection)
        place = "INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name) "
        ((here,),) = await rows(connection, place + "VALUES (%s, 1, 'h', 'a', 'h/a') RETURNING id", user)
        task = "INSERT INTO tasks (user_id, repository_id, name, agent_type, created_at) "
        await connection.execute(task + "VALUES (%s, %s, 't', 'review', now() - interval '1 hour')", [user, here])
        (ready,) = await stalls.ready_tasks(connection, after_s=600)
        await connection.execute("UPDATE repositories SET is_active = false")
        assert await stalls.ready_tasks(connection, after_s=600) == []
        assert await stalls.supply(connection, ready, {}) is None

    run(migrated, scene)
