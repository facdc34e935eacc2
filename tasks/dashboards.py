"""The CloudWatch dashboard of a deployed system: its alarms, the API, the function, the database, the last errors.

A dashboard has no tags, so it says in its first widget whose it is; one of this name that does not is not ours. What
somebody rearranges by hand is in the next plan.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.environment import MANAGED_BY, Environment
from tasks.changes import Change, Rollout, deletion
from tasks.errors import Permanent, absent_as_none, when_settled
from tasks.steps import step

WIDE = 24
"""Columns of CloudWatch's grid."""
PERIOD = 60
GREEN, ORANGE, RED, BLUE = "#2ca02c", "#ff7f0e", "#d62728", "#1f77b4"
Widget = dict[str, Any]
Row = tuple[int, Sequence[Widget]]
"""Its height, and what stands side by side in it."""


@dataclass(frozen=True)
class SeenDashboard:
    """The dashboard as AWS has it."""

    body: Any
    is_ours: bool


def marker(environment: Environment) -> str:
    """By which we know our dashboard again."""
    return f"Made by {MANAGED_BY} for {environment.name}"


def dashboard_body(environment: Environment, *, api_id: str, alarm_arns: Sequence[str]) -> dict[str, Any]:
    """What is drawn, row by row."""
    rows = [
        (2, [text(heading(environment))]),
        *([(3, [alarms(alarm_arns)])] if alarm_arns else []),
        (6, api_widgets(environment, api_id)),
        (6, function_widgets(environment)),
        (6, database_widgets(environment)),
        (6, [errors(environment)]),
    ]
    return {"start": "-PT3H", "periodOverride": "inherit", "widgets": list(placed(rows))}


def placed(rows: Sequence[Row]) -> Iterator[Widget]:
    """The widgets with their places: the rows below one another, each divided evenly."""
    top = 0
    for height, widgets in rows:
        width = WIDE // len(widgets)
        for place, widget in enumerate(widgets):
            yield {"x": place * width, "y": top, "width": width, "height": height, **widget}
        top += height


def heading(environment: Environment) -> str:
    names = environment.names
    return (
        f"## {names.api}\nFunction `{names.function}` (alias `{names.alias}`), database `{names.database}`, account "
        f"{environment.account_id}, {environment.region}. {marker(environment)}; changes by hand are taken back."
    )


def api_widgets(environment: Environment, api_id: str) -> list[Widget]:
    """What clients see, by the names that an HTTP API publishes."""
    api = ["ApiId", api_id]

    def line(metric: str, **options: object) -> list[Any]:
        return ["AWS/ApiGateway", metric, *api, options]

    requests = [
        line("Count", stat="Sum", label="requests", color=BLUE),
        line("4xx", stat="Sum", label="4xx", color=ORANGE),
        line("5xx", stat="Sum", label="5xx", color=RED),
    ]
    latency = [*percentiles(line, "Latency"), line("IntegrationLatency", stat="p95", label="p95 without the gateway")]
    limit = environment.monitoring.api_p95_ms
    return [
        graph(environment, "API: requests and failures", requests),
        graph(environment, "API: latency in ms", latency, limit=limit),
    ]


def function_widgets(environment: Environment) -> list[Widget]:
    function, settings = ["FunctionName", environment.names.function], environment.monitoring

    def line(metric: str, **options: object) -> list[Any]:
        return ["AWS/Lambda", metric, *function, options]

    invocations = [
        line("Invocations", stat="Sum", label="invocations", color=BLUE),
        line("Errors", stat="Sum", label="errors", color=RED),
    ]
    concurrency = [
        line("ConcurrentExecutions", stat="Maximum", label="at a time", color=BLUE),
        line("Throttles", stat="Sum", label="refused", color=RED),
    ]
    return [
        graph(environment, "Function: invocations and errors", invocations),
        graph(environment, "Function: duration in ms", percentiles(line, "Duration"), limit=settings.function_p95_ms),
        graph(environment, "Function: concurrency", concurrency, limit=settings.function_concurrency),
    ]


def database_widgets(environment: Environment) -> list[Widget]:
    database = ["DBInstanceIdentifier", environment.names.database]

    def level(title: str, metric: str, stat: str, label: str) -> Widget:
        line = ["AWS/RDS", metric, *database, {"stat": stat, "label": label, "color": BLUE}]
        return graph(environment, f"Database: {title}", [line])

    return [
        level("processor in %", "CPUUtilization", "Average", "used"),
        level("connections", "DatabaseConnections", "Maximum", "open"),
        level("memory in bytes", "FreeableMemory", "Minimum", "free"),
        level("storage in bytes", "FreeStorageSpace", "Minimum", "free"),
    ]


def percentiles(line: Any, metric: str) -> list[list[Any]]:
    colors = {"p50": GREEN, "p95": ORANGE, "p99": RED}
    return [line(metric, stat=stat, label=stat, color=color) for stat, color in colors.items()]


def text(markdown: str) -> Widget:
    return {"type": "text", "properties": {"markdown": markdown}}


def alarms(arns: Sequence[str]) -> Widget:
    return {"type": "alarm", "properties": {"title": "Alarms", "alarms": list(arns), "sortBy": "stateUpdatedTimestamp"}}


def graph(environment: Environment, title: str, metrics: list[list[Any]], *, limit: float | None = None) -> Widget:
    """Lines over time; `limit`: where the alarm rings."""
    properties: dict[str, Any] = {
        "title": title,
        "view": "timeSeries",
        "stacked": False,
        "region": environment.region,
        "period": PERIOD,
        "metrics": metrics,
        "yAxis": {"left": {"min": 0, "showUnits": False}},
    }
    if limit is not None:
        properties["annotations"] = {"horizontal": [{"label": "alarm", "value": limit, "color": RED}]}
    return {"type": "metric", "properties": properties}


def errors(environment: Environment) -> Widget:
    """The function's last lines that tell of failure; Logs Insights reads them when somebody looks."""
    query = (
        f"SOURCE '{environment.names.function_logs}' | fields @timestamp, @message"
        r" | filter @message like /ERROR|Task timed out|Runtime\.\w+Error|Traceback/ | sort @timestamp desc | limit 20"
    )
    properties = {"title": "Function: last errors", "region": environment.region, "query": query, "view": "table"}
    return {"type": "log", "properties": properties}


def observe_dashboard(rollout: Rollout) -> SeenDashboard | None:
    name = rollout.environment.names.dashboard
    found = absent_as_none(lambda: rollout.aws("cloudwatch").get_dashboard(DashboardName=name))
    if found is None:
        return None
    body = found["DashboardBody"]
    return SeenDashboard(json.loads(body), marker(rollout.environment) in body)


def plan_dashboard(name: str, wanted: Any, seen: SeenDashboard | None) -> list[Change]:
    if seen is None:
        return [Change("create", f"dashboard {name}", "widgets", "", str(len(wanted["widgets"])))]
    if seen.body == wanted:
        return []
    before, after = (widgets_of(body) for body in (seen.body, wanted))
    differing = [title for title in {**before, **after} if before.get(title) != after.get(title)]
    shown = ", ".join(differing) or "settings"
    return [Change("update", f"dashboard {name}", "widgets", "", shown, "differs from what a release draws")]


def widgets_of(body: Any) -> dict[str, Any]:
    """The widgets by their titles."""
    return {
        widget.get("properties", {}).get("title") or widget.get("type", ""): widget
        for widget in body.get("widgets", [])
    }


def apply_dashboard(rollout: Rollout, name: str, wanted: Any) -> None:
    """Put it, and raise Permanent if CloudWatch finds fault with it."""
    body = json.dumps(wanted)
    answer = when_settled(lambda: rollout.aws("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=body))
    if problems := answer.get("DashboardValidationMessages"):
        raise Permanent(f"dashboard {name}: " + "; ".join(f"{p['DataPath']}: {p['Message']}" for p in problems))


@step("Ensure the dashboard")
def ensure_dashboard(rollout: Rollout, *, api_id: str, alarm_arns: Sequence[str]) -> None:
    """Have CloudWatch draw the system, where the environment wants that; else see that nothing of it is left."""
    environment, name = rollout.environment, rollout.environment.names.dashboard
    if not environment.monitoring.dashboard:
        remove_dashboard(rollout)
        return
    seen, wanted = observe_dashboard(rollout), dashboard_body(environment, api_id=api_id, alarm_arns=alarm_arns)
    if seen and not seen.is_ours:
        rollout.require_ours(f"dashboard {name}", {})
    rollout.converge(
        f"dashboard {name}",
        plan_dashboard(name, wanted, seen),
        apply=lambda: apply_dashboard(rollout, name, wanted),
        planned=lambda: None,
    )


@step("Destroy the dashboard")
def destroy_dashboard(rollout: Rollout) -> None:
    """Delete the dashboard, if it is there and ours."""
    remove_dashboard(rollout)


def remove_dashboard(rollout: Rollout) -> None:
    environment, name = rollout.environment, rollout.environment.names.dashboard
    seen = observe_dashboard(rollout)
    tags = None if seen is None else environment.tags if seen.is_ours else {}
    rollout.converge(
        f"absence of dashboard {name}",
        deletion(rollout, f"dashboard {name}", tags),
        apply=lambda: absent_as_none(lambda: rollout.aws("cloudwatch").delete_dashboards(DashboardNames=[name])),
        planned=lambda: None,
    )
