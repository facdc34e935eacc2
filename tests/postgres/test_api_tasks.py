"""Tasks: every move from every state, what waits for what, and that a list cannot be asked for without end."""

import threading
from typing import Any
from uuid import uuid4

import psycopg

from tests.backend import Client, sql
from tests.postgres.tenants import join, organization, told

TASK = {
    "id", "user_id", "repository_id", "name", "description", "status", "priority", "agent_type", "issue_number",
    "execution_id", "started_at", "completed_at", "failed_at", "cancelled_at", "retry_count", "max_retries",
    "timeout_seconds", "metadata", "result", "error_message", "created_at", "updated_at",
}  # fmt: skip
MOVES = {
    "start": {"pending": "running"},
    "complete": {"running": "completed"},
    "fail": {"pending": "failed", "running": "failed"},
    "cancel": {"pending": "cancelled", "running": "cancelled"},
    "retry": {"failed": "pending"},
}
STATES = ("pending", "running", "completed", "failed", "cancelled")


def task(client: Client, name: str = "a", **more: Any) -> str:
    return str(client.post("/tasks", json={"name": name, **more}).json()["task"]["id"])


def test_a_task_is_made_with_the_mission_s_fields(hana: Client) -> None:
    made = hana.post("/tasks", json={"name": "Write", "agent_type": "CodeGenAgent", "metadata": {"a": 1}})
    assert (made.status_code, set(made.json()["task"])) == (201, TASK)
    found = made.json()["task"]
    assert (found["status"], found["priority"], found["agent_type"], found["max_retries"]) == (
        "pending",
        "P2",
        "codegen",
        3,
    )
    assert hana.get(f"/tasks/{found['id']}").json() == made.json()


def test_each_move_is_made_from_its_states_alone(hana: Client, migrated: str) -> None:
    identity = task(hana)
    for move, allowed in MOVES.items():
        for state in STATES:
            sql(migrated, "UPDATE tasks SET status = %s, retry_count = 0 WHERE id = %s", state, identity)
            answer = hana.post(f"/tasks/{identity}/{move}")
            if state in allowed:
                assert (answer.status_code, answer.json()["task"]["status"]) == (200, allowed[state]), (move, state)
            else:
                assert told(answer) == (409, "conflict"), (move, state)
                assert answer.json()["details"] == {"status": state}
        assert told(hana.post(f"/tasks/{uuid4()}/{move}")) == (404, "not_found")


def test_what_a_move_leaves_behind(hana: Client) -> None:
    path = f"/tasks/{task(hana, max_retries=1)}"
    started = hana.post(f"{path}/start").json()["task"]
    failed = hana.post(f"{path}/fail", json={"error_message": "no tests"}).json()["task"]
    assert None not in (started["started_at"], failed["failed_at"])
    assert (failed["error_message"], failed["completed_at"]) == ("no tests", None)
    again = hana.post(f"{path}/retry").json()["task"]
    assert [again[name] for name in ("retry_count", "started_at", "failed_at", "error_message")] == [
        1,
        None,
        None,
        None,
    ]
    hana.post(f"{path}/fail")
    assert told(hana.post(f"{path}/retry")) == (409, "conflict")
    path = f"/tasks/{task(hana)}"
    hana.post(f"{path}/start")
    done = hana.post(f"{path}/complete", json={"result": {"files": 3}}).json()["task"]
    assert (done["result"], done["completed_at"] is None) == ({"files": 3}, False)
    assert hana.post(f"/tasks/{task(hana)}/cancel").json()["task"]["cancelled_at"]


def test_a_change_does_not_pass_the_machine(hana: Client) -> None:
    path = f"/tasks/{task(hana, description='x')}"
    refused = hana.request("PATCH", path, json={"status": "completed", "name": "b"})
    assert told(refused) == (409, "conflict")
    assert hana.get(path).json()["task"]["name"] == "a"
    assert told(hana.request("PATCH", path, json={"status": "bogus"})) == (422, "validation_error")
    changed = hana.request("PATCH", path, json={"status": "running", "description": None, "priority": "P0"})
    found = changed.json()["task"]
    assert (found["status"], found["description"], found["priority"]) == ("running", None, "P0")
    assert found["started_at"]


def test_nobody_overwrites_what_another_has_changed(hana: Client) -> None:
    path = f"/tasks/{task(hana)}"
    seen = hana.get(path).headers["etag"]
    for wanted in (200, 412):
        assert hana.request("PATCH", path, json={"name": "b"}, headers={"If-Match": seen}).status_code == wanted


def test_a_task_starts_when_what_it_waits_for_is_done(hana: Client) -> None:
    first, second = task(hana, "first"), task(hana, "second")
    made = hana.post(f"/tasks/{second}/dependencies", json={"depends_on_task_id": first})
    assert (made.status_code, made.json()["name"], made.json()["status"]) == (201, "first", "pending")
    refused = hana.post(f"/tasks/{second}/start")
    assert (told(refused), refused.json()["details"]) == ((409, "conflict"), {"waits_for": [first]})
    for move in ("start", "complete"):
        hana.post(f"/tasks/{first}/{move}")
    assert hana.post(f"/tasks/{second}/start").status_code == 200
    (found,) = hana.get(f"/tasks/{second}/dependencies").json()["dependencies"]
    assert (found["depends_on_task_id"], found["dependency_type"]) == (first, "finish_to_start")
    path = f"/tasks/{second}/dependencies/{first}"
    assert [hana.request("DELETE", path).status_code for _ in range(2)] == [200, 404]


def test_the_other_ways_to_wait(hana: Client) -> None:
    first, second = task(hana, "first"), task(hana, "second")
    body = {"depends_on_task_id": first, "dependency_type": "start_to_start"}
    hana.post(f"/tasks/{second}/dependencies", json=body)
    assert hana.post(f"/tasks/{second}/start").status_code == 409
    hana.post(f"/tasks/{first}/start")
    assert hana.post(f"/tasks/{second}/start").status_code == 200
    third = task(hana, "third")
    body = {"depends_on_task_id": first, "dependency_type": "finish_to_finish"}
    hana.post(f"/tasks/{third}/dependencies", json=body)
    assert hana.post(f"/tasks/{third}/start").status_code == 200
    assert hana.post(f"/tasks/{third}/complete").status_code == 409
    hana.post(f"/tasks/{first}/complete")
    assert hana.post(f"/tasks/{third}/complete").status_code == 200


def test_what_has_begun_waits_for_nothing_more_before_it_begins(hana: Client) -> None:
    first, second = task(hana, "first"), task(hana, "second")
    hana.post(f"/tasks/{second}/start")
    answers = [
        hana.post(f"/tasks/{second}/dependencies", json={"depends_on_task_id": first, "dependency_type": kind})
        for kind in ("finish_to_start", "start_to_start", "finish_to_finish")
    ]
    assert [answer.status_code for answer in answers] == [409, 409, 201]
    assert answers[0].json()["details"] == {"status": "running"}


def test_no_circle_and_no_dependency_twice(hana: Client) -> None:
    a, b, c = (task(hana, name) for name in "abc")

    def wait(who: str, on: str) -> int:
        return hana.post(f"/tasks/{who}/dependencies", json={"depends_on_task_id": on}).status_code

    assert [wait(a, b), wait(b, c), wait(c, a), wait(a, a), wait(a, b)] == [201, 201, 409, 409, 409]


def test_two_halves_of_a_circle_at_once(hana: Client, migrated: str) -> None:
    a, b = task(hana, "a"), task(hana, "b")
    add = "INSERT INTO task_dependencies (task_id, depends_on_task_id) VALUES (%s, %s)"
    caught: list[Exception] = []

    def second() -> None:
        try:
            sql(migrated, add, b, a)
        except psycopg.errors.RaiseException as error:
            caught.append(error)

    with psycopg.connect(migrated) as connection:
        connection.execute(add, [a, b])
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        connection.commit()
        thread.join()
    assert len(caught) == 1


def test_a_task_waits_for_no_one_else_s(hana: Client, kenji: Client, migrated: str) -> None:
    garden = organization(hana)
    repository = hana.post("/repositories", json={"full_name": "h/a", "organization_id": garden}).json()["id"]
    mine, shared, theirs = task(hana), task(hana, repository_id=repository), task(kenji)
    path = f"/tasks/{mine}/dependencies"
    assert told(hana.post(path, json={"depends_on_task_id": theirs})) == (404, "not_found")
    assert told(hana.post(path, json={"depends_on_task_id": shared})) == (400, "validation_error")


def test_an_execution_s_task_follows_the_execution(hana: Client, migrated: str) -> None:
    identity = task(hana)
    insert = "INSERT INTO agent_executions (agent_type, status) VALUES ('codegen', 'running') RETURNING id"
    execution = str(sql(migrated, insert)[0][0])
    sql(migrated, "UPDATE tasks SET status = 'running', execution_id = %s WHERE id = %s", execution, identity)
    for answer in (hana.post(f"/tasks/{identity}/complete"), hana.request("DELETE", f"/tasks/{identity}")):
        assert (told(answer), answer.json()["details"]) == ((409, "conflict"), {"execution_id": execution})
    sql(migrated, "UPDATE agent_executions SET status = 'failed' WHERE id = %s", execution)
    assert hana.request("DELETE", f"/tasks/{identity}").json() == {"message": "Task deleted"}


def test_a_list_is_filtered_sorted_and_bounded(hana: Client, kenji: Client, migrated: str) -> None:
    made = [task(hana, name, priority=priority) for name, priority in (("a", "P2"), ("b", "P0"), ("c", "P2"))]
    first = hana.get("/tasks?limit=2").json()
    rest = hana.get("/tasks?limit=2&page=2").json()
    assert [row["name"] for row in first["tasks"] + rest["tasks"]] == ["b", "c", "a"]
    assert {name: first[name] for name in ("total", "page", "limit")} == {"total": 3, "page": 1, "limit": 2}
    hana.post(f"/tasks/{made[0]}/cancel")
    assert [row["name"] for row in hana.get("/tasks?status=cancelled&priority=P2").json()["tasks"]] == ["a"]
    for query in ("page=0", "page=-1", "limit=0", "limit=-5", "limit=101", "page=10001", "status=x", "agent_type=x"):
        assert told(hana.get(f"/tasks?{query}")) == (422, "validation_error"), query
    stats = hana.get("/tasks/stats").json()
    assert stats == {"total": 3, "pending": 2, "running": 0, "completed": 0, "failed": 0, "cancelled": 1}
    assert kenji.get("/tasks").json()["total"] == 0


def test_an_organization_s_tasks_are_its_members(hana: Client, kenji: Client, migrated: str) -> None:
    garden = organization(hana)
    repository = hana.post("/repositories", json={"full_name": "h/a", "organization_id": garden}).json()["id"]
    identity = task(hana, repository_id=repository)
    assert told(kenji.get(f"/tasks?organization_id={garden}")) == (404, "not_found")
    join(migrated, garden, "kenji", "viewer")
    assert [row["id"] for row in kenji.get(f"/tasks?organization_id={garden}").json()["tasks"]] == [identity]
    assert told(kenji.post(f"/tasks/{identity}/start")) == (403, "authorization_error")
    assert told(kenji.post("/tasks", json={"name": "x", "repository_id": repository})) == (403, "authorization_error")
    join(migrated, garden, "hana", "owner", "suspended")
    assert hana.get("/tasks").json()["total"] == 0
