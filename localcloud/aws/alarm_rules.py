"""Alarms as they are put and shown: what CloudWatch refuses, what a change keeps, and their history."""

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.aws import metric_math
from localcloud.aws.alarm_state import WORDS, Rule
from localcloud.aws.metric_queries import Query, period_of
from localcloud.aws.patches import Patches
from localcloud.metrics import percentile

PERIODS = (10, 20, 30)
"""Seconds that an alarm's period may have besides whole minutes."""
LONGEST = 86400
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
MISSING = ("breaching", "notBreaching", "ignore", "missing")
ONE = "m"
"""The id of the query of an alarm on one metric."""
KEPT_HISTORY = 100


def install(patches: Patches) -> None:
    """Close the gaps of alarms."""
    _install_put(patches)
    _install_show(patches)
    _install_delete(patches)

    @patches.add(CloudWatchResponse, "describe_alarm_history")
    def history(response: Any) -> ActionResult:
        return ActionResult({"AlarmHistoryItems": _history(response.cloudwatch_backend, response._get_params())})


def _install_put(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "put_metric_alarm")
    def put(original: Any, response: Any) -> Any:
        wanted = response._get_params()
        check(wanted, account=response.current_account, region=response.region)
        backend, name = response.cloudwatch_backend, wanted["AlarmName"]
        before = backend.alarms.get(name)
        result = original(response)
        alarm = backend.alarms[name]
        alarm.queries, alarm.looked_at = queries_of(wanted), 0.0
        if before is None:
            alarm.state_value, alarm.state_reason = "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation"
            alarm.log = []
        else:  # a change leaves the state alone, and tags belong to the creation
            for kept in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "log"):
                setattr(alarm, kept, getattr(before, kept))
        word = "updated" if before else "created"
        add_history(alarm, "ConfigurationUpdate", f'Alarm "{name}" {word}', "{}")
        return result

    @patches.wrap(CloudWatchBackend, "put_metric_alarm")
    def store(original: Any, backend: Any, *, tags: Any = None, **wanted: Any) -> Any:
        return original(backend, **wanted, tags=None if wanted["name"] in backend.alarms else tags)


def _install_show(patches: Patches) -> None:
    @patches.wrap(CloudWatchResponse, "describe_alarms")
    def describe(original: Any, response: Any) -> ActionResult:
        """moto takes one filter of those that are given, and knows no pages."""
        wanted = response._get_params()
        types = wanted.get("AlarmTypes", ["MetricAlarm"])
        alarms = [alarm for alarm in response.cloudwatch_backend.alarms.values() if _is_wanted(alarm, wanted)]
        first, most = int(wanted.get("NextToken") or 0), int(wanted.get("MaxRecords") or 50)
        page = sorted(alarms, key=lambda alarm: str(alarm.name))[first : first + most] if "MetricAlarm" in types else []
        more = {"NextToken": str(first + most)} if len(alarms) > first + most else {}
        return ActionResult({"MetricAlarms": [shown(alarm) for alarm in page], "CompositeAlarms": [], **more})


def _install_delete(patches: Patches) -> None:
    @patches.wrap(CloudWatchBackend, "delete_alarms")
    def delete(original: Any, backend: Any, names: list[str]) -> None:
        """With their tags, which moto would give to the next alarm of that name."""
        for name in set(names) & set(backend.alarms):
            backend.tagger.delete_all_tags_for_resource(backend.alarms[name].alarm_arn)
        original(backend, names)


def check(wanted: dict[str, Any], *, account: str, region: str) -> None:
    """Raise what CloudWatch would for an alarm."""
    queries, comparison = wanted.get("Metrics") or [], wanted["ComparisonOperator"]
    if comparison not in WORDS:
        raise NotImplementedError(f"the comparison {comparison!r}: the embedded cloud has no anomaly detection")
    if bool(queries) == bool(wanted.get("MetricName")):
        raise InvalidParameterCombination("An alarm has either MetricName or Metrics")
    _check_queries(queries) if queries else _check_statistic(wanted)
    if wanted.get("TreatMissingData", "missing") not in MISSING:
        raise ValidationError(f"TreatMissingData must be one of {', '.join(MISSING)}")
    periods = int(wanted["EvaluationPeriods"])
    if periods < 1 or not 1 <= int(wanted.get("DatapointsToAlarm") or periods) <= periods:
        raise ValidationError("DatapointsToAlarm must be between 1 and EvaluationPeriods")
    _check_span(alarm_period(queries_of(wanted)), periods)
    if "Threshold" not in wanted:
        raise ValidationError("Threshold is required")
    for action in [
        name for key in ("AlarmActions", "OKActions", "InsufficientDataActions") for name in wanted.get(key, ())
    ]:
        if not action.startswith(f"arn:aws:sns:{region}:{account}:"):
            raise NotImplementedError(f"the action {action!r}: the embedded cloud notifies its own SNS topics only")


def _check_statistic(wanted: dict[str, Any]) -> None:
    statistic, extended = wanted.get("Statistic"), wanted.get("ExtendedStatistic")
    if bool(statistic) == bool(extended):
        raise InvalidParameterCombination("An alarm has either Statistic or ExtendedStatistic")
    if statistic and statistic not in STATISTICS:
        raise ValidationError(f"Statistic must be one of {', '.join(STATISTICS)}")
    if extended:
        percentile(extended)


def _check_queries(queries: list[dict[str, Any]]) -> None:
    if sum(query.get("ReturnData") is not False for query in queries) != 1:
        raise ValidationError("Exactly one element of the metrics list should return data.")
    known = {query["Id"] for query in queries}
    for query in queries:
        if not query["Id"][:1].islower():
            raise ValidationError(f"The id {query['Id']!r} must begin with a lowercase letter")
        if query.get("Expression") and (unknown := metric_math.names_in(query["Expression"]) - known):
            raise ValidationError(f"Error in expression {query['Id']!r}: {', '.join(sorted(unknown))} is not there")


def _check_span(period: int, periods: int) -> None:
    if period not in PERIODS and (period <= 0 or period % 60):
        raise ValidationError("Metric Period must be 10, 20, 30 or a multiple of 60")
    if period * periods > LONGEST:
        raise ValidationError(
            f"Metrics cannot be checked across more than a day (EvaluationPeriods * Period <= {LONGEST})"
        )


def queries_of(wanted: dict[str, Any]) -> list[Query]:
    """What an alarm looks at, as queries of GetMetricData."""
    if wanted.get("Metrics"):
        return list(wanted["Metrics"])
    metric = {key: wanted[key] for key in ("Namespace", "MetricName", "Dimensions") if key in wanted}
    stat = wanted.get("Statistic") or wanted.get("ExtendedStatistic")
    return [
        {
            "Id": ONE,
            "MetricStat": {
                "Metric": metric,
                "Period": wanted.get("Period", 0),
                "Stat": stat,
                "Unit": wanted.get("Unit"),
            },
        }
    ]


def result_query(queries: list[Query]) -> Query:
    """The one whose values are compared with the threshold."""
    return next(query for query in queries if query.get("ReturnData") is not False)


def alarm_period(queries: list[Query]) -> int:
    return period_of(result_query(queries), queries)


def rule_of(alarm: Any) -> Rule:
    """What decides an alarm's state."""
    periods = int(alarm.evaluation_periods)
    needed = int(alarm.datapoints_to_alarm or periods)
    missing = alarm.treat_missing_data or "missing"
    return Rule(alarm.comparison_operator, float(alarm.threshold), periods, needed, missing)


def shown(alarm: Any) -> dict[str, Any]:
    """An alarm as DescribeAlarms shows it."""
    fields = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.alarm_arn,
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": alarm.configuration_updated_timestamp,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "StateValue": alarm.state_value,
        "StateReason": alarm.state_reason,
        "StateReasonData": alarm.state_reason_data,
        "StateUpdatedTimestamp": alarm.state_updated_timestamp,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison_operator,
        "TreatMissingData": alarm.treat_missing_data,
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile,
    }
    return {name: value for name, value in {**fields, **_shown_metric(alarm)}.items() if value is not None}


def _shown_metric(alarm: Any) -> dict[str, Any]:
    if not alarm.metric_name:
        return {"Metrics": [{"ReturnData": True, **query} for query in alarm.queries]}
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "Statistic": alarm.statistic,
        "ExtendedStatistic": alarm.extended_statistic,
        "Dimensions": [{"Name": one.name, "Value": one.value} for one in alarm.dimensions],
        "Period": alarm.period,
        "Unit": alarm.unit,
    }


def _is_wanted(alarm: Any, wanted: dict[str, Any]) -> bool:
    names, prefix = wanted.get("AlarmNames"), wanted.get("AlarmNamePrefix", "")
    return (
        (not names or alarm.name in names)
        and alarm.name.startswith(prefix)
        and wanted.get("StateValue") in (None, alarm.state_value)
        and any(action.startswith(wanted.get("ActionPrefix", "")) for action in [*alarm.alarm_actions, ""])
    )


def add_history(alarm: Any, kind: str, summary: str, data: str) -> None:
    alarm.log = [*alarm.log, (datetime.now(UTC).replace(tzinfo=None), kind, summary, data)][-KEPT_HISTORY:]


def _history(backend: Any, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Newest first."""
    items = [
        {"AlarmName": alarm.name, "AlarmType": "MetricAlarm", "Timestamp": at, "HistoryItemType": kind,
         "HistorySummary": summary, "HistoryData": data}
        for alarm in backend.alarms.values()
        if wanted.get("AlarmName") in (None, alarm.name)
        for at, kind, summary, data in alarm.log
        if wanted.get("HistoryItemType") in (None, kind)
    ]  # fmt: skip
    newest = sorted(items, key=lambda item: item["Timestamp"], reverse=True)
    return newest[: int(wanted.get("MaxRecords") or 100)]
