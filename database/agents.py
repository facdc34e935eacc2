"""The mission's 24 agents: 9 for code, 14 for business, 1 for the community; and one of ours, the investigation.

An agent is data: who it is, with whom it may run, how it is run, what it is asked and what it answers. The colour says
with whom it may run at the same time: red alone, yellow under conditions, blue and green in parallel (blue only
reads). The mission's documents give no colour for autofix, waterspider and discord-community; theirs are ours, and so
are the timeouts, and the capabilities where the documents name none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from database import agent_models as models
from database import business_models
from database.investigation_models import InvestigationInput, InvestigationOutput

Category = Literal["coding", "business", "community"]
Colour = Literal["red", "yellow", "blue", "green"]
Kind = Literal["flow", "model", "command"]
RULES: Mapping[Colour, str] = {
    "red": "alone in its repository, but for the executions it asked for",
    "yellow": "one of its kind in a repository, beside others",
    "blue": "in parallel; it only reads",
    "green": "in parallel",
}
"""With whom an agent of a colour may run (database/queue.sql keeps to it)."""
Needs = Literal["nothing", "issue", "issue or input"]


@dataclass(frozen=True)
class Agent:
    """`id` is the `agent_type` of an execution; `name` is how the mission's JSON writes it.

    `kind`: a flow of ours, a talk with a model, or a program in a worktree of its own. `triggers` are the labels of an
    issue that are meant for it: the mission's, and `agent:<id>` for all. Nothing here waits for labels to be set: who
    does asks for an execution. `timeout_s` is for one attempt. `grant` is the
    permission that an account needs system-wide, where what it does concerns more than a repository.
    """

    id: str
    name: str
    character: str | None
    category: Category
    colour: Colour
    kind: Kind
    description: str
    capabilities: tuple[str, ...]
    triggers: tuple[str, ...]
    timeout_s: int
    max_attempts: int
    needs: Needs
    input: type[BaseModel]
    output: type[BaseModel]
    grant: str | None = None

    @property
    def rule(self) -> str:
        """What its colour means."""
        return RULES[self.colour]

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called in the mission's documents."""
        return (self.id, self.name, f"{self.id}-agent", *([self.character] if self.character else []))

    @property
    def retries(self) -> int:
        """How often it is tried again when an attempt failed for a reason that passes."""
        return self.max_attempts - 1

    @property
    def isolated(self) -> bool:
        """True: each in a process of its own. False: many of them in one."""
        return self.kind == "command"

    def check(self, input: Mapping[str, Any]) -> None:
        """Raises ValueError. Of who asks more is demanded than of a row: `"7"` is no number."""
        self.input.model_validate_json(json.dumps(input, ensure_ascii=False).encode(), strict=True)

    def lacks(self, issue_number: int | None, input: Mapping[str, Any]) -> str | None:
        """What it cannot begin without and was not given."""
        if self.needs == "nothing" or issue_number is not None:
            return None
        if self.needs == "issue":
            return f"{self.id} works on an issue; give its issue_number"
        return None if input else f"{self.id} has to know what to work on; give an issue_number or an input"


def coding(
    id: str,
    name: str,
    character: str | None,
    colour: Colour,
    kind: Kind,
    description: str,
    *capabilities: str,
    input: type[BaseModel],
    output: type[BaseModel],
    timeout_s: int = 600,
    max_attempts: int = 3,
    needs: Needs = "nothing",
    labels: tuple[str, ...] = (),
    grant: str | None = None,
) -> Agent:
    return Agent(
        id, name, character, "coding", colour, kind, description, capabilities, (f"agent:{id}", *labels), timeout_s,
        max_attempts, needs, input, output, grant,
    )  # fmt: skip


def model(
    id: str,
    name: str,
    character: str | None,
    colour: Colour,
    description: str,
    *capabilities: str,
    category: Category = "business",
) -> Agent:
    """An agent that asks a model; ten minutes are a few long answers with what they look up in between."""
    return Agent(
        id, name, character, category, colour, "model", description, capabilities, (f"agent:{id}",), 600, 3,
        "issue or input", *business_models.MODELS[id],
    )  # fmt: skip


CODING = (
    coding("coordinator", "CoordinatorAgent", "しきるん", "red", "flow",
           "Splits an issue into tasks and runs them in order",
           "Task decomposition", "DAG planning", "Parallel execution",
           input=models.CoordinatorInput, output=models.CoordinatorOutput,
           timeout_s=4 * 3600, needs="issue or input", labels=("trigger:agent-execute",)),
    coding("codegen", "CodeGenAgent", "つくるん", "green", "command", "Writes the code of a task",
           "Code generation", "Bug fixing", "Refactoring",
           input=models.CodegenInput, output=models.CommandOutput, needs="issue", timeout_s=3600),
    coding("review", "ReviewAgent", "めだまん", "blue", "flow", "Scores a change against the quality gate",
           "Static analysis", "Security scan", "Quality scoring",
           input=models.ReviewInput, output=models.ReviewOutput, timeout_s=900),
    coding("issue", "IssueAgent", "みつけるん", "blue", "flow", "Labels an issue and says how urgent it is",
           "Label inference", "Issue triage", "Priority assessment",
           input=models.IssueInput, output=models.IssueOutput, needs="issue or input", timeout_s=300),
    coding("pr", "PRAgent", "まとめるん", "yellow", "command", "Turns finished work into a pull request",
           "PR generation", "Commit formatting", "Branch management",
           input=models.PRInput, output=models.PROutput, needs="issue", labels=("trigger:auto-merge",)),
    coding("deployment", "DeploymentAgent", "はこぶん", "yellow", "flow", "Releases a change and watches it",
           "Deployment", "Health monitoring", "Auto rollback",
           input=models.DeploymentInput, output=models.DeploymentOutput, timeout_s=3600, max_attempts=2,
           labels=("trigger:deploy-staging", "trigger:deploy-production"), grant="deployments.execute"),
    coding("autofix", "AutoFixAgent", None, "green", "command", "Repairs what a failed check found",
           "Lint repair", "Build repair", "Test repair",
           input=models.AutofixInput, output=models.CommandOutput, needs="issue", timeout_s=1800),
    coding("waterspider", "WaterSpiderAgent", None, "yellow", "flow", "Keeps the others supplied with work",
           "Stall detection", "Work supply", "Restart",
           input=models.WaterspiderInput, output=models.WaterspiderOutput, timeout_s=300, grant="agents.manage"),
    coding("refresher", "RefresherAgent", "ぴかぴかん", "yellow", "flow",
           "Brings recorded states in line with the real ones",
           "State tracking", "Auto-update", "Status sync",
           input=models.RefresherInput, output=models.RefresherOutput, timeout_s=300, grant="agents.manage"),
)  # fmt: skip

BUSINESS = (
    model("ai-entrepreneur", "AIEntrepreneurAgent", "あきんどさん", "red",
          "Plans a business from the idea to the launch",
          "Business planning", "Strategy", "Delegation"),
    model("product-concept", "ProductConceptAgent", "つくろん", "green", "Finds the concept of a product",
          "Value proposition", "Business model", "Positioning"),
    model("product-design", "ProductDesignAgent", "かくん", "green", "Designs what the product contains",
          "Content design", "Feature planning", "MVP definition"),
    model("funnel-design", "FunnelDesignAgent", "みちびきん", "green", "Designs the way from a visitor to a customer",
          "Customer journey", "Conversion design", "Funnel planning"),
    model("persona", "PersonaAgent", "なりきりん", "blue", "Describes the customers",
          "Persona creation", "Needs analysis", "Segmentation"),
    model("self-analysis", "SelfAnalysisAgent", "じぶんさん", "blue", "Takes stock of skills and experience",
          "Skill inventory", "Strength analysis", "Career review"),
    model("market-research", "MarketResearchAgent", "しらべるん", "blue", "Looks at the market and the competitors",
          "Trend research", "Competitor analysis", "Market sizing"),
    model("marketing", "MarketingAgent", "ひろめるん", "green", "Plans and runs campaigns",
          "Campaign planning", "Advertising", "SEO"),
    model("content-creation", "ContentCreationAgent", "かくちゃん", "green", "Writes articles and material",
          "Writing", "Editing", "Content planning"),
    model("sns-strategy", "SNSStrategyAgent", "つぶやきん", "green", "Plans what is said on social networks",
          "Channel strategy", "Post planning", "Engagement"),
    model("youtube", "YouTubeAgent", "どうがん", "green", "Plans a channel and its videos",
          "Channel concept", "Video planning", "Script writing"),
    model("sales", "SalesAgent", "うるん", "green", "Wins customers",
          "Lead handling", "Proposal writing", "Sales process"),
    model("crm", "CRMAgent", "おきゃくさま", "green", "Looks after the customers there are",
          "Customer support", "Retention", "Customer records"),
    model("analytics", "AnalyticsAgent", "かぞえるん", "blue", "Reads the numbers and says what follows",
          "KPI tracking", "Data analysis", "Reporting"),
)  # fmt: skip

COMMUNITY = (
    model("discord-community", "DiscordCommunityAgent", None, "green", "Looks after the Discord community",
          "Moderation", "Announcements", "Member support", category="community"),
)  # fmt: skip

OURS = (
    coding("investigation", "InvestigationAgent", None, "blue", "flow",
           "Judges an issue's claims by what the repository holds",
           "Claim verification", "Code parsing", "Effort estimate",
           input=InvestigationInput, output=InvestigationOutput, timeout_s=900),
)  # fmt: skip
"""Not among the mission's."""

AGENTS: dict[str, Agent] = {known.id: known for known in CODING + BUSINESS + COMMUNITY + OURS}

NAMES: dict[str, Agent] = {text.lower(): known for known in AGENTS.values() for text in known.names}
"""All that an agent is called in the mission's documents, in lower case."""


def find(name: str) -> Agent | None:
    """The agent of an id, the JSON name, an old id (`codegen-agent`) or a character's name, whatever the case."""
    return NAMES.get(name.lower())
