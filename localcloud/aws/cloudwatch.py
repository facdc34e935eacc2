"""CloudWatch's API: the cloud's own metrics, alarms as they are put, dashboards that are looked through.

moto keeps alarms and dashboards; metrics are ours (`localcloud.metrics`), and `localcloud.aws.alarms` evaluates.
Namespaces of AWS can only be read: what stands in them is what happened here.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import (
    DashboardInvalidInputError,
    InvalidParameterCombination,
    InvalidParameterValue,
    ResourceNotFound,
    ValidationError,
)
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws import alarm_rules, alarms, dashboards
from localcloud.aws.metric_queries import aligned, dimensions_of, is_period, period_of, samples_of, series_of, timestamp
from localcloud.aws.patches import Patches
from localcloud.meters import gauge_kind
from localcloud.metrics import Metrics, Sample

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

MOST_METRICS = 500
"""Of one page of ListMetrics."""


def install(cloud: "Cloud") -> None:
    """Close CloudWatch's gaps."""
    _install_state(cloud.patches)
    _install_metrics(cloud.patches)
    _install_list(cloud.patches)
    _install_put(cloud.patches)
    _install_dashboards(cloud.patches)
    alarm_rules.install(cloud.patches)
    alarms.install(cloud)


def _install_state(patches: Patches) -> None:
    @patches.wrap(CloudWatchBackend, "__init__")
    def init(original: Any, backend: Any, region_name: str, account_id: str) -> None:
        original(backend, region_name, account_id)
        backend.metrics = Metrics()


def _metrics(response: Any) -> Metrics:
    metrics: Metrics = response.cloudwatch_backend.metrics
    return metrics


def _install_metrics(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "get_metric_data")
    def data(original: Any, response: Any) -> ActionResult:
        wanted = response._get_params()
        queries = wanted.get("MetricDataQueries", [])
        begin, end = timestamp(wanted["StartTime"]), timestamp(wanted["EndTime"])
        _check_times(begin, end)
        for query in queries:
            if not query.get("MetricStat") and not query.get("Expression"):
                raise ValidationError("The parameter MetricDataQueries.member.1.MetricStat is required.\n")
            _check_period(period_of(query, queries))
        start = aligned(begin, max((period_of(query, queries) for query in queries), default=60))
        series = series_of(_metrics(response), queries, start=start, end=int(end))
        backwards = wanted.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        shown = [query for query in queries if query.get("ReturnData") is not False]
        return ActionResult({"MetricDataResults": [_result(one, series[one["Id"]], backwards) for one in shown]})

    @patches.wrap(CloudWatchResponse, "get_metric_statistics")
    def statistics(original: Any, response: Any) -> ActionResult:
        wanted = response._get_params()
        names = [*wanted.get("Statistics", []), *wanted.get("ExtendedStatistics", [])]
        if not names:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        begin, end, period = timestamp(wanted["StartTime"]), timestamp(wanted["EndTime"]), int(wanted["Period"])
        _check_times(begin, end)
        _check_period(period)
        stat = {"Metric": wanted, "Period": period, "Unit": wanted.get("Unit")}
        found = samples_of(_metrics(response), stat, start=aligned(begin, period), end=int(end))
        unit = _metrics(response).unit(wanted["Namespace"], wanted["MetricName"])
        points = [_datapoint(at, sample, names, unit) for at, sample in found.items()]
        return ActionResult({"Label": wanted["MetricName"], "Datapoints": points})


def _check_times(begin: float, end: float) -> None:
    if begin >= end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")


def _check_period(period: int) -> None:
    if not is_period(period):
        raise InvalidParameterValue(f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}")


def _result(query: dict[str, Any], series: dict[int, float], backwards: bool) -> dict[str, Any]:
    stat = query.get("MetricStat")
    label = query.get("Label") or (f"{stat['Metric']['MetricName']}" if stat else query["Id"])
    times = sorted(series, reverse=backwards)
    return {
        "Id": query["Id"],
        "Label": label,
        "Timestamps": [_utc(at) for at in times],
        "Values": [series[at] for at in times],
        "StatusCode": "Complete",
    }


def _datapoint(at: int, sample: Sample, names: list[str], unit: str) -> dict[str, Any]:
    simple = {name: sample.statistic(name) for name in names if not name.startswith("p")}
    extended = {name: sample.statistic(name) for name in names if name.startswith("p")}
    return {"Timestamp": _utc(at), "Unit": unit, **simple, **({"ExtendedStatistics": extended} if extended else {})}


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _install_list(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "list_metrics")
    def listed(original: Any, response: Any) -> ActionResult:
        wanted = response._get_params()
        known = sorted(
            {one for one in _metrics(response).shown() if _is_wanted(one, wanted)},
            key=lambda one: (one[0], one[1], sorted(one[2])),
        )
        first = int(wanted.get("NextToken") or 0)
        page = known[first : first + MOST_METRICS]
        more = {"NextToken": str(first + MOST_METRICS)} if len(known) > first + MOST_METRICS else {}
        return ActionResult({"Metrics": [_shown(one) for one in page], **more})


def _is_wanted(metric: tuple[str, str, frozenset[tuple[str, str]]], wanted: dict[str, Any]) -> bool:
    namespace, name, dimensions = metric
    return (
        wanted.get("Namespace") in (None, namespace)
        and wanted.get("MetricName") in (None, name)
        and all(
            any(one["Name"] == key and one.get("Value") in (None, value) for key, value in dimensions)
            for one in wanted.get("Dimensions", [])
        )
    )


def _shown(metric: tuple[str, str, frozenset[tuple[str, str]]]) -> dict[str, Any]:
    namespace, name, dimensions = metric
    listed = [{"Name": key, "Value": value} for key, value in sorted(dimensions)]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": listed}


def _install_put(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "put_metric_data")
    def put(original: Any, response: Any) -> EmptyResult:
        wanted = response._get_params()
        namespace = wanted["Namespace"]
        if namespace.startswith("AWS/"):
            raise InvalidParameterValue("The value AWS/ for parameter Namespace is invalid.")
        for number, datum in enumerate(wanted.get("MetricData", []), start=1):
            response.cloudwatch_backend._validate_parameters_put_metric_data(datum, number)
            _note(_metrics(response), namespace, datum)
        return EmptyResult()


def _note(metrics: Metrics, namespace: str, datum: dict[str, Any]) -> None:
    if "StatisticValues" in datum:
        raise NotImplementedError("StatisticValues, of which there are no percentiles")
    kind = gauge_kind(namespace, datum["MetricName"], datum.get("Unit") or "None")
    meter = metrics.meter(kind, dict(dimensions_of(datum.get("Dimensions"))))
    at = timestamp(datum["Timestamp"]) if datum.get("Timestamp") else datetime.now(UTC).timestamp()
    values = datum.get("Values") or [datum.get("Value", 0.0)]
    for value, count in zip(values, datum.get("Counts") or [1] * len(values), strict=True):
        for _ in range(int(count)):
            meter.note(at, float(value))


def _install_dashboards(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "put_dashboard")
    def put(original: Any, response: Any) -> ActionResult:
        problems = dashboards.problems(response._get_param("DashboardBody"))
        if problems:
            listed = "; ".join(f"{where}: {what}" for where, what in problems)
            raise DashboardInvalidInputError(f"The dashboard body is invalid, there are validation errors: {listed}")
        result: ActionResult = original(response)
        return result

    @patches.wrap(CloudWatchBackend, "delete_dashboards")
    def delete(original: Any, backend: Any, names: list[str]) -> None:
        """All of them or none."""
        missing = sorted(set(names) - set(backend.dashboards))
        if missing:
            raise ResourceNotFound(f"Dashboards {', '.join(missing)} do not exist")
        original(backend, names)
