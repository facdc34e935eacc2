"""What befalls agents in tests: their processes are killed with -9 and come back. And whether both sides agree then."""

import itertools
import time
from collections.abc import Callable

from tasks.agents.refreshing import FLOW, TRUTH
from tests.agent_ground import LEASE_S, Ground, wait_until

OPEN = "SELECT count(*) FROM agent_executions WHERE status IN ('pending', 'running')"


def disasters(ground: Ground) -> list[Callable[[], None]]:
    """Each kills one and brings it back."""

    def worker() -> None:
        ground.kill("work")
        ground.start_agents("work", "--roles", "work")
        ground.wait_for_agents("work")

    def dispatcher() -> None:
        ground.kill("dispatch")
        ground.start_agents("dispatch", "--roles", "dispatch")

    def prefect() -> None:
        ground.kill("prefect")
        ground.start_prefect()
        ground.wait_for_prefect()

    def postgres() -> None:
        ground.kill_postgres()
        ground.postgres.start()

    return [worker, postgres, prefect, dispatcher]


def ask_for(ground: Ground, agent: str, count: int) -> None:
    ground.rows(
        "INSERT INTO agent_executions (agent_type, status, max_attempts) SELECT %s, 'pending', 50 "
        "FROM generate_series(1, %s)", agent, count,
    )  # fmt: skip


def check_agreement(ground: Ground) -> None:
    """After the refresher, the flow runs say what the rows say, and none is left open."""
    ground.wait_for_prefect()
    time.sleep(2 * LEASE_S)  # then a run that lost its execution is an orphan
    ask_for(ground, "refresher", 1)
    wait_until(lambda: ground.rows(OPEN) == [(0,)], "the refresher does not end", patience=60)
    (refreshed,) = ground.rows("SELECT status, result_summary FROM agent_executions WHERE agent_type = 'refresher'")
    assert refreshed[0] == "completed", refreshed
    runs = {}
    for offset in itertools.count(0, 200):
        page = ground.ask("/flow_runs/filter", flows={"name": {"any_": [FLOW]}}, limit=200, offset=offset)
        runs |= {run["id"]: run["state_type"] for run in page}
        if len(page) < 200:
            break
    wait_until(lambda: not open_runs(ground), "runs are left open", patience=10)
    rows = ground.rows("SELECT flow_run_id, status FROM agent_executions WHERE agent_type = 'review'")
    assert [(id, status) for id, status in rows if runs.get(str(id)) not in TRUTH[status]] == []


def open_runs(ground: Ground) -> list[object]:
    states = {"type": {"not_any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
    return list(ground.ask("/flow_runs/filter", flows={"name": {"any_": [FLOW]}}, flow_runs={"state": states}))
