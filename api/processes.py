"""Workers and coordinators: the processes that run agents, as they last said. For everyone who is signed in; what a
worker is at, for who may see it.
"""

from dataclasses import dataclass

from fastapi import APIRouter

from api import PREFIX
from api.backend import CurrentBackend
from api.cursors import CurrentPaging
from api.errors import ApiError
from api.permissions import CurrentCaller
from database import processes
from database.processes import COORDINATORS, WORKERS, Coordinator, Worker

router = APIRouter(prefix=PREFIX, tags=["processes"])


@dataclass(frozen=True)
class Workers:
    workers: list[Worker]
    total: int


@dataclass(frozen=True)
class Coordinators:
    coordinators: list[Coordinator]
    total: int


@router.get("/workers", summary="Agent workers, and the workers of Prefect's work pools")
def list_workers(caller: CurrentCaller, backend: CurrentBackend, paging: CurrentPaging) -> Workers:
    after = (paging.position(str) or (None,))[0]
    with backend.pool.connection() as connection:
        found = processes.workers(connection, caller.user_id, after=after, limit=paging.limit + 1)
        total = processes.count(connection, WORKERS)
    return Workers(paging.page(found, lambda last: (last.worker_id,)), total)


@router.get("/workers/{worker_id}", summary="One worker")
def get_worker(worker_id: str, caller: CurrentCaller, backend: CurrentBackend) -> Worker:
    with backend.pool.connection() as connection:
        found = processes.workers(connection, caller.user_id, id=worker_id)
    if not found:
        raise ApiError("not_found", "Worker not found")
    return found[0]


@router.get("/coordinators", summary="Dispatchers, each with the workers of its environment")
def list_coordinators(_caller: CurrentCaller, backend: CurrentBackend, paging: CurrentPaging) -> Coordinators:
    after = (paging.position(str) or (None,))[0]
    with backend.pool.connection() as connection:
        found = processes.coordinators(connection, after=after, limit=paging.limit + 1)
        total = processes.count(connection, COORDINATORS)
    return Coordinators(paging.page(found, lambda last: (last.coordinator_id,)), total)


@router.get("/coordinators/{coordinator_id}", summary="One coordinator")
def get_coordinator(coordinator_id: str, _caller: CurrentCaller, backend: CurrentBackend) -> Coordinator:
    with backend.pool.connection() as connection:
        found = processes.coordinators(connection, id=coordinator_id)
    if not found:
        raise ApiError("not_found", "Coordinator not found")
    return found[0]
