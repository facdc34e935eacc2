"""What agents work with in an environment, and how much of it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from blocks.settings import Settings


class AgentLimits(Settings):
    """How many executions at a time. None: as many as come."""

    at_once: int = Field(200, ge=1, description="light ones in one agent worker")
    isolated: int = Field(4, ge=1, description="those with a process each: the work pool's limit")
    total: int | None = Field(None, ge=1)
    per_repository: int | None = Field(None, ge=1)
    per_parent: int = Field(5, ge=1, description="children of one coordinator (the mission's figure)")


class ModelLimits(Settings):
    """What one execution may ask of a model."""

    requests: int = Field(15, ge=1, le=100, description="answers, with those that only call tools or are sent back")
    tool_calls: int = Field(40, ge=0, le=500)
    tokens: int = Field(400_000, ge=1000, description="read and written, together")
    answer_tokens: int = Field(16_000, ge=100, description="written in one answer")
    answer_s: float = Field(180.0, gt=0, description="seconds to wait for one answer")
    corrections: int = Field(2, ge=0, le=10, description="answers that do not fit and are sent back with the reason")
    tries: int = Field(4, ge=1, le=10, description="to get one answer from a server that is busy")
    patience_s: float = Field(60.0, ge=0, description="the longest pause between tries that a server may ask for")


class AgentSettings(Settings):
    """What agents work with. Overridden on a machine by MIYABI_AGENT_*; secrets are named, never held."""

    model: str | None = Field(None, pattern=r"^[a-z-]+:.+$", description="anthropic:NAME or openai:NAME")
    model_base_url: str | None = Field(None, description="another server that speaks the same protocol")
    model_key_secret: str | None = Field(
        None, description="what holds the model's key: a variable of the worker, or else a secret in Secrets Manager"
    )
    model_limits: ModelLimits = ModelLimits()
    model_may_configure: bool = Field(
        False, description="models may also write what makes machines run something (.github/workflows, .gitattributes)"
    )
    command: tuple[str, ...] = Field(
        ("miyabi", "agent", "run", "{agent}", "--issue", "{issue}", "--repository", "{repository}"),
        min_length=1,
        description="the program of a command agent",
    )
    command_variables: tuple[str, ...] = Field(
        (), description="variables of the worker that the program may see (its keys, say); masked in its output"
    )
    workspace: Path = Field(Path("agents"), description="clones and worktrees; from MIYABI_HOME unless absolute")
    clone_url: str | None = Field(
        None, description="where an absent clone comes from, such as https://github.com/{repository}.git"
    )
    repositories: tuple[Annotated[str, Field(pattern=r"^(\*|[^/\s]+/[^/\s]+)$")], ...] | None = Field(
        None, description="where agents may work: owner/name, owner/*, *; unset: everywhere on local, nowhere else"
    )
    keep_worktrees: bool = Field(False, description="leave the worktree when a command agent is done")
    github_api: str = "https://api.github.com"
    github_token_secret: str | None = Field(
        None, description="what holds the token: a variable of the worker, or else a secret in Secrets Manager"
    )
    issues_directory: Path | None = Field(None, description="issues as JSON files instead of GitHub's")
    releases: tuple[str, ...] = Field(
        (), description="environments that the deployment agent may release besides this one"
    )
    limits: AgentLimits = AgentLimits()
    lease_s: float = Field(30.0, ge=1, description="an execution whose owner is silent so long is taken over")
    waiting_alert_s: float = Field(300.0, ge=10, description="people are told of an execution that has waited so long")
    start_s: float = Field(
        120.0,
        ge=1,
        description="the first process that the work pool starts has so long to begin, each next one longer",
    )
