"""Answering questions about metrics: GetMetricData's queries, GetMetricStatistics, ListMetrics.

A query is boto3's form of it, a dict, for alarms as well, so that an alarm sees exactly what its owner sees.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localcloud.aws import metric_math
from localcloud.metrics import Dimensions, Metrics, Sample

Query = Mapping[str, Any]
PERIODS = (1, 5, 10, 20, 30)
"""Seconds that a period may have besides whole minutes."""


def is_period(seconds: int) -> bool:
    return seconds in PERIODS or (seconds > 0 and seconds % 60 == 0)


def dimensions_of(listed: Iterable[Mapping[str, str]] | None) -> Dimensions:
    """Of boto3's list of names and values."""
    return frozenset((one["Name"], one["Value"]) for one in listed or ())


def samples_of(metrics: Metrics, stat: Query, *, start: int, end: int) -> dict[int, Sample]:
    """The values that a `MetricStat` is about, by period from `start` on."""
    metric, period = stat["Metric"], int(stat["Period"])
    if (unit := stat.get("Unit")) and unit != metrics.unit(metric["Namespace"], metric["MetricName"]):
        return {}
    dimensions = dimensions_of(metric.get("Dimensions"))
    return metrics.samples(metric["Namespace"], metric["MetricName"], dimensions, start=start, end=end, period=period)


def series_of(metrics: Metrics, queries: Sequence[Query], *, start: int, end: int) -> dict[str, dict[int, float]]:
    """The values of each query by its id; expressions may use the others."""
    series: dict[str, dict[int, float]] = {}
    for query in (query for query in queries if query.get("MetricStat")):
        stat = query["MetricStat"]
        found = samples_of(metrics, stat, start=start, end=end)
        series[query["Id"]] = {at: sample.statistic(stat["Stat"]) for at, sample in found.items()}
    for query in _in_order([query for query in queries if query.get("Expression")], set(series)):
        periods = range(start, end, period_of(query, queries))
        series[query["Id"]] = metric_math.evaluate(query["Expression"], series, periods=periods)
    return series


def period_of(query: Query, queries: Sequence[Query]) -> int:
    """A query's period; an expression has, if none of its own, the longest of the metrics beside it."""
    if stat := query.get("MetricStat"):
        return int(stat["Period"])
    beside = [int(other["MetricStat"]["Period"]) for other in queries if other.get("MetricStat")]
    return int(query.get("Period") or max(beside, default=60))


def aligned(start: float, period: int) -> int:
    """The begin of the period that a time is in."""
    return int(start // period * period)


def timestamp(moment: datetime) -> float:
    """Unix time; moto hands on times of UTC without saying so."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_order(expressions: list[Query], known: set[str]) -> list[Query]:
    """Expressions after those that they use."""
    ordered: list[Query] = []
    while expressions:
        ready = [one for one in expressions if metric_math.names_in(one["Expression"]) <= known]
        if not ready:
            raise NotImplementedError(f"the metric math {expressions[0]['Expression']!r}: it uses an unknown query")
        ordered += ready
        known |= {one["Id"] for one in ready}
        expressions = [one for one in expressions if one not in ready]
    return ordered
