"""What the business agents and the community agent are asked: all that a model is told besides its prompt.

No field must be given: an execution that names an issue is asked what the issue asks, with no input at all, as the
mission's clients do. What an agent would like to know has a field of its own. Every field is bounded. What the agents
answer is in business_research.py and business_selling.py; `MODELS` has both, by agent.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from database import business_research as research
from database import business_selling as selling
from database.agent_models import AgentInput, Line
from database.business_answers import Answer, Channel

Words = Annotated[str, Field(max_length=8_000)]
Few = Annotated[list[Line], Field(max_length=20)]
Money = Annotated[int, Field(ge=0, le=10**13)]


class Brief(AgentInput):
    """What all of them are asked, in words."""

    brief: str = Field("", max_length=60_000, description="What is wanted, for whom, and what is known.")
    language: Literal["ja", "en"] = Field("ja", description="The language of the answer.")
    currency: Literal["JPY", "USD", "EUR"] = Field("JPY", description="The unit of all amounts.")
    files: list[Line] = Field([], max_length=20, description="Files of the repository to read first.")


class SelfAnalysisInput(Brief):
    skills: Few = Field([], description="What the person or team can do.")
    experience: Few = Field([], description="Posts and projects, the latest first.")
    achievements: Few = Field([], description="Results, with figures where there are any.")
    goals: Few = Field([])
    hours_per_week: int | None = Field(None, ge=1, le=100, description="Time for the undertaking.")


class MarketResearchInput(Brief):
    market: Line = Field("", description="The market or the kind of product.")
    region: Line = "Japan"
    competitors: Few = Field([], description="Those who are known already.")
    competitors_wanted: int = Field(10, ge=3, le=20)
    questions: Few = Field([], description="What the research has to answer.")


class PersonaInput(Brief):
    product: Words = Field("", description="What is offered, and what for.")
    audience: Words = Field("", description="Who is thought to need it.")
    facts: Few = Field([], description="What interviews, sales or support have shown.")
    personas_wanted: int = Field(3, ge=1, le=5)


class ProductConceptInput(Brief):
    idea: Words = ""
    audience: Words = Field("", description="A persona, or who it is for.")
    strengths: Few = Field([], description="What the maker has that others lack.")
    alternatives: Few = Field([], description="What people use today.")
    price_from: Money | None = None
    price_to: Money | None = None


class ProductDesignInput(Brief):
    concept: Words = Field("", description="Concept and promise of the product.")
    kind: Literal["software", "course", "service", "community", "goods"] = "software"
    months: int = Field(6, ge=1, le=12, description="How far the plan reaches.")
    people: int = Field(1, ge=1, le=100, description="Who work on it.")
    must_have: Few = Field([])


class ContentCreationInput(Brief):
    topic: Line = ""
    kind: Literal["article", "newsletter", "script", "lesson", "landing-page", "slides"] = "article"
    audience: Words = ""
    tone: Line = Field("", description="How it should sound.")
    words: int = Field(1200, ge=100, le=5000, description="Length; of Japanese, twice as many characters.")
    keywords: Few = Field([])
    call_to_action: Line = Field("", description="What the reader should do then.")


class FunnelDesignInput(Brief):
    product: Words = ""
    audience: Words = ""
    price: Money | None = None
    visitors_per_month: int | None = Field(None, ge=0, le=10**9)
    channels: list[Channel] = Field([], max_length=10)
    known_rates: Few = Field([], description="Conversion as measured, a line each.")


class SNSStrategyInput(Brief):
    product: Words = ""
    audience: Words = ""
    channels: list[Channel] = Field(["x"], min_length=1, max_length=5)
    days: int = Field(30, ge=7, le=90)
    posts_per_week: int = Field(5, ge=1, le=50, description="On all channels together.")


class MarketingInput(Brief):
    product: Words = ""
    audience: Words = ""
    goal: Line = Field("", description="What the campaigns have to reach, with a figure.")
    budget: Money | None = Field(None, description="For all of them together.")
    weeks: int = Field(12, ge=1, le=52)


class SalesInput(Brief):
    product: Words = ""
    price: Money | None = None
    lead: Words = Field("", description="Who it is, what was said so far. No more personal data than needed.")
    stage: Literal["new", "contacted", "meeting", "proposal", "negotiation"] = "new"
    objections: Few = Field([])


class CustomerRecord(AgentInput):
    """One customer. `reference` is an id of yours; a name is not needed."""

    reference: str = Field(min_length=1, max_length=100)
    since: date | None = None
    last_contact: date | None = None
    revenue: Money | None = None
    notes: Line = ""


class CRMInput(Brief):
    customers: list[CustomerRecord] = Field([], max_length=300)
    requests: list[Words] = Field([], max_length=20, description="Letters of customers that want an answer.")
    today: date | None = Field(None, description="What `since` and `last_contact` are counted from.")


class Figure(AgentInput):
    """One figure of one period, such as `2026-10`."""

    name: str = Field(min_length=1, max_length=100)
    period: str = Field(max_length=30)
    value: float = Field(allow_inf_nan=False)
    target: float | None = Field(None, allow_inf_nan=False)
    unit: str = Field("", max_length=20)


class AnalyticsInput(Brief):
    question: Words = Field("", description="What has to be decided.")
    figures: list[Figure] = Field([], max_length=1000)
    table: str = Field("", max_length=100_000, description="CSV with a header, where figures are many.")


class YouTubeInput(Brief):
    theme: Line = ""
    audience: Words = ""
    videos_wanted: int = Field(5, ge=1, le=20)
    minutes: int = Field(10, ge=1, le=120, description="Length of a video.")
    goal: Line = Field("", description="What the channel has to bring.")


class AIEntrepreneurInput(Brief):
    idea: Words = ""
    strengths: Few = Field([])
    capital: Money | None = Field(None, description="What there is to spend.")
    months: int = Field(12, ge=3, le=36, description="How far the plan reaches.")


class DiscordMessage(AgentInput):
    """A message to be judged. `id` comes back with the judgement."""

    id: str = Field(min_length=1, max_length=50)
    author: str = Field(max_length=100)
    text: str = Field(max_length=4000)


class DiscordCommunityInput(Brief):
    purpose: Words = Field("", description="What the community is for.")
    rules: Few = Field([], description="The server's rules; a judgement names one of them.")
    messages: list[DiscordMessage] = Field([], max_length=100)
    announce: Words = Field("", description="What there is to announce.")
    questions: list[Words] = Field([], max_length=20, description="Members' questions that want an answer.")


MODELS: dict[str, tuple[type[Brief], type[Answer]]] = {
    "ai-entrepreneur": (AIEntrepreneurInput, research.BusinessPlan),
    "product-concept": (ProductConceptInput, research.ProductConcept),
    "product-design": (ProductDesignInput, research.ProductDesign),
    "funnel-design": (FunnelDesignInput, selling.FunnelDesign),
    "persona": (PersonaInput, research.Personas),
    "self-analysis": (SelfAnalysisInput, research.SelfAnalysis),
    "market-research": (MarketResearchInput, research.MarketResearch),
    "marketing": (MarketingInput, selling.MarketingPlan),
    "content-creation": (ContentCreationInput, selling.Content),
    "sns-strategy": (SNSStrategyInput, selling.SNSStrategy),
    "youtube": (YouTubeInput, selling.YouTubePlan),
    "sales": (SalesInput, selling.SalesPlan),
    "crm": (CRMInput, selling.CustomerCare),
    "analytics": (AnalyticsInput, research.Analysis),
    "discord-community": (DiscordCommunityInput, selling.CommunityCare),
}
"""Agent id → what it is asked, what it selling."""
