"""Agent executions that wait although they might be taken: nobody works on them, and somebody should know.

The dispatcher looks once a minute, and the refresher whenever it runs, since a dispatcher that is gone is the likely
reason. What is told again and again makes one alarm in a quarter of an hour (deployments/automations/watching.yaml).
"""

from collections import Counter
from textwrap import shorten
from uuid import UUID

from database import stalls
from database.stalls import Stalled
from tasks.agents.store import Call
from tasks.events import tell


def tell_failed(environment: str, agent: str, execution: UUID, reason: str) -> None:
    """Tell `miyabi.agent.failed`: its attempts are used up. What is done well is told by Prefect, as a run's end."""
    headline = f"agent {agent} in {environment} failed: {shorten(reason, 160, placeholder=' …')}"
    tell(environment, "agent.failed", headline, reason, agent=agent, execution=str(execution))


async def tell_waiting(environment: str, database: Call, *, after_s: float) -> int:
    """Tell `miyabi.agent.waiting` if anything has waited so long; how many."""
    found: list[Stalled] = await database(stalls.stalled, after_s=after_s)
    waiting = [one for one in found if one.status == "pending"]
    if waiting:
        counted = Counter(one.agent_type for one in waiting)
        tell(
            environment,
            "agent.waiting",
            f"agents in {environment}: {len(waiting)} waiting for {lasting(after_s)} or longer",
            "\n".join(f"{number} × {kind}" for kind, number in counted.most_common())
            + "\nLook whether an agent worker and a dispatcher run: `miyabi status`",
            waiting=len(waiting),
            executions=[str(one.id) for one in waiting[:50]],
        )
    return len(waiting)


def lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
