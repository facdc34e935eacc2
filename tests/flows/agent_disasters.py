"""What befalls agents in tests: their processes are killed with -9 and come back. And whether both sides agree then."""

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from database import asking
from localcloud.prefect_settings import AGENT_POOL
from tasks.agents.refreshing import FLOW, TRUTH
from tests.agent_ground import LEASE_S, Ground, wait_until

REPOSITORY = "hana/chaos"
OPEN = "SELECT count(*) FROM agent_executions WHERE status IN ('pending', 'running')"


def disasters(ground: Ground, crew: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """For ever, in turn: each kills one, and brings it back. `crew` are the agent processes, with their roles."""
    kills = [partial(agents, ground, name, roles) for name, roles in crew.items()]
    return itertools.cycle([kills[0], partial(pool, ground), partial(postgres, ground), *kills[1:],
                            partial(pool_and_flows, ground), partial(prefect, ground)])  # fmt: skip


def agents(ground: Ground, name: str, roles: str) -> None:
    ground.kill(name)
    ground.start_agents(name, "--roles", roles)


def pool(ground: Ground) -> None:
    """Prefect's worker; the flow runs that it started go on without it."""
    ground.kill("pool")
    ground.start_pool()


def pool_and_flows(ground: Ground) -> None:
    """All of it, as when the machine goes."""
    ground.kill("pool")
    ground.kill_flows()
    ground.start_pool()


def prefect(ground: Ground) -> None:
    ground.kill("prefect")
    ground.start_prefect()
    ground.wait_for_prefect()


def postgres(ground: Ground) -> None:
    ground.kill_postgres()
    ground.postgres.start()


def prepare(ground: Ground, crew: Mapping[str, str]) -> None:
    """A repository with a clone, and all processes."""
    clone = ground.home / "agents" / REPOSITORY
    clone.mkdir(parents=True)
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "Begin"]):
        subprocess.run(["git", *command], cwd=clone, check=True, env=os.environ | {"EMAIL": "hana@example.com"})
    owner, name = REPOSITORY.split("/")
    ground.rows("INSERT INTO repositories (github_repo_id, owner, name, full_name) VALUES (2, %s, %s, %s)",
                owner, name, REPOSITORY)  # fmt: skip
    ground.start_pool()
    for process, roles in crew.items():
        ground.start_agents(process, "--roles", roles)
    wait_until(lambda: ground.exists(f"/work_pools/{AGENT_POOL}"), "the pool is not there", patience=400)
    ground.deploy()


def ends(ground: Ground, crew: Mapping[str, str]) -> bool:
    """Whether all executions have. A process that ended because Prefect was away is started again, as services are."""
    if ground.processes["pool"].poll() is not None:
        ground.start_pool()
    for name in (name for name in crew if ground.processes[name].poll() is not None):
        ground.start_agents(name, "--roles", crew[name])
    return ground.rows(OPEN) == [(0,)]


def ask_for(ground: Ground, agent: str, count: int) -> None:
    """Executions of it, each of an issue of its own. Attempts are not what is scarce here."""
    ground.rows(
        "INSERT INTO agent_executions (user_id, agent_type, status, max_attempts, repository_id, issue_number) "
        "SELECT (SELECT id FROM users WHERE github_id = -1), %s, 'pending', 50, "
        "(SELECT id FROM repositories WHERE full_name = %s AND %s = 'codegen'), "
        "(SELECT count(*) FROM agent_executions) + n FROM generate_series(1, %s) AS n",
        agent, REPOSITORY, agent, count,
    )  # fmt: skip


def check_agreement(ground: Ground) -> None:
    """After the refresher, the flow runs say what the rows say, and none is left open."""
    ground.wait_for_prefect()
    time.sleep(2 * LEASE_S)  # then a run that lost its execution is an orphan
    ground.rows(asking.SQL["user"])  # who may have it work
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
    rows = ground.rows("SELECT flow_run_id, status FROM agent_executions WHERE agent_type <> 'refresher'")
    assert [(id, status) for id, status in rows if runs.get(str(id)) not in TRUTH[status]] == []


def open_runs(ground: Ground) -> list[object]:
    states = {"type": {"not_any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
    return list(ground.ask("/flow_runs/filter", flows={"name": {"any_": [FLOW]}}, flow_runs={"state": states}))
