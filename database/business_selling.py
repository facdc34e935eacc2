"""What the agents answer that speak with people: how they hear of a product, buy it, stay, and talk of it.

funnel-design, marketing, content-creation, sns-strategy, youtube, sales, crm, and discord-community.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from database.agent_models import AgentOutput
from database.business_answers import Answer, Channel, Document, Kpi, Level, Line, Lines, Money, Percent, Text, rising

# funnel-design, marketing, content-creation, sns-strategy, youtube: how people hear of it


class FunnelStage(AgentOutput):
    stage: Literal["visit", "lead", "trial", "purchase", "repeat", "referral"]
    touchpoint: Line
    message: Line
    rate: Percent = Field(description="How many of the stage before get here, in percent.")
    basis: Line = Field(description="Measured, or estimated from what.")
    improvement: Line = Field(description="The first thing to test.")


class Mail(AgentOutput):
    day: int = Field(ge=0, le=365, description="After sign-up.")
    subject: Line
    purpose: Line


class FunnelDesign(Answer):
    offer: Line = Field(description="What is given for an address.")
    stages: list[FunnelStage] = Field(min_length=2, max_length=8)
    mails: list[Mail] = Field(max_length=20)
    kpis: list[Kpi] = Field(min_length=1, max_length=8)


class Campaign(AgentOutput):
    name: Line
    channel: Channel
    message: Line
    from_week: int = Field(ge=1, le=52)
    to_week: int = Field(ge=1, le=52)
    budget: Money
    kpi: Kpi

    @model_validator(mode="after")
    def span(self) -> Self:
        rising(("from_week", self.from_week), ("to_week", self.to_week))
        return self


class Ad(AgentOutput):
    channel: Channel
    headline: str = Field(min_length=1, max_length=120)
    text: Line


class Keyword(AgentOutput):
    keyword: Line
    intent: Literal["learn", "compare", "buy", "find"]
    page: Line = Field(description="What the page that answers it has to hold.")


class MarketingPlan(Answer):
    message: Line = Field(description="What all campaigns say.")
    campaigns: list[Campaign] = Field(min_length=1, max_length=12)
    ads: list[Ad] = Field(max_length=12)
    keywords: list[Keyword] = Field(max_length=30)
    stop_rule: Line = Field(description="The figure at which a campaign is ended.")


class Content(Answer):
    title: Line
    description: str = Field(min_length=1, max_length=320, description="For search results and previews.")
    outline: Lines
    body: Document = Field(description="The whole text, in Markdown, ready to publish.")
    keywords: Lines
    to_verify: Lines = Field(description="Statements that someone must check before it is published.")


class ChannelPlan(AgentOutput):
    channel: Channel
    purpose: Line
    posts_per_week: int = Field(ge=0, le=50)
    tone: Line


class Post(AgentOutput):
    day: int = Field(ge=1, le=90)
    channel: Channel
    text: str = Field(min_length=1, max_length=2000, description="Ready to post; at most 280 characters on x.")
    purpose: Literal["teach", "show", "ask", "tell", "sell"]


class SNSStrategy(Answer):
    channels: list[ChannelPlan] = Field(min_length=1, max_length=5)
    themes: Lines = Field(description="What the posts come back to.")
    posts: list[Post] = Field(min_length=1, max_length=60)
    replies: Lines = Field(description="How questions, praise and anger are answered.")
    kpis: list[Kpi] = Field(min_length=1, max_length=8)


class Video(AgentOutput):
    title: str = Field(min_length=1, max_length=100, description="YouTube cuts after 100 characters.")
    hook: Line = Field(description="The first ten seconds.")
    outline: Lines
    thumbnail: Line
    keywords: Lines
    minutes: int = Field(ge=1, le=240)


class YouTubePlan(Answer):
    channel: Line = Field(description="Who sees what here, and how often.")
    videos: list[Video] = Field(min_length=1, max_length=20, description="In the order of publication.")
    script: Document = Field(description="The first video word for word, in Markdown.")
    kpis: list[Kpi] = Field(min_length=1, max_length=8)


# sales, crm, discord-community: how they are treated


class Qualification(AgentOutput):
    """What is known of the lead, or how to find out."""

    budget: Line
    authority: Line
    need: Line
    timing: Line
    worth: Level


class Objection(AgentOutput):
    objection: Line
    answer: Line


class Message(AgentOutput):
    day: int = Field(ge=0, le=180)
    channel: Literal["email", "phone", "meeting", "line", "letter"]
    text: Text


class SalesPlan(Answer):
    qualification: Qualification
    questions: Lines = Field(description="To ask, in order.")
    objections: list[Objection] = Field(max_length=12)
    proposal: Document = Field(description="Ready to send, in Markdown.")
    follow_up: list[Message] = Field(min_length=1, max_length=10)
    give_up_when: Line


class Segment(AgentOutput):
    name: Line
    rule: Line = Field(description="Which customers belong to it; it can be applied to the records.")
    care: Line


class AtRisk(AgentOutput):
    reference: Line = Field(description="As in the input.")
    signs: Line
    action: Line
    urgency: Level


class Reply(AgentOutput):
    request: int = Field(ge=1, le=20, description="Number of the request, from 1.")
    text: Text
    hand_over: bool = Field(description="True: a person has to answer this.")


class CustomerCare(Answer):
    segments: list[Segment] = Field(max_length=8)
    at_risk: list[AtRisk] = Field(max_length=50)
    replies: list[Reply] = Field(max_length=20)
    programme: Lines = Field(description="What keeps customers, in the order of effect for effort.")
    kpis: list[Kpi] = Field(max_length=8)


class Judgement(AgentOutput):
    message: Line = Field(description="Its id.")
    action: Literal["keep", "warn", "delete", "timeout", "hand over"]
    rule: Line | None = Field(description="The rule that was broken; null for keep.")
    reason: Line
    reply: str | None = Field(max_length=2000, description="What to write to the member, if anything.")


class Announcement(AgentOutput):
    channel: Line
    title: Line
    text: str = Field(min_length=1, max_length=2000, description="Discord takes 2,000 characters.")


class MemberAnswer(AgentOutput):
    question: int = Field(ge=1, le=20, description="Number of the question, from 1.")
    text: str = Field(min_length=1, max_length=2000)
    hand_over: bool = Field(description="True: a person has to answer this.")


class Event(AgentOutput):
    name: Line
    when: Line
    plan: Line


class CommunityCare(Answer):
    judgements: list[Judgement] = Field(max_length=100, description="One for each message of the input.")
    announcements: list[Announcement] = Field(max_length=5)
    answers: list[MemberAnswer] = Field(max_length=20)
    events: list[Event] = Field(max_length=5)
    health: Line = Field(description="How the community is, and what shows it.")
