"""The SNS topic that alarms tell, and the e-mail addresses that it tells on.

An address gets a mail from AWS and counts once its owner has confirmed it there; until then it stands in the findings.
Subscriptions that somebody made by hand stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from blocks.environment import Environment
from tasks.changes import Change, Rollout, adoption, deletion, tags_from
from tasks.errors import absent_as_none, when_settled, when_visible
from tasks.steps import step

UNCONFIRMED = "PendingConfirmation"


@dataclass(frozen=True)
class Topic:
    """Where alarms are told."""

    name: str
    arn: str


@dataclass(frozen=True)
class SeenTopic:
    """The topic as AWS has it. `emails`: address → whether its owner has confirmed."""

    tags: dict[str, str]
    emails: Mapping[str, bool]


def topic_of(rollout: Rollout) -> Topic:
    name = rollout.environment.names.alerts
    return Topic(name, rollout.aws.arn("sns", name))


def observe_topic(rollout: Rollout, arn: str) -> SeenTopic | None:
    sns = rollout.aws("sns")
    listed: dict[str, Any] | None = absent_as_none(lambda: sns.list_tags_for_resource(ResourceArn=arn))
    if listed is None:
        return None
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    found = [entry for page in pages for entry in page["Subscriptions"] if entry["Protocol"] == "email"]
    confirmed = {entry["Endpoint"]: entry["SubscriptionArn"] != UNCONFIRMED for entry in found}
    return SeenTopic(tags_from(listed["Tags"]), confirmed)


def plan_topic(environment: Environment, seen: SeenTopic | None) -> list[Change]:
    resource = f"topic {environment.names.alerts}"
    known = seen.emails if seen else {}
    wanted = [email for email in environment.monitoring.emails if email not in known]
    made = [Change("create", resource)] if seen is None else adoption(resource, environment, seen.tags)
    return made + [Change("create", f"subscription to {resource}", "email", "", email) for email in wanted]


def apply_topic(rollout: Rollout, topic: Topic, seen: SeenTopic | None) -> Topic:
    sns = rollout.aws("sns")
    if seen is None:  # made twice it is the same one
        when_settled(lambda: sns.create_topic(Name=topic.name, Tags=rollout.tag_list))
    elif not rollout.environment.owns(seen.tags):
        when_settled(lambda: sns.tag_resource(ResourceArn=topic.arn, Tags=rollout.tag_list))
    for email in rollout.environment.monitoring.emails:
        if seen is None or email not in seen.emails:
            when_visible(partial(sns.subscribe, TopicArn=topic.arn, Protocol="email", Endpoint=email))
    return topic


@step("Ensure the topic of alarms")
def ensure_topic(rollout: Rollout) -> Topic:
    """Have the topic, with the environment's addresses subscribed to it."""
    topic, environment = topic_of(rollout), rollout.environment
    seen = observe_topic(rollout, topic.arn)
    if seen:
        rollout.require_ours(f"topic {topic.name}", seen.tags)
    for email in environment.monitoring.emails:
        if not (seen and seen.emails.get(email)):
            rollout.find(f"topic {topic.name}", f"{email} is not told of alarms before confirming the mail of AWS")
    return rollout.converge(
        f"topic {topic.name}",
        plan_topic(environment, seen),
        apply=lambda: apply_topic(rollout, topic, seen),
        planned=lambda: topic,
    )


@step("Destroy the topic of alarms")
def destroy_topic(rollout: Rollout) -> None:
    """Delete the topic with its subscriptions, if it is there and ours."""
    topic = topic_of(rollout)
    seen = observe_topic(rollout, topic.arn)
    rollout.converge(
        f"absence of topic {topic.name}",
        deletion(rollout, f"topic {topic.name}", seen.tags if seen else None),
        apply=lambda: absent_as_none(lambda: rollout.aws("sns").delete_topic(TopicArn=topic.arn)),
        planned=lambda: None,
    )
