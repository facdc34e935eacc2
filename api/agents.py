"""The agents that can be asked to work."""

from fastapi import APIRouter

from api import PREFIX
from database.agents import AGENTS, Agent

router = APIRouter(prefix=f"{PREFIX}/agents", tags=["agents"])


@router.get("", summary="All agents")
async def list_agents() -> list[Agent]:
    return list(AGENTS.values())
