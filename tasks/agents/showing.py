"""What people see of an execution in Prefect: name and tags of the run, steps as tasks, the outcome as an artifact.

Nothing here decides anything: the row in Postgres does.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Crashed, Failed

from database.agents import AGENTS
from database.queue import Claim
from tasks.agents.context import AgentResult
from tasks.agents.execution import Outcome
from tasks.reports import cell, fit_text, table

SHOWN_JSON = 20_000
"""Characters of an output that the artifact shows; all of it is in the row."""
LONGEST_MESSAGE = 2_000


@task(name="step", task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
async def shown_step(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
    """One step of an agent."""
    return await work()


async def as_task(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a step as a Prefect task of that name."""
    return await shown_step(name, work)


def run_name() -> str:
    """`codegen #270 owner/repo`, from the run's parameters; one that was made for an execution has its name already."""
    given = runtime.flow_run.parameters
    return str(runtime.flow_run.name) if given.get("execution") else name_of(given)


def name_of(parameters: Mapping[str, Any]) -> str:
    issue, repository = parameters.get("issue"), parameters.get("repository")
    return " ".join(filter(None, [str(parameters["agent"]), f"#{issue}" if issue else "", repository or ""]))


def name_of_claim(claim: Claim) -> str:
    """The same with the title of a coordinator's task, or its children could not be told apart."""
    name = name_of({"agent": claim.agent_type, "issue": claim.issue_number, "repository": claim.repository})
    title = claim.options.get("title")
    return f"{name}: {title}" if isinstance(title, str) and title else name


def tags_of(agent: str, repository: str | None, issue: int | None) -> list[str]:
    """The tags that the dashboard is filtered by."""
    tags = {"agent": agent, "repository": repository, "issue": issue}
    return [f"{key}:{value}" for key, value in tags.items() if value]


def state_of(outcome: Outcome) -> State[Any]:
    """The run's last state. A run whose execution goes on elsewhere did not fail: that is for the last one to say."""
    message = outcome.message[:LONGEST_MESSAGE]
    match outcome.status:
        case "completed":
            return Completed(message=message)
        case "cancelled":
            return Cancelled(message=message)
        case "failed":
            return Failed(message=message)
        case "lost":
            return Crashed(name="LeaseLost", message=f"another run goes on: {message}")
        case "pending" if outcome.again_s:
            return Failed(name="TriedAgain", message=f"again in {outcome.again_s:.0f} s, in another run: {message}")
        case "pending":
            return Cancelled(name="GivenBack", message=message)


def not_taken(execution: UUID | None) -> State[Any]:
    """The state of a run that got no execution: a person's request waits its turn, an older one is done with."""
    if execution is None:
        return Completed(
            name="Queued", message="written down; it runs, in another run, when what it waits for has ended"
        )
    return Cancelled(name="NotTaken", message=f"execution {execution} is not waiting any more; look at its row")


async def publish_outcome(claim: Claim, outcome: Outcome) -> None:
    """The artifact of the run: what came out, or why nothing did. prefect.artifacts would send an event, too."""
    run = FlowRunContext.get()
    if run is None or run.flow_run is None or not isinstance(run.client, PrefectClient):
        return
    artifact = ArtifactCreate(
        type="markdown", data=render(claim, outcome), description=f"{claim.agent_type}: {outcome.status}",
        flow_run_id=run.flow_run.id,
    )  # fmt: skip
    await run.client.create_artifact(artifact)


def render(claim: Claim, outcome: Outcome) -> str:
    """The outcome as markdown: a head, what the agent itself wrote, and its output."""
    parts = [
        f"# {name_of_claim(claim)}: {outcome.status}",
        table(("", ""), head(claim, outcome)),
        f"> {outcome.message}",
    ]
    if outcome.result is not None:
        parts += filter(None, [outcome.result.artifact, output_of(outcome.result)])
    return fit_text("\n\n".join(parts) + "\n")


def head(claim: Claim, outcome: Outcome) -> list[tuple[str, str]]:
    """What is known of it, line by line."""
    result, agent = outcome.result, AGENTS.get(claim.agent_type)
    raised = result.escalation if result else None
    lines = [
        ("agent", agent.name if agent else claim.agent_type),
        ("execution", str(claim.id)),
        ("attempt", f"{claim.attempt} of {claim.max_attempts}"),
        ("seconds", f"{outcome.seconds:.1f}"),
        ("quality", "" if result is None or result.quality_score is None else str(result.quality_score)),
        ("pull request", f"#{result.pr_number}" if result and result.pr_number else ""),
        ("escalation", f"{raised.target}, {raised.severity}: {cell(raised.reason)}" if raised else ""),
    ]
    return [(name, value) for name, value in lines if value]


def output_of(result: AgentResult) -> str:
    data = json.dumps(result.data.model_dump(mode="json"), indent=2, ensure_ascii=False)
    cut = f"\n… {len(data) - SHOWN_JSON} more characters in the execution's row" if len(data) > SHOWN_JSON else ""
    return f"## Output\n\n```json\n{data[:SHOWN_JSON]}{cut}\n```"
