"""Metrics: exact while few, percentiles of three digits when many, by the minute when old; alarms' states from them."""

import pickle
import random
import sys

import pytest

from localcloud.aws import metric_math
from localcloud.aws.alarm_state import Rule, reason, verdict
from localcloud.metrics import EXACT, Kind, Metrics, Sample

KIND = Kind("N", (("Time", "Milliseconds"),), ("Errors",), "Count")
A = {"Name": "a"}
AT = 1_795_768_800  # 08:40:00


def meter_with(values, *, metrics=None, sets=({}, A), at=AT):
    metrics = metrics or Metrics()
    meter = metrics.meter(KIND, *sets)
    for value in values:
        meter.at(at).values[0].fresh.append(value)
    return metrics


def sample(metrics, metric="Time", *, dimensions=A, start=AT, end=AT + 60, period=60):
    found = metrics.samples("N", metric, frozenset(dimensions.items()), start=start, end=end, period=period)
    return found.get(start, Sample())


def test_few_values_are_exact():
    values = [random.Random(1).uniform(1, 900) for _ in range(EXACT)]
    found = sample(meter_with(values))
    assert found.statistic("SampleCount") == EXACT
    assert found.statistic("Sum") == pytest.approx(sum(values))
    assert (found.statistic("Minimum"), found.statistic("Maximum")) == (min(values), max(values))
    assert found.statistic("p95") == sorted(values)[474]
    assert found.statistic("p99.9") == sorted(values)[499]


def test_many_values_keep_three_digits_of_percentiles_and_the_sum_exactly():
    values = [random.Random(2).lognormvariate(2, 1) for _ in range(20_000)]
    metrics = meter_with(values)
    metrics.roll(AT + 2)
    (moment,) = metrics.meter(KIND, {}, A).seconds.values()
    kept = sum(sys.getsizeof(part) for part in (moment.values[0].packed, moment.values[0].counts))
    assert not moment.values[0].fresh
    assert kept < 60_000  # instead of 160,000
    found = sample(metrics)
    assert found.count == 20_000
    assert found.statistic("Average") == pytest.approx(sum(values) / 20_000)
    assert (found.least, found.greatest) == (min(values), max(values))
    for percent in (50, 95, 99, 99.9):
        truth = sorted(values)[int(20_000 * percent / 100) - 1]
        assert found.statistic(f"p{percent}") == pytest.approx(truth, rel=0.005)


def test_values_that_come_after_packing_are_counted_too():
    metrics = meter_with([1.0] * 600)
    metrics.roll(AT + 2)
    meter_with([9.0], metrics=metrics)
    assert (sample(metrics).count, sample(metrics).total) == (601, 609.0)


def test_flags_and_events_have_a_value_for_each_event():
    metrics = meter_with([5.0] * 8)
    metrics.meter(KIND, {}, A).at(AT).flags[0] += 2
    errors = sample(metrics, "Errors")
    assert (errors.total, errors.count, errors.statistic("Average")) == (2, 8, 0.25)
    assert sample(metrics, "Count").total == 8
    assert sample(metrics, "Count", period=10).total == 8


def test_wider_dimensions_are_added_up_and_others_have_nothing():
    metrics = meter_with([1.0])
    meter_with([3.0], metrics=metrics, sets=({}, {"Name": "b"}))
    assert sample(metrics, dimensions={}).total == 4
    assert sample(metrics, dimensions={"Name": "b"}).total == 3
    assert sample(metrics, dimensions={"Name": "c"}).count == 0
    assert {(metric, *sorted(dimensions)) for _, metric, dimensions in metrics.shown()} == {
        (metric, *dimensions) for metric in ("Time", "Errors", "Count")
        for dimensions in ((), (("Name", "a"),), (("Name", "b"),))
    }  # fmt: skip


def test_old_seconds_become_minutes_and_old_minutes_go():
    metrics = meter_with([1.0], at=AT + 1)
    meter_with([2.0] * 700, metrics=metrics, at=AT + 59)
    metrics.roll(AT + 1000)
    meter = metrics.meter(KIND, {}, A)
    assert (list(meter.seconds), list(meter.minutes)) == ([], [AT])
    assert (sample(metrics).count, sample(metrics).total) == (701, 1401.0)
    assert sample(metrics, period=10).count == 0  # nobody knows any more
    metrics.roll(AT + 25 * 3600)
    assert not meter.minutes


def test_what_is_saved_comes_back_by_the_minute():
    metrics = meter_with([1.0, 2.0])
    metrics.meter(KIND, {}, A).at(AT + 61).flags[0] += 1
    again = pickle.loads(pickle.dumps(metrics))
    assert sample(again).total == 3.0
    assert sample(again, "Errors", start=AT + 60, end=AT + 120).total == 1
    assert again.unit("N", "Time") == "Milliseconds"
    meter_with([4.0], metrics=again)
    assert sample(again).total == 7.0


def test_a_level_keeps_its_highest_of_a_second():
    metrics = Metrics()
    level = metrics.meter(Kind("N", (("Level", "Count"),)), A)
    for value in (3, 7, 2):
        level.raise_to(AT + 0.5, value)
    assert sample(metrics, "Level").counts == {7: 1}


@pytest.mark.parametrize("statistic", ["tm99", "p101", "px", "IQM"])
def test_other_statistics_are_a_gap(statistic):
    with pytest.raises(NotImplementedError, match="statistic"):
        sample(meter_with([1.0])).statistic(statistic)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("100 * e / i", {0: 50.0}),
        ("IF(i > 3, e, 0)", {0: 1.0, 60: 0.0}),
        ("FILL(late, 0) + 1", {0: 1.0, 60: 5.0}),
        ("-(e - 1) * 2.5", {0: 0.0, 60: 2.5}),
        ("7", {0: 7.0, 60: 7.0}),
    ],
)
def test_metric_math(expression, values):
    series = {"e": {0: 1.0, 60: 0.0}, "i": {0: 2.0, 60: 0.0}, "late": {60: 4.0}}
    series["i"] = {0: 4.0, 60: 0.0} if "IF" in expression else series["i"]
    assert metric_math.evaluate(expression, series, periods=[0, 60]) == values


@pytest.mark.parametrize(
    "expression", ["SEARCH('{AWS/Lambda}', 'Sum', 60)", "a b", "RATE(e)", "__import__('os')", "e.x"]
)
def test_other_metric_math_is_a_gap(expression):
    with pytest.raises(NotImplementedError, match="metric math"):
        metric_math.evaluate(expression, {"e": {0: 1.0}}, periods=[0])


X, O = 9.0, 0.0  # noqa: E741 - as in CloudWatch's manual: breaching, and not


@pytest.mark.parametrize(
    ("needed", "points", "expected"),
    [
        (3, [O, None, X, None, X], "OK OK OK OK"),
        (3, [None, None, None, None, O], "OK OK OK OK"),
        (3, [None] * 5, "INSUFFICIENT_DATA kept ALARM OK"),
        (3, [O, X, X, None, X], "ALARM ALARM ALARM ALARM"),
        (3, [None, None, X, None, None], "ALARM kept ALARM OK"),
        (2, [O, None, X, None, X], "ALARM ALARM ALARM ALARM"),
        (2, [O, O, X, O, X], "ALARM ALARM ALARM ALARM"),
        (2, [O, None, X, None, None], "OK OK ALARM OK"),
        (2, [None, None, None, None, O], "OK OK ALARM OK"),
        (2, [None, None, None, X, None], "ALARM kept ALARM OK"),
    ],
)
def test_missing_data_as_in_the_tables_of_cloudwatchs_manual(needed, points, expected):
    for missing, state in zip(("missing", "ignore", "breaching", "notBreaching"), expected.split(), strict=True):
        rule = Rule("GreaterThanThreshold", 5.0, 3, needed, missing)
        assert verdict(rule, points, "kept") == state, missing


def test_the_reason_names_the_datapoints():
    rule = Rule("LessThanOrEqualToThreshold", 5.0, 1, 1)
    assert reason(rule, [(0, None), (AT, 4.0)], "ALARM") == (
        "Threshold Crossed: 1 datapoint [4.0 (27/11/26 08:40:00)] was less than or equal to the threshold (5.0)."
    )
    assert (
        reason(rule, [(0, None)], "INSUFFICIENT_DATA") == "Insufficient Data: no datapoints were received for 1 period."
    )
