"""Tasks: planned by people, moved through their states, done by people or by the executions of a coordinator.

Without an organization a list is of what one has made; with one (in the query, or switched to) it is of all its
repositories.
"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, JsonValue, field_validator

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import AgentName, Body, Description, Done, Id, Kept, Name, Object, changes, small
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import Access, Needs, demand
from database import tasks
from database.tasks import Dependency, DependencyType, Filter, Move, Priority, Stats, Task, TaskStatus

router = APIRouter(prefix=f"{PREFIX}/tasks", tags=["tasks"])
Reads = Annotated[Access, Needs("tasks.read")]
ReadsOne = Annotated[Access, Needs("tasks.read", on="task")]
UpdatesOne = Annotated[Access, Needs("tasks.update", on="task")]
Changing = Annotated[Change, Depends(Changes("task"))]
DEEPEST_PAGE = 10_000


class NewTask(Body):
    name: Name
    description: Description | None = None
    repository_id: Id | None = None
    priority: Priority = "P2"
    agent_type: AgentName | None = None
    issue_number: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    metadata: Object = Field({})
    max_retries: int = Field(3, ge=0, le=100)
    timeout_seconds: int = Field(3600, ge=1, le=7 * 24 * 3600)


class TaskChanges(Body):
    """What is left out stays; null empties the description. A `status` is reached by the move that leads there."""

    name: Kept[Name] = None
    description: Description | None = None
    priority: Kept[Priority] = None
    status: Kept[TaskStatus] = None
    metadata: Kept[Object] = None


class Completed(Body):
    result: JsonValue = None

    _small = field_validator("result")(small)


class Failed(Body):
    error_message: Annotated[str, Field(max_length=10_000)] | None = None


class NewDependency(Body):
    depends_on_task_id: Id
    dependency_type: DependencyType = "finish_to_start"


@dataclass(frozen=True)
class Tasks:
    """`total` is exact up to 10,000, which says that there may be more."""

    tasks: list[Task]
    total: int
    page: int
    limit: int


@dataclass(frozen=True)
class OneTask:
    task: Task


@dataclass(frozen=True)
class Dependencies:
    dependencies: list[Dependency]


def wanted(
    status: TaskStatus | None = None,
    priority: Priority | None = None,
    repository_id: UUID | None = None,
    agent_type: Annotated[AgentName | None, Query()] = None,
) -> Filter:
    return Filter(status, priority, agent_type, repository_id)


Wanted = Annotated[Filter, Depends(wanted)]


@router.get("", summary="Tasks: urgent ones first, of these the newest")
def list_tasks(
    access: Reads,
    backend: CurrentBackend,
    filter: Wanted,
    page: Annotated[int, Query(ge=1, le=DEEPEST_PAGE)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Tasks:
    with backend.pool.connection() as connection:
        found = tasks.page(connection, access.user_id, access.organization_id, filter, number=page, limit=limit)
        total = tasks.total(connection, access.user_id, access.organization_id, filter)
    return Tasks(found, total, page, limit)


@router.post("", status_code=201, summary="Make a task, in a repository or for yourself")
def create_task(
    body: NewTask, access: Annotated[Access, Needs("tasks.create", by_statement=True)], creation: CurrentCreation
) -> OneTask:
    def create(connection: Any) -> Task:
        if body.repository_id:
            demand(connection, access.user_id, "tasks.create", "repository", body.repository_id)
        return tasks.create(connection, access.user_id, body.model_dump())

    return creation.once(create, show=OneTask)


@router.get("/stats", summary="How many tasks are in which state")
def get_stats(access: Reads, backend: CurrentBackend) -> Stats:
    with backend.pool.connection() as connection:
        return tasks.stats(connection, access.user_id, access.organization_id)


@router.get("/{task_id}", summary="One task")
def get_task(task_id: UUID, _access: ReadsOne, backend: CurrentBackend, response: Response) -> OneTask:
    with backend.pool.connection() as connection:
        return OneTask(tag(response, tasks.get(connection, task_id)))


@router.patch("/{task_id}", summary="Change a task")
def update_task(task_id: UUID, body: TaskChanges, _access: UpdatesOne, change: Changing) -> OneTask:
    with change.connection() as connection:
        return OneTask(change.tag(tasks.update(connection, task_id, changes(body))))


@router.delete("/{task_id}", summary="Delete a task")
def delete_task(task_id: UUID, _access: Annotated[Access, Needs("tasks.delete", on="task")], change: Changing) -> Done:
    with change.connection() as connection:
        tasks.delete(connection, task_id)
    return Done("Task deleted")


@router.post("/{task_id}/start", summary="pending → running, when what it depends on is done")
def start_task(task_id: UUID, _access: UpdatesOne, change: Changing) -> OneTask:
    return moved(change, task_id, "start")


@router.post("/{task_id}/complete", summary="running → completed, with a result")
def complete_task(task_id: UUID, _access: UpdatesOne, change: Changing, body: Completed | None = None) -> OneTask:
    return moved(change, task_id, "complete", result=body and body.result)


@router.post("/{task_id}/fail", summary="pending or running → failed, with the reason")
def fail_task(task_id: UUID, _access: UpdatesOne, change: Changing, body: Failed | None = None) -> OneTask:
    return moved(change, task_id, "fail", error_message=body and body.error_message)


@router.post("/{task_id}/cancel", summary="pending or running → cancelled")
def cancel_task(task_id: UUID, _access: UpdatesOne, change: Changing) -> OneTask:
    return moved(change, task_id, "cancel")


@router.post("/{task_id}/retry", summary="failed → pending, as often as max_retries says")
def retry_task(task_id: UUID, _access: UpdatesOne, change: Changing) -> OneTask:
    return moved(change, task_id, "retry")


def moved(change: Change, task_id: UUID, how: Move, **given: Any) -> OneTask:
    with change.connection() as connection:
        return OneTask(change.tag(tasks.move(connection, task_id, how, **given)))


@router.get("/{task_id}/dependencies", summary="What a task waits for")
def list_dependencies(task_id: UUID, _access: ReadsOne, backend: CurrentBackend) -> Dependencies:
    with backend.pool.connection() as connection:
        return Dependencies(tasks.dependencies(connection, task_id))


@router.post("/{task_id}/dependencies", status_code=201, summary="Let a task wait for another one")
def add_dependency(task_id: UUID, body: NewDependency, access: UpdatesOne, creation: CurrentCreation) -> Dependency:
    def add(connection: Any) -> Dependency:
        demand(connection, access.user_id, "tasks.read", "task", body.depends_on_task_id)
        return tasks.add_dependency(connection, task_id, body.depends_on_task_id, body.dependency_type)

    return creation.once(add, at=lambda made: f"dependencies/{made.depends_on_task_id}")


@router.get("/{task_id}/dependencies/{depends_on_task_id}", summary="One that a task waits for")
def get_dependency(
    task_id: UUID, depends_on_task_id: UUID, _access: ReadsOne, backend: CurrentBackend, response: Response
) -> Dependency:
    with backend.pool.connection() as connection:
        return tag(response, tasks.dependency(connection, task_id, depends_on_task_id))


@router.delete("/{task_id}/dependencies/{depends_on_task_id}", summary="Let a task not wait for another one any more")
def remove_dependency(
    task_id: UUID,
    depends_on_task_id: UUID,
    _access: UpdatesOne,
    change: Annotated[Change, Depends(Changes("dependency"))],
) -> Done:
    with change.connection() as connection:
        tasks.remove_dependency(connection, task_id, depends_on_task_id)
    return Done("Dependency removed")
