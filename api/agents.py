"""The agents that can be asked to work, and what each wants to be told: the JSON schema of its input."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from fastapi import APIRouter

from api import PREFIX
from api.errors import ApiError
from api.permissions import Public
from database.agents import AGENTS, Agent, Category, Colour, Kind, Needs, find

router = APIRouter(prefix=f"{PREFIX}/agents", tags=["agents"], dependencies=[Public])


@dataclass(frozen=True)
class KnownAgent:
    """An agent without its models; they are at `href`, relative to this. `timeout_s` is for one attempt. `rule` is what
    its colour means, `names` all that it answers to."""

    id: str
    name: str
    names: tuple[str, ...]
    character: str | None
    category: Category
    colour: Colour
    rule: str
    kind: Kind
    description: str
    capabilities: tuple[str, ...]
    triggers: tuple[str, ...]
    timeout_s: int
    max_attempts: int
    retries: int
    needs: Needs
    href: str


@dataclass(frozen=True)
class AgentDetail(KnownAgent):
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


@router.get("", summary="All agents")
async def list_agents() -> list[KnownAgent]:
    return [known(agent) for agent in AGENTS.values()]


@router.get("/{agent}", summary="One agent, with the JSON schemas of its input and its result")
async def get_agent(agent: str) -> AgentDetail:
    found = find(agent)
    if found is None:
        raise ApiError("not_found", f"There is no such agent; there are {', '.join(AGENTS)}")
    return AgentDetail(
        **asdict(known(found)),
        input_schema=found.input.model_json_schema(),
        output_schema=found.output.model_json_schema(mode="serialization"),
    )


def known(agent: Agent) -> KnownAgent:
    shown = {field.name: getattr(agent, field.name) for field in fields(KnownAgent) if field.name != "href"}
    return KnownAgent(**shown, href=f"agents/{agent.id}")
