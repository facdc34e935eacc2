"""What the answers of the business agents and of the community agent are made of.

The answers are also the schemas that a model has to fill in: a name and its description are part of the prompt, a bound
is part of the check. What does not fit goes back to the model with the reason (tasks/agents/model_talk.py). All say
what they assumed: a model has no other facts than its input, the repository and what it was trained on.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from database.agent_models import AgentOutput

Line = Annotated[str, Field(min_length=1, max_length=600)]
Text = Annotated[str, Field(min_length=1, max_length=8_000)]
Document = Annotated[str, Field(min_length=1, max_length=60_000)]
Lines = Annotated[list[Line], Field(max_length=20)]
Percent = Annotated[float, Field(ge=0, le=100)]
Money = Annotated[int, Field(ge=0, le=10**15)]
Level = Literal["low", "medium", "high"]
Channel = Literal["x", "instagram", "tiktok", "youtube", "linkedin", "facebook", "threads", "note", "line", "email",
                  "search", "display", "events", "referral", "website"]  # fmt: skip


def rising(*named: tuple[str, int]) -> None:
    """For validators: each value is at least the one before it."""
    for (lower, small), (upper, big) in pairwise(named):
        if small > big:
            raise ValueError(f"{lower!r} ({small}) must not be more than {upper!r} ({big})")


class Answer(AgentOutput):
    """What all of them have."""

    summary: Line = Field(description="The answer in one sentence.")
    assumptions: Lines = Field(description="What was taken for granted for want of a fact; each can be checked.")
    next_steps: Lines = Field(description="What to do first, in order.")


class Kpi(AgentOutput):
    """A measure and its aim."""

    name: Line
    target: Line = Field(description="The figure and until when.")
    measured_by: Line
