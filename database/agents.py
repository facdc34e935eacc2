"""The 24 agents of Miyabi: 9 for code, 14 for business, 1 for the community.

The colour says with whom an agent may run at the same time: red alone, yellow under conditions, blue and green in
parallel (blue only reads). The mission's documents give no colour for autofix, waterspider and discord-community;
theirs are ours, and so are the capabilities where the documents name none.
"""

from dataclasses import dataclass
from typing import Literal

Category = Literal["coding", "business", "community"]
Colour = Literal["red", "yellow", "blue", "green"]


@dataclass(frozen=True)
class Agent:
    """`id` is the `agent_type` of an execution."""

    id: str
    name: str
    category: Category
    colour: Colour
    description: str
    capabilities: tuple[str, ...]


def agent(id: str, name: str, category: Category, colour: Colour, description: str, *capabilities: str) -> Agent:
    return Agent(id, name, category, colour, description, capabilities)


CODING = (
    agent("coordinator", "CoordinatorAgent", "coding", "red", "Splits an issue into tasks and runs them in order",
          "Task decomposition", "DAG planning", "Parallel execution"),
    agent("codegen", "CodeGenAgent", "coding", "green", "Writes the code of a task",
          "Code generation", "Bug fixing", "Refactoring"),
    agent("review", "ReviewAgent", "coding", "blue", "Scores a change against the quality gate",
          "Static analysis", "Security scan", "Quality scoring"),
    agent("issue", "IssueAgent", "coding", "blue", "Labels an issue and says how urgent it is",
          "Label inference", "Issue triage", "Priority assessment"),
    agent("pr", "PRAgent", "coding", "yellow", "Turns finished work into a pull request",
          "PR generation", "Commit formatting", "Branch management"),
    agent("deployment", "DeploymentAgent", "coding", "yellow", "Releases a change and watches it",
          "Deployment", "Health monitoring", "Auto rollback"),
    agent("autofix", "AutoFixAgent", "coding", "green", "Repairs what a failed check found",
          "Lint repair", "Build repair", "Test repair"),
    agent("waterspider", "WaterSpiderAgent", "coding", "yellow", "Keeps the others supplied with work",
          "Stall detection", "Work supply", "Restart"),
    agent("refresher", "RefresherAgent", "coding", "yellow", "Brings recorded states in line with the real ones",
          "State tracking", "Auto-update", "Status sync"),
)  # fmt: skip

BUSINESS = (
    agent("ai-entrepreneur", "AIEntrepreneurAgent", "business", "red", "Plans a business from the idea to the launch",
          "Business planning", "Strategy", "Delegation"),
    agent("product-concept", "ProductConceptAgent", "business", "green", "Finds the concept of a product",
          "Value proposition", "Business model", "Positioning"),
    agent("product-design", "ProductDesignAgent", "business", "green", "Designs what the product contains",
          "Content design", "Feature planning", "MVP definition"),
    agent("funnel-design", "FunnelDesignAgent", "business", "green", "Designs the way from a visitor to a customer",
          "Customer journey", "Conversion design", "Funnel planning"),
    agent("persona", "PersonaAgent", "business", "blue", "Describes the customers",
          "Persona creation", "Needs analysis", "Segmentation"),
    agent("self-analysis", "SelfAnalysisAgent", "business", "blue", "Takes stock of skills and experience",
          "Skill inventory", "Strength analysis", "Career review"),
    agent("market-research", "MarketResearchAgent", "business", "blue", "Looks at the market and the competitors",
          "Trend research", "Competitor analysis", "Market sizing"),
    agent("marketing", "MarketingAgent", "business", "green", "Plans and runs campaigns",
          "Campaign planning", "Advertising", "SEO"),
    agent("content-creation", "ContentCreationAgent", "business", "green", "Writes articles and material",
          "Writing", "Editing", "Content planning"),
    agent("sns-strategy", "SNSStrategyAgent", "business", "green", "Plans what is said on social networks",
          "Channel strategy", "Post planning", "Engagement"),
    agent("youtube", "YouTubeAgent", "business", "green", "Plans a channel and its videos",
          "Channel concept", "Video planning", "Script writing"),
    agent("sales", "SalesAgent", "business", "green", "Wins customers",
          "Lead handling", "Proposal writing", "Sales process"),
    agent("crm", "CRMAgent", "business", "green", "Looks after the customers there are",
          "Customer support", "Retention", "Customer records"),
    agent("analytics", "AnalyticsAgent", "business", "blue", "Reads the numbers and says what follows",
          "KPI tracking", "Data analysis", "Reporting"),
)  # fmt: skip

COMMUNITY = (
    agent("discord-community", "DiscordCommunityAgent", "community", "green", "Looks after the Discord community",
          "Moderation", "Announcements", "Member support"),
)  # fmt: skip

AGENTS: dict[str, Agent] = {known.id: known for known in CODING + BUSINESS + COMMUNITY}
