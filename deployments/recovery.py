"""What a stopped stack leaves in Prefect: runs that it still takes for running, and the slots that they hold.

Prefect has no way to see that a run's process is gone once its worker is gone, too. At `up` we have: whatever began
before this supervisor is dead, since `down` and `up` end every process of ours. Such runs are marked Crashed and their
deployments' slots are free again, so the next release just runs.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from deployments.prefect_api import PrefectApi
from tasks.agents.states import STACK_STOPPED

UNFINISHED = ["RUNNING", "PENDING", "CANCELLING"]
Report = Callable[[str], None]


def recover(prefect: PrefectApi, started: float, report: Report) -> None:
    """Mark the runs that died with an earlier stack. `started` is when this one began, in seconds since 1970."""
    for run in unfinished(prefect, datetime.fromtimestamp(started, UTC)):
        message = "the stack was stopped while this ran; run it again"
        state = {"type": "CRASHED", "name": STACK_STOPPED, "message": message}
        prefect.request("POST", f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        report(f"  {run['name']} died with the last stack: marked Crashed")
        if run.get("deployment_id"):
            free(prefect, run["deployment_id"])


def unfinished(prefect: PrefectApi, before: datetime) -> list[dict[str, Any]]:
    """Runs that Prefect takes for alive and that began earlier than this."""
    wanted = {"state": {"type": {"any_": UNFINISHED}}, "start_time": {"before_": before.isoformat()}}
    found = list(prefect.request("POST", "/flow_runs/filter", {"flow_runs": wanted}))
    pending = {"state": {"type": {"any_": ["PENDING"]}}, "start_time": {"is_null_": True}}
    waiting = list(prefect.request("POST", "/flow_runs/filter", {"flow_runs": pending}))
    return found + [run for run in waiting if datetime.fromisoformat(run["state"]["timestamp"]) < before]


def free(prefect: PrefectApi, deployment: str) -> None:
    """Give back the slots of a deployment: nothing of it runs."""
    limit = prefect.request("GET", f"/deployments/{deployment}").get("global_concurrency_limit")
    if limit and limit.get("active_slots"):
        prefect.request("PATCH", f"/v2/concurrency_limits/{limit['id']}", {"active_slots": 0})
