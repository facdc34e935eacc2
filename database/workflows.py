"""Workflows: stored graphs of agents' work. A run is one execution of the coordinator, whose plan the graph is: it
stores the nodes as tasks and starts each when what it waits for is completed (tasks/agents/coordinator.py).

Whether the user may do what is asked with the workflow is decided before (api/permissions.py); whether in the
repository, by the execution itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from database import executions
from database.agents import AGENTS
from database.execution_rows import Cursor, Request
from database.queries import load
from database.refusals import Absent, Conflict, Invalid
from database.tasks import task_id
from database.workflow_models import COORDINATOR, Dag, lacking, planned

SQL = load("workflows.sql")
Connection = psycopg.Connection[Any]
ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Workflow:
    """`dag_definition` is the column `definition`: in rows of another backend it may be anything."""

    id: UUID
    user_id: UUID | None
    repository_id: UUID | None
    name: str
    description: str | None
    dag_definition: Any
    is_template: bool | None
    is_public: bool | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Order:
    """How to run a workflow; what is None is the workflow's own, or none."""

    repository_id: UUID | None = None
    issue_number: int | None = None
    priority: str = "P2"
    max_parallel: int | None = None


@dataclass(frozen=True)
class Run:
    """`id` is that of the coordinator's execution."""

    workflow_id: UUID
    id: UUID
    repository_id: UUID | None
    issue_number: int | None
    status: str
    priority: str
    result_summary: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class NodeState:
    """How a node of a run stands: `waiting`, `running`, `completed`, `failed`, `escalated` or `cancelled`."""

    id: str
    name: str
    agent_type: str
    depends_on: list[str]
    status: str = "waiting"
    task_id: UUID | None = None
    execution_id: UUID | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    result_summary: str | None = None
    error_message: str | None = None


@dataclass(frozen=True)
class RunDetail(Run):
    nodes: list[NodeState] = field(default_factory=list)


def page(
    connection: Connection, user_id: UUID, organization_id: UUID | None, *, repository_id: UUID | None = None,
    before: Cursor | None = None, limit: int = 50,
) -> list[Workflow]:  # fmt: skip
    """The user's own, or all of an organization."""
    values = {
        "user_id": user_id, "organization_id": organization_id, "repository_id": repository_id, "limit": limit,
        "before_at": before and before.created_at, "before_id": before and before.id,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Workflow)) as cursor:
        return cursor.execute(SQL["page"], values, prepare=False).fetchall()


def get(connection: Connection, workflow_id: UUID) -> Workflow:
    """Raises Absent."""
    with connection.cursor(row_factory=class_row(Workflow)) as cursor:
        if found := cursor.execute(SQL["get"], {"workflow_id": workflow_id}).fetchone():
            return found
    raise absent()


def absent() -> Absent:
    return Absent("You have no such workflow")


def create(connection: Connection, user_id: UUID, given: Mapping[str, Any]) -> Workflow:
    """Raises executions.NotGranted for an agent that this account could not have work."""
    demand_agents(connection, user_id, given)
    values = {**given, "user_id": user_id, "dag_definition": Jsonb(given["dag_definition"])}
    with connection.cursor(row_factory=class_row(Workflow)) as cursor:
        made = cursor.execute(SQL["create"], values).fetchone()
    assert made is not None
    return made


def demand_agents(connection: Connection, user_id: UUID, given: Mapping[str, Any]) -> None:
    nodes = given.get("dag_definition", {}).get("nodes", [])
    executions.demand(connection, user_id, executions.grants_of(node["agent_type"] for node in nodes))


def update(connection: Connection, user_id: UUID, workflow_id: UUID, changes: Mapping[str, Any]) -> Workflow:
    """Write the fields that are given. Runs go on with the graph they began with. Raises Absent, and
    executions.NotGranted as `create` does."""
    demand_agents(connection, user_id, changes)
    names = ("name", "description", "dag_definition", "is_template", "is_public", "is_active")
    values = dict.fromkeys(names) | dict(changes)
    values |= {
        "dag_definition": Jsonb(values["dag_definition"]), "workflow_id": workflow_id, "given": list(changes),
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Workflow)) as cursor:
        if changed := cursor.execute(SQL["update"], values).fetchone():
            return changed
    raise absent()


def delete(connection: Connection, workflow_id: UUID) -> None:
    """With the record of its runs; their executions and tasks stay. Raises Conflict while a run is not over."""
    values = {"workflow_id": workflow_id}
    with connection.transaction():
        connection.execute(SQL["lock"], values)
        if runs := [str(id) for (id,) in connection.execute(SQL["open_runs"], values)]:
            text = f"{len(runs)} run(s) of this workflow are not over: cancel them, and delete it when they have ended"
            raise Conflict(text, {"runs": runs})
        connection.execute(SQL["delete"], values)


def execute(connection: Connection, user_id: UUID, workflow_id: UUID, order: Order) -> Run:
    """Ask for a run. Raises Conflict if the workflow cannot be run, Invalid if the order lacks something, Absent for an
    unknown repository, and executions.NotPermitted."""
    workflow = get(connection, workflow_id)
    dag = runnable(workflow)
    repository_id = order.repository_id or workflow.repository_id
    if repository_id is None:
        raise Invalid("This workflow has no repository: say in which one it is to work, with repository_id")
    if problems := lacking(dag, order.issue_number):
        raise Invalid("Some nodes lack what they work on", problems)
    made = executions.create(connection, user_id, request_of(workflow, dag, order, repository_id))
    if made is None:
        raise Absent("You have no such repository")
    connection.execute(SQL["note_run"], {"execution_id": made.id, "workflow_id": workflow_id})
    return _runs(connection, workflow_id, made.id)[0]


def runnable(workflow: Workflow) -> Dag:
    if not workflow.is_active:
        raise Conflict("This workflow is not active")
    try:
        return Dag.model_validate(workflow.dag_definition)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise Conflict("The graph of this workflow cannot be run", problems) from None


def request_of(workflow: Workflow, dag: Dag, order: Order, repository_id: UUID) -> Request:
    issue = {"title": workflow.name, "body": workflow.description or "", "tasks": planned(dag)}
    return Request(
        repository_id,
        COORDINATOR,
        issue_number=order.issue_number,
        priority=order.priority,
        options={"title": workflow.name, "workflow_id": str(workflow.id)},
        input={"issue": issue, "max_parallel": order.max_parallel or dag.max_parallel},
        max_attempts=AGENTS[COORDINATOR].max_attempts,
    )


def runs(connection: Connection, workflow_id: UUID, *, before: Cursor | None = None, limit: int = 50) -> list[Run]:
    """Newest first."""
    return _runs(connection, workflow_id, before=before, limit=limit)


def _runs(
    connection: Connection, workflow_id: UUID, run_id: UUID | None = None, *, before: Cursor | None = None,
    limit: int = 1,
) -> list[Run]:  # fmt: skip
    values = {
        "workflow_id": workflow_id, "run_id": run_id, "limit": limit,
        "before_at": before and before.created_at, "before_id": before and before.id,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(SQL["runs"], values).fetchall()


def run(connection: Connection, workflow_id: UUID, run_id: UUID) -> RunDetail:
    """A run with its nodes. Raises Absent."""
    found = _runs(connection, workflow_id, run_id)
    if not found:
        raise Absent("This workflow has no such run")
    (plan,) = connection.execute(SQL["plan"], {"run_id": run_id}).fetchone() or ([],)
    keys = [task_id(run_id, f"task-{place}") for place in range(1, len(plan or []) + 1)]
    with connection.cursor(row_factory=dict_row) as cursor:
        stored = {row["task_id"]: row for row in cursor.execute(SQL["nodes"], {"tasks": keys}).fetchall()}
    ended = found[0].status in ENDED
    nodes = [node_state(task, stored.get(key), ended) for task, key in zip(plan or [], keys, strict=True)]
    return RunDetail(**vars(found[0]), nodes=nodes)


def node_state(planned: Mapping[str, Any], row: Mapping[str, Any] | None, ended: bool) -> NodeState:
    """`ended`: nothing of the run will begin any more."""
    plain = NodeState(str(planned["id"]), planned["title"], planned["agent"], list(planned["depends_on"]))
    known = {} if row is None else {name: value for name, value in row.items() if name != "outcome"}
    status = known.get("status", "pending")
    if status == "completed" and row and row["outcome"] == "escalated":
        status = "escalated"
    if status == "pending":
        status = "cancelled" if ended else "waiting"
    return NodeState(**{**vars(plain), **known, "status": status})


def cancel(connection: Connection, user_id: UUID, workflow_id: UUID, run_id: UUID) -> RunDetail:
    """Cancel what waits, and ask what runs to stop. Raises Absent, executions.WrongState and NotPermitted."""
    run(connection, workflow_id, run_id)
    if executions.cancel(connection, user_id, run_id) is None:
        raise Absent("This workflow has no such run")
    return run(connection, workflow_id, run_id)
