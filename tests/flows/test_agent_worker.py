"""Agents on a real PostgreSQL and a real Prefect server: how an execution goes, and that nothing gets lost.

One ground (tests/agent_ground.py) for all of this file, since it takes seconds to start. The last test kills
dispatcher, agent worker, Prefect and PostgreSQL with -9, in turn; with `--exhaustive` it does so with 300 executions.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow_async
from prefect.states import AwaitingRetry, Cancelling

from database import queue
from flows.run_agent import run_agent
from tasks.agents.context import AgentContext, AgentResult, ChildRequest
from tasks.errors import Temporary
from tests.agent_ground import LEASE_S, Ground, wait_until
from tests.agent_process import EFFECTS, Said, effects
from tests.flows.agent_disasters import ask_for, check_agreement, disasters, ends, prepare
from tests.flows.agent_support import ROW, ask, dispatched, dispatcher, play, standing, until, worker

EVERY_S = 1.0
TOGETHER = {"one": "work,dispatch", "two": "work,dispatch"}
APART = {"work-1": "work", "work-2": "work", "dispatch-1": "dispatch", "dispatch-2": "dispatch"}
BUSY = "SELECT 1 FROM agent_executions WHERE status = 'running' AND agent_type = 'codegen' LIMIT 1"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground"))
    made.start()
    made.rows(EFFECTS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MIYABI_AGENT_LEASE_S", str(LEASE_S))
        environment.setenv("DATABASE_URL", made.dsn)
        yield made
    made.stop()


async def sleeps(_context: AgentContext) -> AgentResult:
    await asyncio.sleep(60)
    raise AssertionError


def test_an_execution_goes_through_prefect_and_both_know_of_each_other(ground: Ground) -> None:
    ground.rows(
        "INSERT INTO repositories (github_repo_id, owner, name, full_name) VALUES (1, 'hana', 'shop', 'hana/shop')"
    )
    ((repository,),) = ground.rows("SELECT id FROM repositories")

    async def scene() -> None:
        async with worker(ground, {"review": effects}):
            execution = ask(ground, issue_number=270, repository_id=repository)
            _, attempt, run_id, result, summary, _ = await until(ground, execution, "completed")
        assert (attempt, summary) == (1, "two effects")
        assert result["data"] == {"text": f"{execution}:1 {execution}:3"}
        steps = ground.rows("SELECT number, name, status FROM execution_steps WHERE execution_id = %s", execution)
        names = ["First effect", "Pause", "Second effect"]
        assert sorted(steps) == [(n, name, "completed") for n, name in enumerate(names, 1)]
        assert ground.rows("SELECT message FROM execution_logs WHERE execution_id = %s", execution) == [("begun",)]
        run = ground.run_of(run_id)
        assert run["state_type"] == "COMPLETED"
        assert run["name"] == "review #270 hana/shop"
        assert set(run["tags"]) == {"agent", "local", "agent:review", "repository:hana/shop", "issue:270"}
        assert run["parameters"]["execution"] == str(execution)
        of_run = {"flow_runs": {"id": {"any_": [str(run_id)]}}}
        wait_until(lambda: len(ground.ask("/task_runs/filter", **of_run)) == 3, "the steps are not shown")
        assert {task["name"] for task in ground.ask("/task_runs/filter", **of_run)} == set(names)
        (artifact,) = ground.ask("/artifacts/filter", artifacts={"flow_run_id": {"any_": [str(run_id)]}})
        assert "review #270 hana/shop: completed" in artifact["data"]

    play(ground, scene())


def test_cancelled_through_the_api(ground: Ground) -> None:
    async def scene() -> None:
        async with worker(ground, {"review": sleeps}) as (_, _, desk):
            execution = ask(ground)
            await until(ground, execution, "running")
            began = time.monotonic()
            await desk.store.call(queue.request_cancel, execution)
            await until(ground, execution, "cancelled")
            assert time.monotonic() - began < 1.5
            run_id = ground.rows(ROW, execution)[0][2]
        assert ground.run_of(run_id)["state_type"] == "CANCELLED"

    play(ground, scene())


def test_cancelled_in_the_prefect_ui(ground: Ground) -> None:
    async def scene() -> None:
        async with worker(ground, {"review": sleeps}) as (_, client, _):
            execution = ask(ground)
            await until(ground, execution, "running")
            async with asyncio.timeout(10):
                while (run_id := ground.rows(ROW, execution)[0][2]) is None:
                    await asyncio.sleep(0.02)
            await client.set_flow_run_state(run_id, Cancelling())
            began = time.monotonic()
            await until(ground, execution, "cancelled")
            assert time.monotonic() - began < 4
        assert ground.run_of(run_id)["state_type"] == "CANCELLED"

    play(ground, scene())


def test_what_fails_for_a_while_is_tried_again_in_a_new_run(ground: Ground) -> None:
    runs = []

    async def second_time(context: AgentContext) -> AgentResult:
        runs.append(context.claim.attempt)
        if len(runs) == 1:
            raise Temporary("the model answers 529")
        return AgentResult(Said(text="ok"), "at last")

    async def scene() -> None:
        async with worker(ground, {"review": second_time}):
            execution = ask(ground)
            row = await until(ground, execution, "completed")
        assert (row[1], row[4], runs) == (2, "at last", [1, 2])
        shown = ground.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_DESC", limit=20)
        mine = [run for run in shown if run["parameters"].get("execution") == str(execution)]
        assert sorted(run["state_name"] for run in mine) == ["Completed", "TriedAgain"]

    play(ground, scene())


def test_a_worker_that_is_stopped_gives_back_what_runs(ground: Ground) -> None:
    async def scene() -> None:
        async with worker(ground, {"review": sleeps}):
            execution = ask(ground)
            await until(ground, execution, "running")
        status, attempt, run_id, *_ = ground.rows(ROW, execution)[0]
        assert (status, attempt) == ("pending", 0)
        assert ground.run_of(run_id)["state_name"] == "GivenBack"
        ground.rows("UPDATE agent_executions SET status = 'cancelled' WHERE id = %s", execution)

    play(ground, scene())


def test_a_person_fills_in_the_form(ground: Ground) -> None:
    given = {"stalled_after_s": 3600}

    async def scene() -> None:
        state = await run_agent(agent="waterspider", repository="new/one", issue=7, input=given, return_state=True)
        assert (state.type.value, state.message) == ("COMPLETED", "0 stalled, 0 set going again, 0 tasks supplied")

    play(ground, scene())
    query = (
        "SELECT e.id, status, flow_run_id, e.input, full_name, u.name FROM agent_executions AS e JOIN repositories r "
    )
    query += "ON r.id = repository_id JOIN users AS u ON u.id = e.user_id WHERE issue_number = 7"
    ((id, status, run_id, input, repository, user),) = ground.rows(query)
    assert (status, input, repository, user) == ("completed", given, "new/one", "prefect")
    run = ground.run_of(run_id)
    assert run["name"] == "waterspider #7 new/one"
    assert {"agent:waterspider", "repository:new/one", "issue:7", f"execution:{id}"} == set(run["tags"])


def test_a_bad_input_fails_with_all_problems_and_the_runs_retry_is_the_executions(ground: Ground) -> None:

    async def scene() -> None:
        state = await run_agent(agent="waterspider", issue=8, input={"stalled_after_s": 1, "x": 2}, return_state=True)
        assert state.type.value == "FAILED"

    query = "SELECT status, error_message, flow_run_id FROM agent_executions WHERE issue_number = 8"
    play(ground, scene())
    ((status, error, run_id),) = ground.rows(query)
    assert status == "failed"
    assert "stalled_after_s" in error
    assert "x: " in error

    async def retry() -> None:
        async with get_client() as client:
            await client.set_flow_run_state(run_id, AwaitingRetry(), force=True)
            run = await client.read_flow_run(run_id)
        await run_flow_async(run_agent, flow_run=run, parameters={**run.parameters, "input": {}}, return_type="state")

    ground.rows("UPDATE agent_executions SET input = '{}' WHERE issue_number = 8")
    play(ground, retry())
    assert ground.rows(query) == [("completed", None, run_id)]


def test_an_agent_with_a_process_of_its_own_is_handed_over_once_and_cancelled_from_both_sides(ground: Ground) -> None:
    async def scene() -> None:
        async with dispatcher(ground) as desk, dispatcher(ground):
            first, second = ask(ground, "codegen", issue_number=1), ask(ground, "codegen", issue_number=2)
            runs = [await dispatched(ground, first), await dispatched(ground, second)]
            assert ground.run_of(runs[0])["name"] == "codegen #1"
            assert ground.run_of(runs[0])["parameters"]["execution"] == str(first)
            await desk.store.call(queue.request_cancel, first)
            ground.ask(f"/flow_runs/{runs[1]}/set_state", state={"type": "CANCELLING"})
            await until(ground, second, "cancelled")
            await until(ground, first, "cancelled")
            async with asyncio.timeout(10):
                while {ground.run_of(run)["state_type"] for run in runs} != {"CANCELLED"}:
                    await asyncio.sleep(0.1)
        found = ground.ask("/flow_runs/filter", flow_runs={"tags": {"all_": ["agent:codegen"]}})
        assert {run["id"] for run in found} == {str(run) for run in runs}

    play(ground, scene())


def test_what_a_dead_worker_left_waits_again(ground: Ground) -> None:
    dead = {"lease_owner": "dead", "attempt": 1, "lease_expires_at": "2026-01-01"}
    left, last = ask(ground, "codegen", **dead), ask(ground, "codegen", **dead, max_attempts=1)
    ground.rows("UPDATE agent_executions SET status = 'running' WHERE lease_owner = 'dead'")

    async def scene() -> None:
        async with dispatcher(ground):
            assert (await until(ground, last, "failed"))[5].startswith("its worker 'dead' stopped answering")
            await dispatched(ground, left)

    play(ground, scene())


@pytest.mark.parametrize("where", ["API", "UI"])
def test_the_end_of_a_parent_reaches_those_that_run_and_those_that_wait(ground: Ground, where: str) -> None:
    async def scene() -> None:
        begin = asyncio.Event()

        async def delegates(context: AgentContext) -> AgentResult:
            """Asks for one that goes through the work pool, then for more than may run at once."""
            first = await context.children([ChildRequest("codegen", issue_number=9)])
            await begin.wait()
            await context.wait_for([*first, *await context.children([ChildRequest("review")] * 5)])
            raise AssertionError

        runners = {"coordinator": delegates, "review": sleeps}
        async with worker(ground, runners) as (_, client, desk), dispatcher(ground):
            parent = ask(ground, "coordinator")
            await standing(ground, parent, ("pending", 1, 1))
            begin.set()
            await standing(ground, parent, ("pending", 2, 1), ("running", 4, 4))
            if where == "API":
                await desk.store.call(queue.request_cancel, parent)
            else:
                await client.set_flow_run_state(ground.rows(ROW, parent)[0][2], Cancelling())
            await until(ground, parent, "cancelled")
            await standing(ground, parent, ("cancelled", 6, 5))
            query = "SELECT error_message, flow_run_id FROM agent_executions WHERE parent_id = %s"
            children = ground.rows(query, parent)
            assert {why for why, _ in children} == {f"cancelled with coordinator {parent}, which was cancelled"}
            async with asyncio.timeout(10):
                while {ground.run_of(run)["state_type"] for _, run in children if run} != {"CANCELLED"}:
                    await asyncio.sleep(0.1)

    play(ground, scene())


@pytest.mark.timeout(3600)  # its own patience ends before: two waits of 400 s
def test_every_execution_ends_and_each_effect_is_there_once(ground: Ground, pytestconfig: pytest.Config) -> None:
    """Two agent workers, two dispatchers, Prefect's worker: light executions, and programs in a process each."""
    exhaustive = bool(pytestconfig.getoption("exhaustive"))
    light, programs, crew = (252, 48, APART) if exhaustive else (24, 2, TOGETHER)
    rounds = 24 if exhaustive else 6
    ground.rows("DELETE FROM agent_executions")
    ground.rows("DELETE FROM effects")
    prepare(ground, crew)
    for number, disaster in enumerate(itertools.islice(disasters(ground, crew), rounds)):
        for agent, count in (("review", light), ("codegen", programs)):
            ask_for(ground, agent, count * (number + 1) // rounds - count * number // rounds)
        wait_until(lambda: ends(ground, crew) or ground.rows(BUSY), "nothing goes on", patience=400)
        disaster()
        time.sleep(EVERY_S)
    wait_until(lambda: ends(ground, crew), "not all of them end", patience=400)
    count = light + programs
    assert ground.rows("SELECT status, count(*) FROM agent_executions GROUP BY 1") == [("completed", count)]
    made = 2 * light + programs
    assert ground.rows("SELECT count(*), count(DISTINCT key) FROM effects") == [(made, made)]
    steps = "SELECT count(*) FROM execution_steps WHERE status = 'completed'"
    assert ground.rows(steps) == [(3 * light + 2 * programs,)]
    check_agreement(ground)
