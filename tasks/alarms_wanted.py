"""Which alarms an environment wants, in the words of `PutMetricAlarm`. Pure.

Thresholds are the environment's (blocks/environment.py, with their source). An HTTP API publishes `5xx` and `Latency`
under `ApiId`. Errors and durations of the function are those of its alias: the smoke test of a version that has no
traffic yet is nobody's alarm.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.environment import Environment
from tasks.errors import Rejected

Alarm = Mapping[str, Any]

PERIOD = 300
FEW = 20
"""Invocations in a period below which an error is no rate."""
MEGABYTE, GIGABYTE = 2**20, 2**30
USABLE = 0.75
"""Of an instance's memory, what PostgreSQL's default counts with after the system and RDS have taken theirs: a
db.t3.micro allows 81 to 87 connections, not the 112 of its whole memory."""
PER_CONNECTION = 9_531_392
"""Bytes of memory for which RDS allows one connection: its default is LEAST(DBInstanceClassMemory/9531392, 5000)."""
MEMORY_GB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}
"""Of the sizes of t and m classes; r classes have twice as much."""
KINDS = (
    "function-errors", "function-error-rate", "function-p95", "function-throttles", "function-concurrency",
    "api-5xx", "api-p95", "database-cpu", "database-connections", "database-memory", "database-storage",
)  # fmt: skip
"""Every alarm that there may be."""


def alarm_name(environment: Environment, kind: str) -> str:
    return f"miyabi-{kind}-{environment.name}"


def wanted_alarms(environment: Environment, *, topic_arn: str, api_id: str) -> dict[str, Alarm]:
    """The alarms by name, those without a threshold left out."""
    if not environment.monitoring.alarms:
        return {}
    told = {"ActionsEnabled": True, "AlarmActions": [topic_arn], "OKActions": [topic_arn]}
    found = {
        **dict(of_function(environment)),
        **dict(of_api(environment, api_id)),
        **dict(of_database(environment)),
    }
    return {
        alarm_name(environment, kind): {"AlarmName": alarm_name(environment, kind), **alarm, **told}
        for kind in KINDS
        if (alarm := found.get(kind)) is not None
    }


def of_function(environment: Environment) -> Iterator[tuple[str, Alarm | None]]:
    settings, names = environment.monitoring, environment.names
    function = {"FunctionName": names.function}
    live = function | {"Resource": f"{names.function}:{names.alias}"}

    def metric(name: str, stat: str, dimensions: Mapping[str, str] = live) -> dict[str, Any]:
        return one("AWS/Lambda", name, dimensions, stat)

    yield "function-errors", above(settings.function_errors, metric("Errors", "Sum"), "Requests end in errors.")
    yield (
        "function-error-rate",
        above(
            settings.function_error_percent,
            error_rate(live),
            "Too many requests in a hundred end in errors.",
            periods=2,
        ),
    )
    yield (
        "function-p95",
        above(settings.function_p95_ms, metric("Duration", "p95"), "One request in twenty takes too long.", periods=3),
    )
    yield (
        "function-throttles",
        above(
            settings.function_throttles,
            metric("Throttles", "Sum", function),
            "Requests are refused for want of concurrency.",
        ),
    )
    yield (
        "function-concurrency",
        above(
            settings.function_concurrency,
            metric("ConcurrentExecutions", "Maximum", function),
            "More run at a time than expected.",
        ),
    )


def of_api(environment: Environment, api_id: str) -> Iterator[tuple[str, Alarm | None]]:
    settings, api = environment.monitoring, {"ApiId": api_id}
    failures, latency = one("AWS/ApiGateway", "5xx", api, "Sum"), one("AWS/ApiGateway", "Latency", api, "p95")
    yield "api-5xx", above(settings.api_5xx, failures, "Clients get 5xx.", periods=2)
    yield "api-p95", above(settings.api_p95_ms, latency, "One client in twenty waits too long.", periods=3)


def of_database(environment: Environment) -> Iterator[tuple[str, Alarm | None]]:
    settings, database = environment.monitoring, {"DBInstanceIdentifier": environment.names.database}

    def level(name: str, stat: str = "Average") -> dict[str, Any]:
        return {**one("AWS/RDS", name, database, stat), "TreatMissingData": "missing"}

    yield (
        "database-cpu",
        above(settings.database_cpu_percent, level("CPUUtilization"), "The database computes without rest.", periods=3),
    )
    yield (
        "database-connections",
        above(connections(environment), level("DatabaseConnections", "Maximum"), "Connections run out, or leak."),
    )
    memory, storage = settings.database_free_memory_mb, settings.database_free_storage_gb
    yield (
        "database-memory",
        below(memory and memory * MEGABYTE, level("FreeableMemory"), "The database is short of memory.", periods=2),
    )
    yield (
        "database-storage",
        below(storage and storage * GIGABYTE, level("FreeStorageSpace", "Minimum"), "The database's volume fills up."),
    )


def connections(environment: Environment) -> float | None:
    """How many connections are too many; None without a threshold."""
    percent, name = environment.monitoring.database_connections_percent, environment.database.instance_class
    return None if percent is None else float(int(connection_limit(name) * percent / 100))


def connection_limit(instance_class: str) -> int:
    """How many connections RDS lets into an instance of this class by default. Raises Rejected for unknown sizes."""
    _, family, size = instance_class.split(".") if instance_class.count(".") == 2 else ("", "", "")
    times = size.removesuffix("xlarge")
    memory = MEMORY_GB["xlarge"] * int(times) if times.isdecimal() else MEMORY_GB.get(size)
    if memory is None or family[:1] not in ("t", "m", "r"):
        problem = (
            f"how much memory {instance_class!r} has is not known; set monitoring.database_connections_percent = false"
        )
        raise Rejected("database.instance_class", [f"{problem}, or take a t, m or r class"])
    return min(int(memory * (2 if family[0] == "r" else 1) * GIGABYTE * USABLE / PER_CONNECTION), 5000)


def one(namespace: str, name: str, dimensions: Mapping[str, str], stat: str) -> dict[str, Any]:
    """One metric."""
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Period": PERIOD,
        ("ExtendedStatistic" if stat.startswith("p") else "Statistic"): stat,
    }


def error_rate(dimensions: Mapping[str, str]) -> dict[str, Any]:
    """Errors in a hundred invocations; 0 while there are few."""

    def query(key: str, name: str) -> dict[str, Any]:
        metric = one("AWS/Lambda", name, dimensions, "Sum")
        named = {part: metric[part] for part in ("Namespace", "MetricName", "Dimensions")}
        return {"Id": key, "MetricStat": {"Metric": named, "Period": PERIOD, "Stat": "Sum"}, "ReturnData": False}

    expression = f"IF(invocations >= {FEW}, 100 * errors / invocations, 0)"
    rate = {"Id": "rate", "Expression": expression, "Label": "errors in a hundred", "ReturnData": True}
    return {"Metrics": [query("errors", "Errors"), query("invocations", "Invocations"), rate]}


def above(limit: float | None, metric: Alarm, meaning: str, *, periods: int = 1) -> Alarm | None:
    """An alarm on a metric that is greater than a limit; silence is no alarm."""
    return _alarm(limit, metric, meaning, "GreaterThanThreshold", periods)


def below(limit: float | None, metric: Alarm, meaning: str, *, periods: int = 1) -> Alarm | None:
    return _alarm(limit, metric, meaning, "LessThanThreshold", periods)


def _alarm(limit: float | None, metric: Alarm, meaning: str, comparison: str, periods: int) -> Alarm | None:
    if limit is None:
        return None
    return {
        "AlarmDescription": meaning,
        "TreatMissingData": "notBreaching",
        **metric,
        "ComparisonOperator": comparison,
        "Threshold": float(limit),
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
    }


def condition(alarm: Alarm) -> str:
    """When it rings, as the plan shows it: `Sum of Errors > 5 in 300 s`."""
    sign = ">" if alarm["ComparisonOperator"].startswith("Greater") else "<"
    stat = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    what = f"{stat} of {alarm['MetricName']}" if stat else next(q["Label"] for q in alarm["Metrics"] if "Label" in q)
    periods = f"{alarm['EvaluationPeriods']} × " if alarm["EvaluationPeriods"] > 1 else ""
    limit = f"{alarm['Threshold']:,.0f}" if alarm["Threshold"].is_integer() else f"{alarm['Threshold']:g}"
    return f"{what} {sign} {limit} in {periods}{PERIOD} s"
