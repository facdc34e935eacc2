"""Run an agent: one execution, from the claim of its row to its end. Started by the agent worker, which runs many of
them in one process, by the dispatcher for agents that need a process of their own, or by a person with the form.

1. take the execution: the worker has it already; one of its own process claims its row; the form writes the row first
2. run the agent's code (tasks/agents/), whose steps are tasks here and rows in Postgres
3. write the end into the row, then leave the outcome here as an artifact and as this run's state

The row is the truth. A run that dies is reaped by its lease, and the next attempt, which is another run, goes on after
the last finished step.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field, JsonValue

from database.agents import AGENTS
from database.asking import FormRequest
from flows.parameters import EnvironmentName, Shown
from tasks.agents.execution import perform
from tasks.agents.showing import as_task, not_taken, publish_outcome, run_name, state_of
from tasks.agents.taking import taken

AgentId = Annotated[str, Shown("Who works. GET /agents says what each is asked and what it answers.", tuple(AGENTS))]
Repository = Annotated[str | None, Field(pattern=r"^[\w.-]{1,100}/[\w.-]{1,100}$"), Shown("On what: owner/name.")]
Issue = Annotated[int | None, Field(ge=1, le=2**31 - 1), Shown("The number of an issue of this repository.")]
Input = Annotated[dict[str, JsonValue], Shown("What this agent is asked, as JSON.")]
Priority = Annotated[Literal["P0", "P1", "P2", "P3"], Shown("How urgent: P0 goes first.")]
ExecutionId = Annotated[UUID | None, Shown("Leave it empty. The dispatcher names the row that is there already.")]


@flow(name="run-agent", flow_run_name=run_name, persist_result=False)
async def run_agent(
    environment: EnvironmentName = "local",
    agent: AgentId = "issue",
    repository: Repository = None,
    issue: Issue = None,
    input: Input = {},  # noqa: B006 - Prefect reads the default for the form
    priority: Priority = "P2",
    execution: ExecutionId = None,
) -> State[Any]:
    """Run an agent on an issue of a repository: its row, its log, its steps and its result are in Postgres."""
    request = FormRequest(agent, repository, issue, priority, input)
    async with taken(environment, request, execution) as (desk, held):
        if held is None:
            return not_taken(execution)
        outcome = await perform(desk, held, show=as_task)
        await publish_outcome(held.claim, outcome)
    return state_of(outcome)
