"""What an investigation is asked and what it answers: of the agent, the flow and the files that it leaves alike."""

from typing import Literal

from pydantic import Field

from database.agent_models import AgentInput, AgentOutput, IssueText, Ref

Standing = Literal["working", "ready", "partly", "absent", "unknown"]
"""`ready`: it is written, and whether it runs anywhere was not to be seen."""
Verdict = Literal["confirmed", "outdated", "partly", "unknown"]
Impact = Literal["critical", "high", "medium", "low"]


class InvestigationInput(AgentInput):
    issue: IssueText | None = Field(
        None, description="The issue itself; without it the row's issue number is looked up, or claims are not judged."
    )
    ref: Ref | None = Field(None, description="What to look at; without it the repository's default branch.")


class Evidence(AgentOutput):
    """Lines of a file as `file:first-last`, or what AWS answered; `excerpt` has no values of secrets."""

    place: str
    says: str
    excerpt: str = ""


class Problem(AgentOutput):
    """What has to be done, and what it takes. `hours` are an estimate: least and most."""

    title: str
    impact: Impact
    why: str
    evidence: list[str]
    fix: list[str]
    hours: tuple[float, float]
    cost: str = "$0"


class Finding(AgentOutput):
    """What a check found, whoever claimed what."""

    check: str
    title: str
    component: str
    standing: Standing
    says: str
    evidence: list[Evidence] = Field([])
    problems: list[Problem] = Field([])


class JudgedClaim(AgentOutput):
    """One sentence of the issue and whether it is true. `why` says how that follows, or why it could not be told."""

    subject: str
    claimed: str
    place: str = Field(description="Where the issue says it.")
    verdict: Verdict
    check: str | None
    actual: str
    why: str
    evidence: list[Evidence] = Field([])


class Phase(AgentOutput):
    """A part of the plan. `estimated` are the issue's hours, `hours` what it takes by what was found."""

    title: str
    hours: tuple[float, float]
    estimated: tuple[float, float] | None = None
    steps: list[str] = Field([])
    done: list[str] = Field([], description="What was found to be there, of a phase that leaves nothing to do.")


class Component(AgentOutput):
    """How much of a component is there: each check that could be answered counts the same."""

    name: str
    percent: int | None
    counted: str


class InvestigationOutput(AgentOutput):
    """The whole investigation as data."""

    repository: str
    commit: str | None
    issue: str | None
    headline: str
    claims: list[JudgedClaim] = Field([])
    findings: list[Finding] = Field([])
    phases: list[Phase] = Field([])
    components: list[Component] = Field([])
    not_checked: list[str] = Field([], description="What could not be looked at, and why.")
    files: int = 0
    routes: dict[str, int] = Field({}, description="How many routes are enabled, commented out, not mounted.")
    seconds: float = 0.0

    @property
    def problems(self) -> list[Problem]:
        """Of all findings, the worst first."""
        order = ("critical", "high", "medium", "low")
        found = [problem for finding in self.findings for problem in finding.problems]
        return sorted(found, key=lambda problem: order.index(problem.impact))
