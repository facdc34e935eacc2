"""Workflows: what is refused before it is stored, and a run from its order to its last node."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from database import coordination
from database.agent_models import CoordinatorInput
from database.asking import NotRunning
from database.coordination import StoredTask
from tasks.agents.context import Unsuccessful
from tests.backend import Client, sql
from tests.postgres.tenants import join, organization, told
from tests.postgres.test_agent_coordination import House, Workers, coordinate

WORKFLOW = {
    "id", "user_id", "repository_id", "name", "description", "dag_definition", "is_template", "is_public", "is_active",
    "created_at", "updated_at",
}  # fmt: skip
DAG = {
    "nodes": [
        {"id": "market", "agent_type": "market-research", "name": "Look at the market"},
        {"id": "persona", "agent": "PersonaAgent", "description": "Who buys?"},
        {"id": "concept", "agent_type": "product-concept", "depends_on": ["market", "persona"]},
        {"id": "launch", "agent_type": "marketing"},
    ],
    "edges": [{"from": "concept", "to": "launch"}],
}


@pytest.fixture
def repository_id(hana: Client) -> str:
    return str(hana.post("/repositories", json={"full_name": "hana/shop"}).json()["id"])


def stored(client: Client, dag: Any = DAG, **more: Any) -> str:
    made = client.post("/workflows", json={"name": "Launch", "dag_definition": dag, **more})
    return str(made.json()["id"])


def test_a_workflow_is_kept_as_it_was_sent(hana: Client, repository_id: str) -> None:
    body = {"name": "Launch", "description": "d", "repository_id": repository_id, "dag_definition": DAG}
    made = hana.post("/workflows", json=body)
    found = made.json()
    assert (made.status_code, set(found)) == (201, WORKFLOW)
    assert found["dag_definition"]["edges"] == DAG["edges"]
    assert [node["id"] for node in found["dag_definition"]["nodes"]] == ["market", "persona", "concept", "launch"]
    assert found["dag_definition"]["nodes"][1]["agent_type"] == "persona"
    assert hana.get(f"/workflows/{found['id']}").json() == made.json()
    assert hana.get("/workflows").json()["workflows"] == [found]


BAD_GRAPHS: list[tuple[list[Any], str]] = [
    ([], "at least 1"),
    ([{"id": "a", "agent_type": "nobody"}], "no such agent"),
    ([{"id": "a", "agent_type": "coordinator"}], "starts no other"),
    ([{"id": "a b", "agent_type": "sales"}], "pattern"),
    ([{"id": "a", "agent_type": "sales"}] * 2, "two nodes have the id 'a'"),
    ([{"id": "a", "agent_type": "sales", "depends_on": ["b"]}], "'b' is no node"),
    ([{"id": "a", "agent_type": "sales", "depends_on": ["a"]}], "circle: a -> a"),
    ([{"id": id, "agent_type": "sales", "depends_on": [on]} for id, on in ("ab", "bc", "ca")], "a -> b -> c -> a"),
    ([{"id": "a", "agent_type": "review", "input": {"treshold": 1}}], "node 'a': input.treshold"),
    ([{"id": "a", "agent_type": "sales", "secret": 1}], "Extra inputs"),
]  # fmt: skip


def test_a_graph_that_cannot_run_is_refused(hana: Client) -> None:
    for nodes, problem in BAD_GRAPHS:
        answer = hana.post("/workflows", json={"name": "x", "dag_definition": {"nodes": nodes}})
        assert told(answer) == (422, "validation_error")
        assert problem in answer.text
    assert hana.get("/workflows").json()["workflows"] == []


def run_of(house: House, dsn: str, run: str, workers: Workers) -> None:
    """Let the coordinator do what the run's execution asks for."""
    sql(dsn, "UPDATE agent_executions SET status = 'running', started_at = now() WHERE id = %s", run)
    ((given,),) = sql(dsn, "SELECT input FROM agent_executions WHERE id = %s", run)
    house.id = UUID(run)
    context = house.context(issue=None)
    context.input = CoordinatorInput.model_validate(given)
    status = "completed"
    try:
        coordinate(house, context, workers)
    except Unsuccessful:
        status = "failed"
    sql(dsn, "UPDATE agent_executions SET status = %s, completed_at = now() WHERE id = %s", status, run)


def test_a_run_is_a_coordinator_s_and_its_nodes_are_seen(hana: Client, repository_id: str, migrated: str) -> None:
    path = f"/workflows/{stored(hana)}"
    asked = hana.post(f"{path}/execute", json={"repository_id": repository_id}, headers={"Idempotency-Key": "k"})
    again = hana.post(f"{path}/execute", json={"repository_id": repository_id}, headers={"Idempotency-Key": "k"})
    assert (asked.status_code, again.json()) == (202, asked.json())
    run = asked.json()["id"]
    before = hana.get(f"{path}/runs/{run}").json()
    assert [(node["id"], node["status"]) for node in before["nodes"]] == [
        ("market", "waiting"), ("persona", "waiting"), ("concept", "waiting"), ("launch", "waiting"),
    ]  # fmt: skip
    hana.request("PATCH", path, json={"dag_definition": {"nodes": [{"id": "x", "agent_type": "sales"}]}})
    house, workers = House(migrated, UUID(run), UUID(repository_id)), Workers()
    run_of(house, migrated, run, workers)
    assert set(workers.order[:2]) == {"Look at the market", "persona"}
    assert workers.order[2:] == ["concept", "launch"]
    after = hana.get(f"{path}/runs/{run}").json()
    assert {node["status"] for node in after["nodes"]} == {"completed"}
    assert after["nodes"][2]["depends_on"] == ["market", "persona"]
    assert all(node["execution_id"] and node["completed_at"] for node in after["nodes"])
    assert hana.get(f"/agents/executions/{after['nodes'][1]['execution_id']}").json()["input"] == {
        "brief": "persona\n\nWho buys?",
    }  # fmt: skip
    assert [one["id"] for one in hana.get(f"{path}/runs").json()["runs"]] == [run]


def test_a_node_that_fails_holds_back_who_waits_for_it(hana: Client, repository_id: str, migrated: str) -> None:
    path = f"/workflows/{stored(hana, repository_id=repository_id)}"
    run = hana.post(f"{path}/execute").json()["id"]
    house = House(migrated, UUID(run), UUID(repository_id))
    run_of(house, migrated, run, Workers(ends={"persona": "failed", "Look at the market": "escalated"}))
    nodes = {node["id"]: node for node in hana.get(f"{path}/runs/{run}").json()["nodes"]}
    assert {id: node["status"] for id, node in nodes.items()} == {
        "market": "escalated", "persona": "failed", "concept": "cancelled", "launch": "cancelled",
    }  # fmt: skip
    assert nodes["persona"]["error_message"] == "the door is stuck"
    assert "not run" in nodes["concept"]["error_message"]


def test_a_run_is_cancelled(hana: Client, repository_id: str) -> None:
    path = f"/workflows/{stored(hana, repository_id=repository_id)}"
    run = hana.post(f"{path}/execute").json()["id"]
    assert hana.post(f"{path}/runs/{run}/cancel").json()["status"] == "cancelled"
    assert told(hana.post(f"{path}/runs/{run}/cancel")) == (409, "conflict")
    found = hana.get(f"{path}/runs/{run}").json()
    assert {node["status"] for node in found["nodes"]} == {"cancelled"}
    other = f"/workflows/{stored(hana)}"
    for answer in (hana.get(f"{other}/runs/{run}"), hana.post(f"{other}/runs/{run}/cancel")):
        assert told(answer) == (404, "not_found")


CHAIN = {f"n{n}": [f"n{n - 1}"] if n else [] for n in range(20)}
FAN = {"root": [], **{f"leaf{n}": ["root"] for n in range(6)}, "end": [f"leaf{n}" for n in range(6)]}


@dataclass
class Begun:
    """A run whose first nodes are done, whose next ones run, and whose others wait."""

    client: Client
    path: str
    run: str
    dsn: str

    def nodes(self) -> list[str]:
        return [node["status"] for node in self.client.get(f"{self.path}/runs/{self.run}").json()["nodes"]]

    def becomes(self, status: str) -> None:
        move = "UPDATE agent_executions SET status = %s, completed_at = now(), error_message = 'lost' WHERE id = %s"
        sql(self.dsn, move, status, self.run)

    def child_becomes(self, execution: Any, *statuses: str) -> None:
        for status in statuses:
            sql(self.dsn, "UPDATE agent_executions SET status = %s WHERE id = %s", status, execution)


@pytest.fixture
def begin(hana: Client, repository_id: str, migrated: str) -> Callable[..., Begun]:
    def begin(waits: dict[str, list[str]], *, done: int, running: int) -> Begun:
        nodes = [{"id": id, "agent_type": "sales", "depends_on": on} for id, on in waits.items()]
        path = f"/workflows/{stored(hana, {'nodes': nodes}, repository_id=repository_id)}"
        run = hana.post(f"{path}/execute").json()["id"]
        begun, keys = Begun(hana, path, run, migrated), {id: f"task-{n}" for n, id in enumerate(waits, 1)}
        begun.becomes("running")
        rows = [
            StoredTask(keys[id], id, "", "P2", "sales", None, [keys[on] for on in others], {})
            for id, others in waits.items()
        ]
        house, given = House(migrated, UUID(run), UUID(repository_id)), {"input": {}, "options": {}}
        asyncio.run(house.call(coordination.store, UUID(run), rows))
        for number in range(1, done + running + 1):
            start = house.call(coordination.start, UUID(run), f"task-{number}", **given, agent_type="sales")
            begun.child_becomes(asyncio.run(start), "running", *["completed"] * (number <= done))
        return begun

    return begin


@pytest.mark.parametrize(("waits", "done", "running", "end"), [
    (CHAIN, 6, 1, "cancel"), (FAN, 1, 3, "cancel"), (CHAIN, 2, 0, "cancel"), (FAN, 0, 0, "failed"),
    (CHAIN, 1, 0, "cancelled"), (FAN, 1, 1, "failed"),
])  # fmt: skip
def test_what_a_run_has_not_begun_ends_with_it(
    begin: Callable[..., Begun], waits: dict[str, list[str]], done: int, running: int, end: str
) -> None:
    """Between two nodes too; the row of the run's execution may be written by whoever finds that it was lost."""
    begun = begin(waits, done=done, running=running)
    left = len(waits) - done - running
    if end == "cancel":
        begun.client.post(f"{begun.path}/runs/{begun.run}/cancel")
    else:
        begun.becomes(end)
    stats = begun.client.get("/tasks/stats").json()
    assert [stats[one] for one in ("completed", "running", "cancelled", "pending")] == [done, running, left, 0]
    assert begun.nodes() == ["completed"] * done + ["running"] * running + ["cancelled"] * left
    reasons = {task["error_message"] for task in begun.client.get("/tasks?status=cancelled").json()["tasks"]}
    assert reasons == {"not run: its run " + ("failed" if end == "failed" else "was cancelled")}
    sql(
        begun.dsn, "UPDATE agent_executions SET status = 'cancelled' WHERE status = 'running' AND parent_id IS NOT NULL"
    )
    assert begun.nodes().count("cancelled") == left + running


def test_a_run_that_is_tried_again_has_its_nodes_wait_again(begin: Callable[..., Begun]) -> None:
    begun = begin(CHAIN, done=3, running=0)
    begun.becomes("failed")
    assert begun.client.post(f"/agents/executions/{begun.run}/retry").status_code == 202
    assert begun.nodes() == ["completed"] * 3 + ["waiting"] * 17


def test_who_was_taken_for_dead_stores_nothing_any_more(begin: Callable[..., Begun]) -> None:
    begun = begin(FAN, done=0, running=0)
    begun.becomes("failed")
    house, task = House(begun.dsn, UUID(begun.run), UUID(int=0)), StoredTask("x", "x", "", "P2", "sales", None, [], {})
    with pytest.raises(NotRunning):
        asyncio.run(house.call(coordination.store, house.id, [task]))


def test_a_workflow_is_deleted_when_nothing_of_it_runs(begin: Callable[..., Begun]) -> None:
    begun = begin(CHAIN, done=1, running=1)
    begun.client.post(f"{begun.path}/runs/{begun.run}/cancel")
    for end in ("the run", "its child"):
        refused = begun.client.request("DELETE", begun.path)
        assert (*told(refused), refused.json()["details"]) == (409, "conflict", {"runs": [begun.run]}), end
        begun.becomes("cancelled")
        if end == "its child":
            sql(begun.dsn, "UPDATE agent_executions SET status = 'cancelled' WHERE status = 'running'")
    assert begun.client.request("DELETE", begun.path).status_code == 200
    assert begun.client.get("/tasks/stats").json()["total"] == 20


def test_what_a_run_lacks_is_told_before_it_begins(hana: Client, repository_id: str, migrated: str) -> None:
    dag = {"nodes": [{"id": "code", "agent_type": "codegen"}, {"id": "pr", "agent_type": "pr", "issue_number": 7}]}
    path = f"/workflows/{stored(hana, dag)}/execute"
    assert told(hana.post(path)) == (400, "validation_error")
    lacking = hana.post(path, json={"repository_id": repository_id})
    assert told(lacking) == (400, "validation_error")
    assert lacking.json()["details"] == ["node 'code': codegen works on an issue; give its issue_number"]
    assert told(hana.post(path, json={"repository_id": str(uuid4()), "issue_number": 1})) == (404, "not_found")
    assert hana.post(path, json={"repository_id": repository_id, "issue_number": 1}).status_code == 202


def test_a_workflow_of_another_backend_is_shown_and_not_run(hana: Client, repository_id: str, migrated: str) -> None:
    add = """
        INSERT INTO workflows (user_id, repository_id, name, definition)
        SELECT user_id, id, 'old', '{"steps": ["a"]}' FROM repositories RETURNING id
    """
    path = f"/workflows/{sql(migrated, add)[0][0]}"
    assert hana.get(path).json()["dag_definition"] == {"steps": ["a"]}
    answer = hana.post(f"{path}/execute")
    assert told(answer) == (409, "conflict")
    assert any("nodes" in problem for problem in answer.json()["details"])
    hana.request("PATCH", path, json={"dag_definition": DAG, "is_active": False})
    assert "not active" in hana.post(f"{path}/execute").json()["message"]


def test_an_organization_s_workflows_are_its_members(hana: Client, kenji: Client, migrated: str) -> None:
    garden = organization(hana)
    repository = hana.post("/repositories", json={"full_name": "h/a", "organization_id": garden}).json()["id"]
    workflow = stored(hana, repository_id=repository)
    assert told(kenji.get(f"/workflows/{workflow}")) == (404, "not_found")
    join(migrated, garden, "kenji", "viewer")
    assert [one["id"] for one in kenji.get(f"/workflows?organization_id={garden}").json()["workflows"]] == [workflow]
    assert told(kenji.post(f"/workflows/{workflow}/execute")) == (403, "authorization_error")
    join(migrated, garden, "kenji", "member")
    run = kenji.post(f"/workflows/{workflow}/execute").json()["id"]
    assert kenji.post(f"/workflows/{workflow}/runs/{run}/cancel").json()["status"] == "cancelled"
    assert told(kenji.request("DELETE", f"/workflows/{workflow}")) == (403, "authorization_error")
    assert hana.request("DELETE", f"/workflows/{workflow}").json() == {"message": "Workflow deleted"}
