"""The components that tell people: log groups, topic, alarms, dashboard, and the record of releases."""

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.environment import Environment
from tasks.reporting.model import Component
from tasks.reporting.wording import days, plural


def log_group_components(environment: Environment, seen: Mapping[str, Any]) -> Iterator[Component]:
    for name, group in seen.items():
        if group is None:
            yield Component("log group", name, "absent", "there is no log group of this name")
            continue
        kept = days(group.retention_days)
        good = group.retention_days is not None
        yield Component(
            "log group", name, "working" if good else "attention", f"kept {kept}", group.arn, {"kept": kept}
        )


def topic_component(environment: Environment, seen: Any) -> Iterator[Component]:
    confirmed = sorted(email for email, done in seen.emails.items() if done)
    waiting = sorted(email for email, done in seen.emails.items() if not done)
    says = f"tells {', '.join(confirmed)}" if confirmed else "tells nobody: no e-mail address is confirmed"
    shown = {"tells": ", ".join(confirmed) or "nobody", "not confirmed": ", ".join(waiting)}
    settings = {name: value for name, value in shown.items() if value}
    good = not waiting and (bool(confirmed) or not environment.monitoring.emails)
    yield Component("topic", environment.names.alerts, "working" if good else "attention", says, "", settings)


def alarm_components(environment: Environment, seen: Mapping[str, Any]) -> Iterator[Component]:
    """One component for all of them: what rings is said by name."""
    states = {name: str(alarm.facts.get("StateValue", "")) for name, alarm in sorted(seen.items())}
    ringing = [name for name, state in states.items() if state == "ALARM"]
    mute = [name for name, alarm in seen.items() if not alarm.facts.get("AlarmActions")]
    says = plural(len(states), "alarm")
    says += f", ringing: {', '.join(ringing)}" if ringing else ", none rings"
    says += f"; told to nobody: {', '.join(mute)}" if mute else ""
    good = bool(states) and not ringing and not mute
    limits = {name: condition(alarm.facts) for name, alarm in sorted(seen.items())}
    yield Component("alarms", "alarms", "working" if good else "attention", says, "", limits)


def condition(facts: Mapping[str, Any]) -> str:
    """The metric alone has a threshold and a period in words that people compare."""
    sign = {
        "GreaterThanThreshold": ">",
        "GreaterThanOrEqualToThreshold": "≥",
        "LessThanThreshold": "<",
        "LessThanOrEqualToThreshold": "≤",
    }.get(str(facts.get("ComparisonOperator")), "?")
    told = "" if facts.get("AlarmActions") else ", told to nobody"
    return f"{facts.get('MetricName') or 'metrics'} {sign} {facts.get('Threshold', 0):g}{told}"


def dashboard_component(environment: Environment, seen: Any) -> Iterator[Component]:
    widgets = plural(len(seen.body.get("widgets", [])), "widget")
    good = seen.is_ours
    says = widgets if good else f"{widgets}; not made by miyabi-pipelines"
    name = environment.names.dashboard
    yield Component("dashboard", name, "working" if good else "attention", says, name, {"widgets": widgets})


def release_component(environment: Environment, seen: Any) -> Iterator[Component]:
    """`seen`: the story of the last one."""
    last = seen.release
    says = f"the last one {last.status}, of {last.started_at:%Y-%m-%d %H:%M} UTC"
    shown = {
        "last": str(last.id)[:8],
        "status": last.status,
        "git": (last.git_sha or "")[:12],
        "source": last.source or "",
        "version": last.lambda_version_after or "",
        "schema": str(last.schema_version or ""),
    }
    good = last.status == "succeeded"
    settings = {name: value for name, value in shown.items() if value}
    yield Component(
        "releases", "the record of releases", "working" if good else "attention", says, str(last.id), settings
    )
