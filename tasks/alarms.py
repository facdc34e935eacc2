"""CloudWatch alarms on the function, the API and the database; each tells the environment's topic.

One look finds all of them, whatever they are; tags are asked for only where something is to be done, since AWS gives
them one alarm at a time. A change keeps an alarm's state. Alarms whose threshold is gone from the environment go, too.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tasks.alarms_wanted import KINDS, Alarm, alarm_name, condition, wanted_alarms
from tasks.changes import Change, Rollout, adoption, deletion, differences, tags_from
from tasks.errors import absent_as_none, when_settled, when_visible
from tasks.steps import step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenAlarm:
    """An alarm as AWS has it. `tags` are known where something is to be done, else None."""

    arn: str
    facts: Alarm
    tags: dict[str, str] | None = field(default=None)


def observe_alarms(rollout: Rollout) -> dict[str, SeenAlarm]:
    """Ours by name, those that there are."""
    names = [alarm_name(rollout.environment, kind) for kind in KINDS]
    pages = rollout.aws("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=names)
    found = [alarm for page in pages for alarm in page["MetricAlarms"]]
    return {alarm["AlarmName"]: SeenAlarm(alarm["AlarmArn"], alarm) for alarm in found}


def observe_tags(rollout: Rollout, seen: SeenAlarm) -> SeenAlarm:
    listed = absent_as_none(lambda: rollout.aws("cloudwatch").list_tags_for_resource(ResourceARN=seen.arn))
    return SeenAlarm(seen.arn, seen.facts, tags_from(listed["Tags"]) if listed else {})


def plan_alarm(rollout: Rollout, name: str, wanted: Alarm | None, seen: SeenAlarm | None) -> list[Change]:
    """What makes one alarm as it is wanted; None: not at all."""
    resource = f"alarm {name}"
    if wanted is None:
        return deletion(rollout, resource, seen.tags if seen else None)
    if seen is None:
        return [Change("create", resource, "rings at", "", condition(wanted))]
    adopted = adoption(resource, rollout.environment, seen.tags) if seen.tags is not None else []
    return adopted + differences(resource, flat(wanted), flat(only(wanted, seen.facts)))


def is_right(wanted: Alarm | None, seen: SeenAlarm) -> bool:
    return wanted is not None and flat(wanted) == flat(only(wanted, seen.facts))


def only(wanted: Alarm, seen: Alarm) -> dict[str, Any]:
    """What AWS says of the settings that we have a wish for, and of its one statistic."""
    others = {key: None for key in ("Statistic", "ExtendedStatistic", "Metrics", "MetricName") if seen.get(key)}
    return {key: seen.get(key) for key in {**wanted, **others}}


def flat(alarm: Alarm) -> dict[str, object]:
    """Settings in one comparable form; the order of dimensions means nothing."""
    return {
        key: json.dumps(_sorted(value), sort_keys=True) if isinstance(value, list) else "" if value is None else value
        for key, value in alarm.items()
    }


def apply_alarm(rollout: Rollout, wanted: Alarm | None, seen: SeenAlarm | None) -> None:
    cloudwatch = rollout.aws("cloudwatch")
    if wanted is None:
        assert seen is not None
        absent_as_none(lambda: cloudwatch.delete_alarms(AlarmNames=[seen.facts["AlarmName"]]))
        return
    when_settled(lambda: cloudwatch.put_metric_alarm(**wanted, Tags=rollout.tag_list))
    if seen is not None and not rollout.environment.owns(seen.tags or {}):  # a change takes no tags
        when_visible(lambda: cloudwatch.tag_resource(ResourceARN=seen.arn, Tags=rollout.tag_list))


@step("Ensure alarms")
def ensure_alarms(rollout: Rollout, *, topic_arn: str, api_id: str) -> tuple[str, ...]:
    """Have the environment's alarms, and no others of ours; their ARNs."""
    wanted = wanted_alarms(rollout.environment, topic_arn=topic_arn, api_id=api_id)
    plans = {name: plan for name, plan in _planned(rollout, wanted).items() if plan[2]}
    if not plans:
        logger.info("%d alarms are as they should be: nothing to do", len(wanted))
    for name, (alarm, seen, changes) in plans.items():
        apply = partial(apply_alarm, rollout, alarm, seen)
        rollout.converge(f"alarm {name}", changes, apply=apply, planned=lambda: None)
    return tuple(rollout.aws.arn("cloudwatch", f"alarm:{name}") for name in wanted)


@step("Destroy alarms")
def destroy_alarms(rollout: Rollout) -> None:
    """Delete the alarms that are there and ours, all in one call."""
    seen = {name: observe_tags(rollout, alarm) for name, alarm in observe_alarms(rollout).items()}
    doomed = {name: deletion(rollout, f"alarm {name}", alarm.tags) for name, alarm in seen.items()}
    names = [name for name, changes in doomed.items() if changes]
    rollout.converge(
        "absence of alarms",
        [change for changes in doomed.values() for change in changes],
        apply=lambda: absent_as_none(lambda: rollout.aws("cloudwatch").delete_alarms(AlarmNames=names)),
        planned=lambda: None,
    )


def _planned(
    rollout: Rollout, wanted: Mapping[str, Alarm]
) -> dict[str, tuple[Alarm | None, SeenAlarm | None, list[Change]]]:
    """Each alarm that is wanted or there: how it is wanted, how it is, and what has to change."""
    plans = {}
    found = observe_alarms(rollout)
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        alarm, seen = wanted.get(name), found.get(name)
        if seen and not is_right(alarm, seen):
            seen = observe_tags(rollout, seen)
            if alarm is not None:
                rollout.require_ours(f"alarm {name}", seen.tags or {})
        plans[name] = (alarm, seen, plan_alarm(rollout, name, alarm, seen))
    return plans


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
