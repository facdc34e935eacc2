"""What the agents answer that find out and decide: who offers what to whom, and as what kind of business.

self-analysis, market-research, persona, product-concept, product-design, analytics, and ai-entrepreneur, which plans
the whole and says which of the others to run with which brief.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from database.agent_models import AgentOutput
from database.business_answers import Answer, Channel, Level, Line, Lines, Money, Text, rising

ModelAgent = Literal["product-concept", "product-design", "funnel-design", "persona", "self-analysis",
                     "market-research", "marketing", "content-creation", "sns-strategy", "youtube", "sales", "crm",
                     "analytics"]  # fmt: skip

# self-analysis, market-research, persona: they look


class Strength(AgentOutput):
    name: Line
    evidence: Line = Field(description="What in the input shows it.")
    use: Line = Field(description="What it is worth to a customer.")


class Gap(AgentOutput):
    skill: Line
    why: Line = Field(description="Why it is needed.")
    remedy: Line = Field(description="Learn it, buy it, or do without.")


class Theme(AgentOutput):
    name: Line
    why: Line
    fit: int = Field(ge=1, le=5, description="5: skill, wish and demand meet.")


class SelfAnalysis(Answer):
    positioning: Line = Field(description="Who offers what to whom, in one sentence.")
    strengths: list[Strength] = Field(min_length=1, max_length=10)
    gaps: list[Gap] = Field(max_length=10)
    themes: list[Theme] = Field(min_length=1, max_length=5, description="What to build on, the best first.")


class Trend(AgentOutput):
    name: Line
    direction: Literal["rising", "steady", "falling"]
    effect: Line = Field(description="What it means for a newcomer.")


class MarketSize(AgentOutput):
    """Yearly amounts in the currency asked for, each part of the one before."""

    total: Money
    serviceable: Money
    obtainable: Money = Field(description="Within three years.")
    basis: Line = Field(description="How it was reckoned, with the figures used.")

    @model_validator(mode="after")
    def parts(self) -> Self:
        rising(("obtainable", self.obtainable), ("serviceable", self.serviceable), ("total", self.total))
        return self


class Competitor(AgentOutput):
    name: Line
    offer: Line
    price: Line
    strengths: Lines
    weaknesses: Lines


class Opportunity(AgentOutput):
    name: Line
    why: Line
    confidence: Level


class MarketResearch(Answer):
    trends: list[Trend] = Field(min_length=1, max_length=10)
    size: MarketSize | None = Field(description="Null where nothing supports a figure.")
    competitors: list[Competitor] = Field(max_length=20)
    needs: Lines = Field(description="What customers lack today.")
    opportunities: list[Opportunity] = Field(min_length=1, max_length=10)
    risks: Lines
    sources: Lines = Field(description="What the statements rest on; general knowledge is called so.")


class Contact(AgentOutput):
    """Where the persona is on its way, and what it thinks there."""

    stage: Literal["awareness", "interest", "consideration", "purchase", "loyalty"]
    thought: Line
    channel: Channel


class Persona(AgentOutput):
    name: Line
    age: int = Field(ge=10, le=100)
    occupation: Line
    situation: Text = Field(description="A day in which the need shows.")
    goals: Lines
    pains: Lines
    objections: Lines = Field(description="Why this person would not buy.")
    budget: Money = Field(description="What the person would spend on it in a month.")
    journey: list[Contact] = Field(min_length=1, max_length=10)
    quote: Line = Field(description="How the person would say the need.")


class Personas(Answer):
    personas: list[Persona] = Field(min_length=1, max_length=5, description="The one to serve first comes first.")
    left_out: Lines = Field(description="Who is not meant, and why.")


# product-concept, product-design: what is offered


class Promise(AgentOutput):
    pain: Line
    promise: Line
    proof: Line = Field(description="Why it is believed.")


class Canvas(AgentOutput):
    """The nine fields of a business model."""

    customers: Lines
    value: Lines
    channels: Lines
    relationships: Lines
    revenue: Lines
    resources: Lines
    activities: Lines
    partners: Lines
    costs: Lines


class Plan(AgentOutput):
    name: Line
    price: Money
    per: Literal["once", "month", "year"]
    contains: Lines


class Experiment(AgentOutput):
    belief: Line
    test: Line = Field(description="The cheapest way to be proved wrong.")
    success: Line = Field(description="The figure at which to go on.")


class ProductConcept(Answer):
    concept: Line = Field(description="The product in one sentence.")
    difference: Line = Field(description="The one reason to choose it over the alternatives.")
    promises: list[Promise] = Field(min_length=1, max_length=6)
    canvas: Canvas
    plans: list[Plan] = Field(min_length=1, max_length=5)
    experiments: list[Experiment] = Field(min_length=1, max_length=6)


class Feature(AgentOutput):
    name: Line
    benefit: Line
    priority: Literal["must", "should", "could", "later"]
    days: float = Field(ge=0, le=365, description="Work of one person.")


class Month(AgentOutput):
    month: int = Field(ge=1, le=12)
    theme: Line
    deliverables: Lines
    done_when: Line


class Choice(AgentOutput):
    what: Line
    choice: Line
    why: Line


class ProductDesign(Answer):
    first_version: Text = Field(description="The smallest product worth paying for, and what it leaves out.")
    features: list[Feature] = Field(min_length=1, max_length=30)
    months: list[Month] = Field(min_length=1, max_length=12)
    choices: list[Choice] = Field(max_length=15, description="Technology or material, with the reason.")
    risks: Lines


# analytics: the figures


class Reading(AgentOutput):
    name: Line
    value: float = Field(allow_inf_nan=False)
    unit: str = Field(max_length=20)
    change: float | None = Field(allow_inf_nan=False, description="Against the period before, in percent.")
    against_target: Literal["above", "on", "below", "no target"]


class Finding(AgentOutput):
    statement: Line
    evidence: Line = Field(description="The figures it rests on.")
    confidence: Level


class Action(AgentOutput):
    action: Line
    effect: Line
    effort: Level


class Analysis(Answer):
    readings: list[Reading] = Field(max_length=30)
    findings: list[Finding] = Field(min_length=1, max_length=12)
    actions: list[Action] = Field(min_length=1, max_length=10, description="The best return first.")
    missing: Lines = Field(description="Figures without which this cannot be said better.")


# ai-entrepreneur: the whole


class Phase(AgentOutput):
    name: Line
    from_month: int = Field(ge=1, le=36)
    to_month: int = Field(ge=1, le=36)
    goal: Line
    tasks: Lines

    @model_validator(mode="after")
    def span(self) -> Self:
        rising(("from_month", self.from_month), ("to_month", self.to_month))
        return self


class Forecast(AgentOutput):
    month: int = Field(ge=1, le=36)
    customers: int = Field(ge=0, le=10**9)
    revenue: Money
    costs: Money


class Risk(AgentOutput):
    risk: Line
    likelihood: Level
    effect: Level
    answer: Line


class Delegation(AgentOutput):
    """Work for another agent: its id and the brief to run it with."""

    agent: ModelAgent
    brief: Text


class BusinessPlan(Answer):
    vision: Line
    customer: Line
    offer: Line
    advantage: Line = Field(description="What a competitor cannot copy in a year.")
    revenue_model: Text
    phases: list[Phase] = Field(min_length=1, max_length=8)
    forecast: list[Forecast] = Field(min_length=1, max_length=12)
    capital_needed: Money
    risks: list[Risk] = Field(min_length=1, max_length=10)
    delegations: list[Delegation] = Field(max_length=13, description="In the order in which they should run.")
