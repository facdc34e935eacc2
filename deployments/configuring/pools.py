"""The work pools that the deployments name."""

from collections.abc import Collection
from typing import Any

from deployments.configuring.pool_files import pool_names, work_pool
from deployments.configuring.server import Report, Server

AGENT_POOL = "agents"


def ensure_pools(server: Server, names: Collection[str], report: Report, *, agents: int) -> None:
    """Make what is missing. What a person has set in a pool stays; `agents` is the limit of theirs if it has none."""
    for name in sorted(names):
        pool = server.request("GET", f"/work_pools/{name}")
        if pool is None:
            pool = server.request("POST", "/work_pools/", wanted(name))
            report(f"made work pool {name} ({pool['type']})")
        if name == AGENT_POOL and pool["concurrency_limit"] is None:
            server.request("PATCH", f"/work_pools/{name}", {"concurrency_limit": agents})
            report(f"work pool {name} runs {agents} at a time")


def wanted(name: str) -> dict[str, Any]:
    """A new pool: as its file says, else of plain processes."""
    if name in pool_names():
        return work_pool(name)
    from prefect.workers.process import ProcessWorker  # 0.3 s, and mostly the pool is there

    return {"name": name, "type": "process", "base_job_template": ProcessWorker.get_default_base_job_template()}
