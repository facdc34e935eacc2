"""Workflows: graphs of agents' work, stored, run and watched node by node.

`is_public` and `is_template` are kept for people and open nothing: a workflow is seen by who may see its repository.
"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Body, Description, Done, Id, Kept, Name, changes
from api.cursors import CurrentPaging, read_cursor
from api.etags import Change, Changes, tag
from api.executions import refusals
from api.idempotency import CurrentCreation
from api.permissions import Access, Needs, demand
from database import workflows
from database.tasks import Priority
from database.workflow_models import Dag
from database.workflows import Order, Run, RunDetail, Workflow

router = APIRouter(prefix=f"{PREFIX}/workflows", tags=["workflows"])
Reads = Annotated[Access, Needs("workflows.read")]
ReadsOne = Annotated[Access, Needs("workflows.read", on="workflow")]
ExecutesOne = Annotated[Access, Needs("workflows.execute", on="workflow")]
Changing = Annotated[Change, Depends(Changes("workflow"))]


class NewWorkflow(Body):
    name: Name
    description: Description | None = None
    repository_id: Id | None = None
    dag_definition: Dag
    is_template: bool = False
    is_public: bool = False


class WorkflowChanges(Body):
    """What is left out stays; null empties the description."""

    name: Kept[Name] = None
    description: Description | None = None
    dag_definition: Kept[Dag] = None
    is_template: Kept[bool] = None
    is_public: Kept[bool] = None
    is_active: Kept[bool] = None


class NewRun(Body):
    repository_id: Id | None = None
    issue_number: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    priority: Priority = "P2"
    max_parallel: Annotated[int, Field(ge=1, le=5)] | None = None


@dataclass(frozen=True)
class Workflows:
    workflows: list[Workflow]


@dataclass(frozen=True)
class Runs:
    runs: list[Run]


@router.get("", summary="Workflows, newest first")
def list_workflows(
    access: Reads, backend: CurrentBackend, paging: CurrentPaging, repository_id: UUID | None = None
) -> Workflows:
    with backend.pool.connection() as connection:
        found = workflows.page(
            connection, access.user_id, access.organization_id, repository_id=repository_id,
            before=read_cursor(paging), limit=paging.limit + 1,
        )  # fmt: skip
    return Workflows(paging.page(found, lambda last: (last.created_at, last.id)))


@router.post("", status_code=201, summary="Store a workflow, in a repository or for yourself")
def create_workflow(
    body: NewWorkflow,
    access: Annotated[Access, Needs("workflows.create", by_statement=True)],
    creation: CurrentCreation,
) -> Workflow:
    def create(connection: Any) -> Workflow:
        if body.repository_id:
            demand(connection, access.user_id, "workflows.create", "repository", body.repository_id)
        given = {**body.model_dump(), "dag_definition": stored(body.dag_definition)}
        return workflows.create(connection, access.user_id, given)

    with refusals():
        return creation.once(create)


def stored(dag: Dag) -> dict[str, Any]:
    """As it was sent."""
    return dag.model_dump(mode="json", by_alias=True, exclude_unset=True)


@router.get("/{workflow_id}", summary="One workflow, with its graph")
def get_workflow(workflow_id: UUID, _access: ReadsOne, backend: CurrentBackend, response: Response) -> Workflow:
    with backend.pool.connection() as connection:
        return tag(response, workflows.get(connection, workflow_id))


@router.patch("/{workflow_id}", summary="Change a workflow; what runs goes on as it began")
def update_workflow(
    workflow_id: UUID,
    body: WorkflowChanges,
    access: Annotated[Access, Needs("workflows.update", on="workflow")],
    change: Changing,
) -> Workflow:
    given = changes(body) | ({"dag_definition": stored(body.dag_definition)} if body.dag_definition else {})
    with refusals(), change.connection() as connection:
        return change.tag(workflows.update(connection, access.user_id, workflow_id, given))


@router.delete("/{workflow_id}", summary="Delete a workflow of which nothing runs")
def delete_workflow(
    workflow_id: UUID, _access: Annotated[Access, Needs("workflows.delete", on="workflow")], change: Changing
) -> Done:
    with change.connection() as connection:
        workflows.delete(connection, workflow_id)
    return Done("Workflow deleted")


@router.post("/{workflow_id}/execute", status_code=202, summary="Run a workflow")
def execute_workflow(
    workflow_id: UUID, access: ExecutesOne, creation: CurrentCreation, body: NewRun | None = None
) -> Run:
    order = Order(**(body or NewRun()).model_dump())
    with refusals():
        return creation.once(
            lambda connection: workflows.execute(connection, access.user_id, workflow_id, order),
            at=lambda run: f"runs/{run.id}",
        )


@router.get("/{workflow_id}/runs", summary="The runs of a workflow, newest first")
def list_runs(workflow_id: UUID, _access: ReadsOne, backend: CurrentBackend, paging: CurrentPaging) -> Runs:
    with backend.pool.connection() as connection:
        found = workflows.runs(connection, workflow_id, before=read_cursor(paging), limit=paging.limit + 1)
    return Runs(paging.page(found, lambda last: (last.created_at, last.id)))


@router.get("/{workflow_id}/runs/{run_id}", summary="One run, with the state of each node")
def get_run(
    workflow_id: UUID, run_id: UUID, _access: ReadsOne, backend: CurrentBackend, response: Response
) -> RunDetail:
    with backend.pool.connection() as connection:
        return tag(response, workflows.run(connection, workflow_id, run_id))


@router.post("/{workflow_id}/runs/{run_id}/cancel", status_code=202, summary="Cancel a run and all that it started")
def cancel_run(
    workflow_id: UUID, run_id: UUID, access: ExecutesOne, change: Annotated[Change, Depends(Changes("run"))]
) -> RunDetail:
    with refusals("cancelled while it waits or runs"), change.connection() as connection:
        return change.tag(workflows.cancel(connection, access.user_id, workflow_id, run_id))
