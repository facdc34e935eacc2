"""Agent executions with a flow run each: how soon one runs, how fast a queue is drained, what waiting ones cost.

One dispatcher, one agent worker, a Prefect server on PostgreSQL, each a process, as `miyabi up` starts them. The peers
are Prefect's own: stock flows in one process, 20 at a time, and `flow.serve`, on the same server in the same run.
"""

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from database import asking
from localcloud.prefect_settings import clean_environment
from tests.agent_ground import ROOT, Ground, wait_until
from tests.bench.results import Result

IDLE, QUEUED, WAITING = 20, 500, 200
STOCK, SERVED = 100, 8
OPEN = "SELECT count(*) FROM agent_executions WHERE status IN ('pending', 'running')"
PAUSE_S = 0.3
PEERS = [sys.executable, "-m", "tests.bench.agent_peers"]


def bench() -> list[Result]:
    """The table's lines."""
    with ground() as stack:
        warm_up(stack)
        idle, begun = of_one(stack)
        before = stock_flows(stack, STOCK // 2)
        drained = of_queue(stack)
        stock = (before + stock_flows(stack, STOCK // 2)) / 2
        seconds, megabytes = of_waiting(stack)
        served = served_flows(stack, SERVED)
    print(f"its code begins {begun:.0f} ms after the request (p95); {1000 / drained:.1f} executions a second, "
          f"stock flows {1000 / stock:.1f}, flow.serve {1000 / served:.2f}", flush=True)  # fmt: skip
    return [
        Result("request to running, idle, p95", idle, 300, "the goal", idle / 300, 1.0, "<="),
        Result(f"{QUEUED} queued no-op executions, each", drained, 50, "20 a second", drained / 50, 1.0, "<="),
        Result("the same, against stock in-process flows", drained, stock, "stock", stock / drained, 1.8, ">="),
        Result("the same, against flow.serve", drained, served, "flow.serve", served / drained, 15, ">="),
        Result(f"{WAITING} executions that wait 5 s, all", 1000 * seconds, 20_000, "20 s", seconds / 20, 1.0, "<="),
        Result("their memory, all processes (MB for ms)", megabytes, 1536, "1.5 GiB", megabytes / 1536, 1.0, "<="),
    ]


@contextmanager
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory() as folder:
        made = Ground(Path(folder))
        made.start()
        try:
            made.start_agents("agents")
            made.wait_for_agents("agents")
            made.rows(asking.SQL["user"])
            yield made
        finally:
            made.stop()


def ask(stack: Ground, agent: str, count: int) -> None:
    """By the account of what asks by itself, which has been granted every agent."""
    stack.rows(
        "INSERT INTO agent_executions (user_id, agent_type, status) "
        "SELECT (SELECT id FROM users WHERE github_id = -1), %s, 'pending' FROM generate_series(1, %s)",
        agent, count,
    )  # fmt: skip


def wait_for_all(stack: Ground, patience: float = 120.0) -> None:
    wait_until(lambda: stack.rows(OPEN) == [(0,)], "not all of them end", patience=patience)


def warm_up(stack: Ground) -> None:
    ask(stack, "issue", 20)
    wait_for_all(stack)
    stack.rows("DELETE FROM agent_executions")


def of_one(stack: Ground) -> tuple[float, float]:
    """Milliseconds from the request until the row runs, and until the agent's code does; the 95th percentile."""
    for _ in range(IDLE):
        ask(stack, "waterspider", 1)
        time.sleep(PAUSE_S)
    wait_for_all(stack)
    query = """
        SELECT extract(epoch FROM e.started_at - e.created_at), extract(epoch FROM s.started_at - e.created_at)
        FROM agent_executions AS e JOIN execution_steps AS s ON s.execution_id = e.id AND s.number = 1
    """
    found = stack.rows(query)
    assert len(found) == IDLE
    stack.rows("DELETE FROM agent_executions")
    running, begun = (statistics.quantiles(map(float, column), n=20)[-1] for column in zip(*found, strict=True))
    return 1000 * running, 1000 * begun


def of_queue(stack: Ground) -> float:
    """Milliseconds for each of many that wait together, until the last has ended, in Prefect too."""
    began = time.monotonic()
    ask(stack, "issue", QUEUED)
    wait_for_all(stack)
    took = time.monotonic() - began
    assert stack.rows("SELECT count(*) FROM agent_executions WHERE status = 'completed'") == [(QUEUED,)]
    assert stack.rows("SELECT count(DISTINCT flow_run_id) FROM agent_executions") == [(QUEUED,)]
    stack.rows("DELETE FROM agent_executions")
    return 1000 * took / QUEUED


def of_waiting(stack: Ground) -> tuple[float, float]:
    """Seconds until all that wait for a model have ended, and the most memory that all processes had, in MiB."""
    began, most = time.monotonic(), 0.0
    ask(stack, "persona", WAITING)
    while stack.rows(OPEN) != [(0,)]:
        most = max(most, memory(stack))
        assert time.monotonic() < began + 120
        time.sleep(0.5)
    return time.monotonic() - began, most


def memory(stack: Ground) -> float:
    """MiB of the ground's processes and their children; what they share is counted once."""
    roots = [process.pid for process in stack.processes.values()]
    if stack.postgres._process:
        roots.append(stack.postgres._process.pid)
    family = [child for pid in roots for child in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]]
    return sum(proportional(process) for process in family) / 2**20


def proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def stock_flows(stack: Ground, count: int) -> float:
    """Milliseconds for each run of an empty flow, 20 at a time in one process with Prefect's own settings."""
    done = subprocess.run(
        [*PEERS, "stock", str(count)], env=stock_settings(stack), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-1000:] + done.stderr[-3000:])
    return 1000 * float(done.stdout.strip().splitlines()[-1]) / count


def served_flows(stack: Ground, count: int) -> float:
    """Milliseconds for each run of a served deployment, from asking for all of them until the last has ended."""
    stack.run("serve", [*PEERS, "serve"], stock_settings(stack))
    find = {"deployments": {"name": {"any_": ["bench"]}}}
    wait_until(lambda: stack.ask("/deployments/filter", **find), "nothing is served", patience=60)
    (deployment,) = stack.ask("/deployments/filter", **find)
    began = time.monotonic()
    runs = [stack.ask(f"/deployments/{deployment['id']}/create_flow_run")["id"] for _ in range(count)]
    for run in runs:
        wait_until(lambda run=run: stack.run_of(run)["end_time"], "a served run does not end", patience=120)
    took = time.monotonic() - began
    stack.kill("serve", signal.SIGTERM)
    return 1000 * took / count


def stock_settings(stack: Ground) -> dict[str, str]:
    """The server's address, and nothing else."""
    return clean_environment(stack.home) | {
        "PREFECT_API_URL": stack.url, "PREFECT_HOME": str(stack.home / "peer"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
