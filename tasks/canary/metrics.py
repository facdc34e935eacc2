"""What CloudWatch knows of a canary: Lambda's metrics by executed version, and the gateway's 5xx.

A weighted alias publishes each version's metrics under the three dimensions FunctionName, Resource (`name:alias`) and
ExecutedVersion. Direct invocations of a version are under another Resource, so probes are not in them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tasks.canary.figures import Figures
from tasks.canary.verdict import Seen
from tasks.changes import Rollout

BEFORE = timedelta(minutes=15)
"""How far back the gateway's usual rate of 5xx is looked up."""
Query = tuple[str, str, Mapping[str, str], str]
"""(namespace, metric, dimensions, statistic)"""


class Metrics:
    """Asks CloudWatch, from the moment at which it is made."""

    def __init__(
        self, rollout: Rollout, api_id: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        names = rollout.environment.names
        self._client, self._api = rollout.aws("cloudwatch"), {"ApiId": api_id}
        self._function, self._alias = names.function, names.alias
        self._now, self._began = now, now()

    @cached_property
    def _before(self) -> Figures:
        """At the gateway before the canary."""
        return figures(self._ask(self._gateway(), self._began - BEFORE, self._began))

    def add_to(self, seen: Seen, new: str, old: str) -> Seen:
        """The same with what CloudWatch knows so far. It keeps whole minutes: of the gateway, which has seen others
        before, only those count that began after the canary did."""
        versions = {**self._version("new_", new), **self._version("old_", old)}
        answers = self._ask(versions, self._began, self._now())
        gateway = self._ask(self._gateway(), self._began + timedelta(minutes=1), self._now())
        return replace(
            seen,
            new_metrics=figures(answers, "new_"),
            old_metrics=figures(answers, "old_"),
            gateway=figures(gateway),
            gateway_before=self._before,
        )

    def _version(self, key: str, version: str) -> dict[str, Query]:
        dimensions = {
            "FunctionName": self._function,
            "Resource": f"{self._function}:{self._alias}",
            "ExecutedVersion": version,
        }
        return {
            f"{key}requests": ("AWS/Lambda", "Invocations", dimensions, "Sum"),
            f"{key}failures": ("AWS/Lambda", "Errors", dimensions, "Sum"),
            f"{key}p95": ("AWS/Lambda", "Duration", dimensions, "p95"),
        }

    def _gateway(self) -> dict[str, Query]:
        """HTTP APIs publish `Count` and `5xx`; REST APIs have other names."""
        return {
            "requests": ("AWS/ApiGateway", "Count", self._api, "Sum"),
            "failures": ("AWS/ApiGateway", "5xx", self._api, "Sum"),
        }

    def _ask(self, queries: Mapping[str, Query], start: datetime, end: datetime) -> dict[str, float | None]:
        """A value for each query over the minutes from `start` to `end`; None where CloudWatch has none (yet)."""
        start = start.replace(second=0, microsecond=0)
        if end <= start:
            return dict.fromkeys(queries)
        period = 60 * math.ceil((end - start).total_seconds() / 60)
        answer = self._client.get_metric_data(
            MetricDataQueries=[data_query(key, query, period) for key, query in queries.items()],
            StartTime=start,
            EndTime=start + timedelta(seconds=period),
        )
        found = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
        return {key: combined(query[3], found.get(key, [])) for key, query in queries.items()}


def data_query(key: str, query: Query, period: int) -> dict[str, Any]:
    namespace, metric, dimensions, statistic = query
    listed = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    return {
        "Id": key,
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": listed},
            "Period": period,
            "Stat": statistic,
        },
        "ReturnData": True,
    }


def combined(statistic: str, values: list[float]) -> float | None:
    """Sums add up; of percentiles, of which there may be two at the edge of a period, the worse one counts."""
    if not values:
        return None
    return sum(values) if statistic == "Sum" else max(values)


def figures(answers: Mapping[str, float | None], key: str = "") -> Figures:
    """The figures whose queries begin with this key."""
    requests, failures = answers[f"{key}requests"], answers[f"{key}failures"]
    return Figures(int(requests or 0), int(failures or 0), answers.get(f"{key}p95"))
