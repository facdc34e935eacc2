"""The work pools that the deployments name."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from deployments.configuring.server import Report, Server

TEMPLATES = Path(__file__).resolve().parents[1] / "work_pools"
"""`<pool>.json`: type and base job template of a pool that is not of plain processes."""
AGENT_POOL = "agents"


def ensure_pools(server: Server, names: Collection[str], report: Report, *, agents: int) -> None:
    """Make what is missing. What a person has set in a pool stays; `agents` is the limit of theirs if it has none."""
    for name in sorted(names):
        pool = server.request("GET", f"/work_pools/{name}")
        if pool is None:
            pool = server.request("POST", "/work_pools/", {"name": name, **template_of(name)})
            report(f"made work pool {name} ({pool['type']})")
        if name == AGENT_POOL and pool["concurrency_limit"] is None:
            server.request("PATCH", f"/work_pools/{name}", {"concurrency_limit": agents})
            report(f"work pool {name} runs {agents} at a time")


def template_of(name: str, folder: Path = TEMPLATES) -> dict[str, Any]:
    """Type and base job template of a new pool."""
    path = folder / f"{name}.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    from prefect.workers.process import ProcessWorker  # 0.3 s, and mostly the pool is there

    return {"type": "process", "base_job_template": ProcessWorker.get_default_base_job_template()}
