"""What the nine coding agents are asked and what they answer, as models: the edge where an input is checked.

The API checks an input before the row is written, the agent worker again before it starts: rows may come from other
backends, which write `{}`. Every field is bounded, so a whole input cannot grow beyond `MAX_INPUT_BYTES` unseen.
Models are built when first used: importing this costs the API's cold start nothing.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MAX_INPUT_BYTES = 256 * 1024
"""Of an input as compact JSON."""

Severity = Literal["critical", "high", "medium", "low"]
TaskType = Literal["feature", "bug", "refactor", "docs", "test", "deployment"]
Priority = Literal["P0", "P1", "P2", "P3"]


def no_option(text: str) -> str:
    """Names go to programs as arguments: none may pass for an option or lead out of its folder."""
    if text.startswith(("-", "/")) or ".." in text:
        raise ValueError("must not begin with '-' or '/', nor contain '..'")
    return text


CAMEL = ConfigDict(alias_generator=to_camel, populate_by_name=True)
"""Of what the mission writes in camel case; dumped `by_alias` it has those names."""
Line = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=60_000)]
Ref = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,200}$"), AfterValidator(no_option)]
"""A branch, tag or commit."""
RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(no_option)]


class AgentInput(BaseModel):
    """What all inputs share. An unknown field is an error: it is a misspelt one."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class AgentOutput(BaseModel):
    """What all outputs share: kept as JSON in `agent_executions.result`."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class IssueText(AgentInput):
    """An issue that is given rather than looked up."""

    title: str = Field(max_length=500, pattern=r"\S")
    body: Text = ""
    labels: list[Line] = Field([], max_length=100)


# coordinator

PlannedTask = Annotated[dict[str, Any], Field(max_length=20)]
"""Checked when the whole plan is read (tasks/agents/coordinator_plan.py): its ids, and the inputs of its agents."""


class PlannedIssue(IssueText):
    tasks: list[PlannedTask] = Field([], max_length=200, description="A plan that somebody has made already.")


class CoordinatorInput(AgentInput):
    issue: PlannedIssue | None = Field(
        None, description="The issue itself; without it the row's issue number is looked up."
    )
    max_parallel: int = Field(5, ge=1, le=5)
    plan_only: bool = Field(False, description="Make the task graph and stop.")


class CoordinatedTask(AgentOutput):
    """One task of the graph and what became of it. `level` counts from 0; a level waits for the one before."""

    model_config = CAMEL

    id: str
    title: str
    type: TaskType
    agent_type: str
    priority: Priority
    level: int
    depends_on: list[str] = []
    estimated_minutes: int
    status: Literal["planned", "completed", "failed", "escalated", "cancelled", "skipped"] = "planned"
    task_id: UUID | None = None
    execution_id: UUID | None = None
    duration_ms: int | None = None
    error: str | None = None


class ReportSummary(AgentOutput):
    """`success_rate` is in percent of all tasks."""

    model_config = CAMEL

    total: int
    completed: int
    failed: int
    escalated: int
    success_rate: float


class CoordinatorOutput(AgentOutput):
    """The mission's execution report (`sessionId`, `startTime`, …)."""

    model_config = CAMEL

    session_id: str
    device_identifier: str
    start_time: datetime
    end_time: datetime
    total_duration_ms: int
    summary: ReportSummary
    tasks: list[CoordinatedTask]


# codegen, autofix, pr: programs in a worktree of their own


class CodegenInput(AgentInput):
    instructions: Text = Field("", description="What to add to the text of the issue.")
    base: Ref | None = Field(
        None, description="Where the worktree's branch begins; without it the repository's default branch."
    )
    files: list[RelativePath] = Field([], max_length=200, description="Where to look first.")


class AutofixInput(AgentInput):
    branch: Ref | None = Field(None, description="What to repair; without it `feature/issue-N`.")
    check: Literal["lint", "build", "test"] | None = Field(
        None, description="The check that failed; without it all three."
    )
    output: Text = Field("", description="What the failed check printed.")


class PRInput(AgentInput):
    branch: Ref | None = Field(None, description="What to propose; without it `feature/issue-N`.")
    base: Ref | None = None
    title: Line | None = None
    body: Text = ""
    draft: bool = True


class CommandOutput(AgentOutput):
    """What a program left behind. Paths are relative to the worktree."""

    exit_code: int
    worktree: str | None = None
    branch: str | None = None
    commits: list[str] = []
    files_changed: list[str] = []
    lines_added: int = 0
    lines_removed: int = 0
    lines_printed: int = 0
    duration_ms: int = 0
    report: dict[str, Any] = Field(
        {}, description="The JSON object that the program printed as its last line, if it did."
    )


class PROutput(CommandOutput):
    pr_number: int | None = None
    pr_url: str | None = None


# review


class ReviewInput(AgentInput):
    ref: Ref | None = Field(
        None, description="What to look at; without it `feature/issue-N` if there is an issue, else the default branch."
    )
    base: Ref | None = Field(None, description="Compare with this; without it the default branch.")
    paths: list[RelativePath] = Field([], max_length=500, description="Only these; without them all that differs.")
    threshold: int = Field(80, ge=0, le=100)


class QualityIssue(AgentOutput):
    """`score_impact` is what it took off the score, 0 or less."""

    kind: Literal["lint", "type", "security", "coverage", "remark"]
    severity: Severity
    message: str
    rule: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    score_impact: int = 0


class QualityBreakdown(AgentOutput):
    """Scores from 0 to 100 under the mission's names; here `eslint` is any linter, `typescript` any type check.

    None: nothing measured it.
    """

    eslint_score: int | None
    typescript_score: int | None
    security_score: int | None
    test_coverage_score: int | None


class ReviewOutput(AgentOutput):
    """The mission's QualityReport, with the label that it leads to."""

    score: int = Field(ge=0, le=100)
    passed: bool
    issues: list[QualityIssue] = []
    recommendations: list[str] = []
    breakdown: QualityBreakdown
    label: Literal["quality:excellent", "quality:good", "quality:needs-improvement", "quality:poor"]
    not_judged: list[str] = Field([], description="What no tool looked at; it counts for nothing in the score.")
    tools: dict[str, str] = Field({}, description="Linter → version, or why it was not run.")


# issue


class IssueInput(AgentInput):
    issue: IssueText | None = Field(
        None, description="The issue itself; without it the row's issue number is looked up."
    )
    apply: bool = Field(False, description="Also set the labels on GitHub.")


class IssueOutput(AgentOutput):
    type: TaskType
    priority: Priority
    severity: Severity
    labels: list[str]
    agent_type: str = Field(description="Who should take it on.")
    estimated_minutes: int = Field(ge=0, le=10_080)
    depends_on: list[int] = Field([], description="Numbers of the issues that it waits for.")
    reasons: list[str] = []
    refined_by: str | None = Field(None, description="The model that looked over the rules' answer.")
    applied: bool = False


# deployment, waterspider, refresher


class DeploymentInput(AgentInput):
    environment: Literal["local", "staging", "production"] | None = Field(
        None, description="Without it the one that the agent worker works for."
    )
    plan_only: bool = False
    build_timeout_s: int = Field(120, ge=10, le=3600)
    test_timeout_s: int = Field(180, ge=10, le=3600)
    deploy_timeout_s: int = Field(600, ge=10, le=7200)


class DeploymentOutput(AgentOutput):
    environment: str
    status: Literal["planned", "succeeded", "failed", "rolled_back"]
    release_id: UUID | None = None
    flow_run_id: UUID | None = None
    api_url: str | None = None
    version: str | None = None
    healthy: bool | None = None
    health_tries: int = 0
    duration_ms: int = 0


class WaterspiderInput(AgentInput):
    stalled_after_s: int = Field(
        600, ge=10, le=86_400, description="How long an execution may run, or a task wait, without a sign of life."
    )
    restart: bool = True


class WaterspiderOutput(AgentOutput):
    pending: int
    running: int
    stalled: list[UUID] = []
    restarted: list[UUID] = []
    supplied: list[UUID] = Field([], description="Executions made for tasks that had become ready.")


class RefresherInput(AgentInput):
    repair: bool = Field(True, description="False: only say what disagrees.")
    limit: int = Field(1000, ge=1, le=10_000)


class Disagreement(AgentOutput):
    """One execution that Prefect and Postgres see differently. `action` says what was done."""

    execution_id: UUID
    flow_run_id: UUID | None
    postgres: str
    prefect: str | None
    action: str


class RefresherOutput(AgentOutput):
    checked: int
    repaired: int
    disagreements: list[Disagreement] = []
