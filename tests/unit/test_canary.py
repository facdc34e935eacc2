"""When a version goes back and when it may go on: figures in, reasons out."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.canary import CanarySettings
from database.server_use import Connections
from tasks.canary.bake import CanaryFailed
from tasks.canary.connections import Sample, growth, steady
from tasks.canary.figures import Figures, Tally, p95
from tasks.canary.metrics import Metrics
from tasks.canary.probes import repeatable, warm_ms
from tasks.canary.repeating import Repeated
from tasks.canary.verdict import Seen, breaches, chance, lacking
from tasks.suite_checks import Check
from tests.support import make_rollout

ALLOWED = CanarySettings()
GOOD = Figures(600, 0, 20.0)
FEW = Connections(here=5, used=9, allowed=100)
WELL = Seen(0.1, GOOD, GOOD, Figures(1500, 0, 30.0), Figures(150, 0, 20.0), Figures(1350, 0, 20.0), connections=FEW)

CASES: dict[str, tuple[Seen, str]] = {
    "fails": (
        replace(WELL, new=Figures(600, 30, 20.0)),
        "30 of 600 requests failed (old 0 of 600), asked directly; allowed is 1 %",
    ),
    "fails from the start": (replace(WELL, new=Figures(6, 6, 20.0)), "6 of 6 requests failed"),
    "fails more than the old one": (replace(WELL, new=Figures(600, 5, 20.0)), "0.5 % more than the old version"),
    "crashes with traffic": (
        replace(WELL, new_metrics=Figures(150, 8, 20.0)),
        "8 of 150 requests failed (old 0 of 1350), with traffic (Lambda's metrics)",
    ),
    "slow with traffic": (replace(WELL, new_metrics=Figures(500, 0, 90.0)), "p95 is 90 ms; the old version's is 20"),
    "slower": (replace(WELL, new=Figures(600, 0, 320.0)), "p95 is 320 ms; the old version's is 20 ms, so 40"),
    "over the budget": (
        replace(WELL, new=Figures(600, 0, 120.0), old=Figures(600, 0, 90.0)),
        "p95 is 120 ms; allowed are 100, the old version: 90",
    ),
    "visitors see it": (replace(WELL, url=Figures(1500, 9, 30.0)), "through the public URL, 9 of 1500 failed"),
    "the gateway sees it": (replace(WELL, gateway=Figures(5000, 60)), "at the gateway (HTTP 5xx), 60 of 5000 failed"),
    "leaks": (replace(WELL, leak=(9, 100)), "it leaks database connections: 9 more stayed open in 100 requests"),
    "crowds": (replace(WELL, connections=replace(FEW, used=81)), "81 of the database's 100 connections are in use"),
    "is full": (replace(WELL, trouble="FATAL: sorry, too many clients already"), "takes no more connections"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_takes_a_version_back(case: str) -> None:
    seen, said = CASES[case]
    (reason,) = breaches(ALLOWED, seen)
    assert said in reason


NO_BREACH: dict[str, Seen] = {
    "good": WELL,
    "one failure in few requests": replace(WELL, new=Figures(10, 1, 20.0)),
    "three failures in few requests": replace(WELL, new=Figures(90, 3, 20.0)),
    "as bad as the old one was": replace(WELL, new=Figures(600, 5, 20.0), old=Figures(600, 5, 20.0)),
    "slow as the old one": replace(WELL, new=Figures(600, 0, 155.0), old=Figures(600, 0, 150.0)),
    "a few slow ones": replace(WELL, new=Figures(30, 0, 900.0, 20.0)),
    "slow, by too few requests": replace(WELL, new=Figures(30, 0, 900.0)),
    "the gateway failed before, too": replace(WELL, gateway=Figures(5000, 60), gateway_before=Figures(9000, 110)),
    "the old one fails now, and the gateway counts that": replace(
        WELL, old=Figures(35, 35, 2.0), url=Figures(30, 14), gateway=Figures(15, 9), gateway_before=Figures(2120, 30)
    ),
    "the old one crashes with traffic": replace(WELL, old_metrics=Figures(90, 80, 1.0), gateway=Figures(900, 700)),
    "started, and opened some connections": replace(WELL, leak=(4, 100)),
    "connections in the first few requests": replace(WELL, leak=(9, 50)),
    "many connections for many requests": replace(WELL, leak=(9, 5000)),
}


@pytest.mark.parametrize("case", NO_BREACH)
def test_what_does_not(case: str) -> None:
    assert breaches(ALLOWED, NO_BREACH[case]) == []


LOCAL = CanarySettings(min_requests=40)


@pytest.mark.parametrize(
    ("failures", "requests", "back"), [(1, 46, 0), (2, 46, 0), (3, 46, 1), (3, 90, 0), (4, 400, 0)]
)
def test_a_few_failures_in_a_small_sample(failures: int, requests: int, back: int) -> None:
    """One is no sign; as long as it may be chance, more requests are waited for."""
    seen = replace(WELL, new=Figures(requests, failures, 20.0), old=Figures(45, 0, 20.0))
    assert len(breaches(LOCAL, seen)) == back
    assert bool(lacking(LOCAL, seen)) == (failures / requests > LOCAL.max_error_rate)


def test_a_fix_need_not_wait_for_the_answers_of_a_version_that_hangs_and_must_be_well_itself() -> None:
    broken = replace(WELL, old=Figures(6, 6))
    assert lacking(LOCAL, broken) == []
    (reason,) = breaches(LOCAL, replace(broken, new=Figures(600, 30, 20.0)))
    assert "30 of 600 requests failed (old 6 of 6), asked directly; allowed is 1 %" in reason
    assert lacking(LOCAL, replace(WELL, old=Figures(6))) == ["the old version answered 6 requests of 40"]


def test_chance_is_the_binomial_tail() -> None:
    assert chance(0, 46, 0.01) == 1
    assert chance(1, 46, 0.01) == pytest.approx(1 - 0.99**46)
    assert chance(2, 2, 0.1) == pytest.approx(0.01)
    assert chance(1000, 2000, 0.001) == pytest.approx(0, abs=1e-9)


def test_half_of_a_few_requests_are_enough_to_call_it_slow_and_then_it_does_not_leak() -> None:
    seen = replace(WELL, new=Figures(12, 0, 330.0, 310.0), leak=(20, 200))
    (reason,) = breaches(ALLOWED, seen)
    assert "p95 is 330 ms" in reason
    (reason,) = breaches(ALLOWED, replace(seen, new=Figures(12, 0, 330.0, 310.0, cold=3)))
    assert "leaks" in reason


def test_the_first_line_says_why() -> None:
    failed = CanaryFailed("3", 10, ["3 of 46 requests failed (old 0 of 45)", "and it is slow"], ["/a answered 500"])
    assert str(failed).splitlines() == [
        "version 3 is taken back at 10 %: 3 of 46 requests failed (old 0 of 45)",
        "  - and it is slow",
        "  - for example: /a answered 500",
    ]


def test_without_figures_nothing_is_promoted() -> None:
    assert lacking(ALLOWED, WELL) == []
    missing = lacking(ALLOWED, replace(WELL, new=Figures(12), trouble="it is away"))
    assert missing == [
        "the new version answered 12 requests of 200",
        "the database does not say how many connections it has: it is away",
    ]


def test_metrics_that_do_not_come_are_waited_for_where_there_was_traffic() -> None:
    unheard = replace(WELL, new_metrics=Figures())
    assert lacking(ALLOWED, unheard) == [
        "CloudWatch shows no traffic on the new version, of 1500 requests through the URL"
    ]
    assert lacking(ALLOWED, replace(unheard, url=Figures(100))) == []


class CloudWatch:
    """Answers from a table of (metric, version or ''): value; notes the time that it was asked about."""

    def __init__(self, known: dict[tuple[str, str], float]) -> None:
        self.known, self.asked = known, list[tuple[datetime, datetime]]()

    def get_metric_data(self, MetricDataQueries: list[Any], StartTime: datetime, EndTime: datetime) -> dict[str, Any]:
        self.asked.append((StartTime, EndTime))
        results = []
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            value = self.known.get((metric["MetricName"], dimensions.get("ExecutedVersion", "")))
            results.append({"Id": query["Id"], "Values": [] if value is None else [value]})
        return {"MetricDataResults": results}


def test_cloudwatch_is_asked_for_each_version_and_for_whole_minutes_of_the_gateway() -> None:
    known = {("Invocations", "8"): 50.0, ("Errors", "8"): 2.0, ("Duration", "8"): 31.5, ("Invocations", "7"): 450.0}
    client, now = (
        CloudWatch(known | {("Count", ""): 500.0, ("5xx", ""): 4.0}),
        datetime(2026, 11, 27, 9, 0, 30, tzinfo=UTC),
    )
    rollout = make_rollout()
    rollout.aws = lambda _: client  # type: ignore[assignment,method-assign,return-value]
    times = iter([now, *[now + timedelta(seconds=20)] * 2, *[now + timedelta(seconds=200)] * 2])
    metrics = Metrics(rollout, "abc", now=lambda: next(times))
    early, late = metrics.add_to(WELL, "8", "7"), metrics.add_to(WELL, "8", "7")
    assert (late.new_metrics, late.old_metrics) == (Figures(50, 2, 31.5), Figures(450, 0))
    assert (early.gateway, late.gateway, late.gateway_before) == (Figures(), Figures(500, 4), Figures(500, 4))
    assert client.asked[-1] == (now.replace(minute=1, second=0), now.replace(minute=4, second=0))


def samples(*here: int) -> list[Sample]:
    return [Sample(10 * k, Connections(count, count, 100), at=float(k)) for k, count in enumerate(here)]


@pytest.mark.parametrize(
    ("here", "grown"),
    [
        ((5, 6, 7, 8, 9, 10, 11), (6, 60)),
        ((5, 9, 9, 9, 9, 9, 9), (0, 0)),
        ((5, 5, 5, 9, 9, 9, 9), (0, 0)),
        ((5, 12, 19, 20, 20, 20, 21), (0, 0)),
        ((5, 6, 8), (0, 0)),
        ((9, 8, 7, 6, 5), (0, 0)),
    ],
    ids=["a leak", "a start", "a pool that grew once", "one that slows down", "too few looks", "fewer"],
)
def test_a_leak_grows_all_the_time(here: tuple[int, ...], grown: tuple[int, int]) -> None:
    assert growth(samples(*here)) == grown


def test_pools_of_new_processes_and_what_others_open_are_no_leak() -> None:
    grown = samples(5, 7, 9, 11, 13, 15, 17)
    assert growth(grown) == (12, 60)
    assert growth(grown, others=2.0) == (0, 0)
    assert growth(grown, others=0.5) == (9, 60)
    starting = [replace(sample, processes=k) for k, sample in enumerate(grown)]
    assert growth(starting, pool=2) == (0, 0)
    assert growth(starting, pool=1) == (6, 60)


def test_others_are_who_opened_connections_all_the_time_before() -> None:
    assert steady([]) == 0
    assert steady([0.5, 0.6, 0.7, 500.0]) == 0  # a burst
    assert steady([k + 0.5 for k in range(60)]) == pytest.approx(1.0)
    assert steady([1.0, 25.0, 45.0]) == pytest.approx(3 / 60)


def test_steps_grow_and_end_with_everything() -> None:
    assert CanarySettings(steps=(100,)).steps == (100,)
    for steps in ((), (10, 50), (50, 10, 100), (10, 100, 100), (0, 100)):
        with pytest.raises(ValidationError, match="must grow and end with 100"):
            CanarySettings(steps=steps)


def test_a_cold_start_is_not_latency() -> None:
    report = "REPORT RequestId: x\tDuration: {} ms\tBilled Duration: 7 ms\tMemory Size: 128 MB\t{}\n"
    assert warm_ms("START\nhello\n" + report.format("6.25", "")) == 6.25
    assert warm_ms(report.format("6.25", "Init Duration: 100.00 ms\t")) is None
    assert warm_ms("") is None


def test_only_what_reads_is_asked_again_and_again() -> None:
    get, post = Check(path="/a"), Check(path="/b", method="POST")
    assert repeatable([get, post], "/health") == (get,)
    assert repeatable([post], "/health") == (Check(path="/health"),)


def test_the_95th_percentile_is_exact() -> None:
    assert p95([float(n) for n in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0
    assert p95([]) is None


def test_failures_are_told_by_a_few_examples() -> None:
    tally = Tally()
    for number in range(10):
        tally.add(failure=f"answer {number}" if number % 2 else "", ms=float(number))
    assert tally.figures == Figures(10, 5, 9.0)
    assert tally.examples == ["answer 1", "answer 3", "answer 5"]


def test_work_is_repeated_at_its_rate_and_ends_with_the_block() -> None:
    numbers = list[int]()
    with Repeated("probe", numbers.append, per_s=200, threads=2):
        time.sleep(0.2)
    done = len(numbers)
    assert sorted(numbers) == list(range(done))
    assert 2 <= done <= 42
    time.sleep(0.02)
    assert len(numbers) == done
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("probe")]
