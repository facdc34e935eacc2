"""What is made of a run's lines, and what is planned beforehand: all of it pure."""

import math
import random
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
import pytest

from blocks.environment import LoadProfile
from flows.load_test import ProfileName
from tasks.errors import Rejected
from tasks.load_test import plan_after_release, plan_load
from tasks.loading.apart import ColdStart, beside, cold_start
from tasks.loading.comparison import FEWEST, compare
from tasks.loading.job import Closed, Open
from tasks.loading.plot import Seen, draw
from tasks.loading.profiles import PROFILES, Wish, below_limit, ramp, wished, words
from tasks.loading.report import Told, render
from tasks.loading.samples import CODES, FRESH, WRONG, Samples, Table, figures, outcome_of, percentile
from tasks.loading.schedule import Arrivals, Crowd, wanted_users
from tasks.loading.verdicts import Thresholds, judge
from tasks.reports import LIMIT
from tests.support import make_environment

LIMITS = Thresholds(50, 100, 200, 50, 1)


def lines(*rows: tuple[float, float, int]) -> Table:
    samples = Samples()
    for due, took, outcome in rows:
        samples.add(due, took, 0, outcome)
    return samples.table()


# --- statistics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "share", "rank"),
    [(1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 2), (100, 0.95, 95), (100, 0.99, 99), (101, 0.99, 100), (20, 0.95, 19)],
)
def test_a_percentile_is_the_value_at_its_rank(count: int, share: float, rank: int) -> None:
    assert percentile([float(number) for number in range(1, count + 1)], share) == rank


def test_percentiles_agree_with_counting() -> None:
    dice = random.Random(3)
    values = sorted(dice.expovariate(1.0) for _ in range(997))
    for share in (0.01, 0.5, 0.9, 0.95, 0.99, 0.999):
        found = percentile(values, share)
        assert sum(value <= found for value in values) >= share * 997
        assert sum(value < found for value in values) < share * 997


def test_a_stall_is_in_the_figures_as_it_was() -> None:
    """2,000/s for 8 s, 1 s of nothing: what was due in it waited for its rest. p95 is 600 ms, p99 920."""
    rows = [(k / 2000, 5 - k / 2000 if 4 <= k / 2000 < 5 else 0.001, 0) for k in range(16_000)]
    told = figures(lines(*rows), ["x"], 8.0)["latency"]
    assert told["p95_ms"] == pytest.approx(600, abs=1)
    assert told["p99_ms"] == pytest.approx(920, abs=1)


def test_what_was_not_served_has_no_latency_and_is_an_error() -> None:
    told = figures(
        lines(
            (0.0, 0.010, CODES["2xx"] | FRESH),
            (0.1, 0.020, CODES["5xx"] | WRONG),
            (0.2, 0.0001, CODES["refused"] | WRONG),
            (0.3, 0.0001, CODES["throttled"] | WRONG),
            (0.4, 5.0, CODES["timeout"] | WRONG),
        ),
        ["x"],
    )
    assert (told["requests"], told["good"], told["errors"]) == (5, 1, 4)
    assert (told["latency"]["p50_ms"], told["latency"]["max_ms"]) == (20, 5000)
    assert told["outcomes"] == {"2xx": 1, "5xx": 1, "throttled": 1, "timeout": 1, "refused": 1}
    assert told["fresh"] == {"requests": 1} | {key: 10 for key in told["latency"]}


def test_the_throughput_of_an_open_load_is_of_its_period() -> None:
    rows = [(k / 10, 0.5, 0) for k in range(100)]
    assert figures(lines(*rows), ["x"], 10.0)["per_second"] == pytest.approx(9.6)  # four are under way at its end
    assert figures(lines(), ["x"])["per_second"] == 0


@pytest.mark.parametrize(("status", "accept", "outcome"), [
    (200, (), CODES["2xx"]), (302, (), CODES["3xx"]), (404, (), CODES["4xx"] | WRONG), (404, (404,), CODES["4xx"]),
    (200, (202,), CODES["2xx"] | WRONG), (429, (), CODES["throttled"] | WRONG), (429, (429,), CODES["4xx"]),
    (503, (), CODES["5xx"] | WRONG), (999, (), CODES["other"] | WRONG),
])  # fmt: skip
def test_outcomes(status: int, accept: tuple[int, ...], outcome: int) -> None:
    assert outcome_of(status, accept) == outcome


# --- schedules ------------------------------------------------------------------------------------------------------


def test_arrivals_are_due_at_k_over_the_rate_whatever_happens() -> None:
    arrivals = Arrivals(Open(4, 1))
    assert arrivals.take(0.0) == 0
    assert arrivals.next_at() == 0.25
    assert arrivals.take(0.2) is None
    assert [arrivals.take(9.0) for _ in range(4)] == [0.25, 0.5, 0.75, None]  # late, and still due then
    assert arrivals.over(9.0)
    assert arrivals.next_at() == math.inf


def test_a_user_asks_again_when_answered_and_not_before() -> None:
    crowd = Crowd(Closed(((0.0, 2), (10.0, 2)), requests=4), random.Random(1))
    assert [crowd.take(0.0) for _ in range(3)] == [0, 0, None]
    assert crowd.answered(0.3) == 0.3
    assert crowd.answered(0.4, failed=True) is None
    assert crowd.next_at() == pytest.approx(0.5)
    assert crowd.take(0.5) == pytest.approx(0.5)
    assert crowd.over(0.5)
    assert crowd.answered(0.6) is None


def test_users_think_and_share_their_limit() -> None:
    thinking = Crowd(Closed(((0.0, 1), (10.0, 1)), think_s=(0.5, 1.0)), random.Random(1))
    thinking.take(0.0)
    assert thinking.answered(2.0) is None
    assert 2.5 <= thinking.next_at() <= 3.0
    capped = Crowd(Closed(((0.0, 3), (10.0, 3)), rate_cap=10), random.Random(1))
    due = [capped.take(1.0) for _ in range(3)]
    assert due == [pytest.approx(0.0), pytest.approx(0.1), pytest.approx(0.2)]


def test_users_come_and_go_along_the_points() -> None:
    points = ramp(100, 0, 50, 100, 100, 0)
    assert [wanted_users(points, at) for at in (0, 12.5, 25, 50, 60, 87.5, 100, 200)] == [0, 25, 50, 100, 100, 50, 0, 0]
    crowd = Crowd(Closed(ramp(10, 0, 10, 0)), random.Random(1))
    assert crowd.users == 0
    crowd.adjust(5.0)
    assert crowd.users == 10
    for _ in range(10):
        crowd.take(9.0)
        crowd.answered(9.0)
    assert crowd.users == 2


# --- plans ----------------------------------------------------------------------------------------------------------


def test_every_list_of_profiles_is_the_same() -> None:
    shown = get_args(get_args(ProfileName)[0])
    assert set(shown) == set(PROFILES) == set(get_args(LoadProfile)) - {"none"}


def test_the_missions_loads() -> None:
    assert words(PROFILES["baseline"].load) == "50 users, 10,000 requests"
    assert words(PROFILES["spike"].load) == "200 users, 5,000 requests"
    assert words(PROFILES["sustained"].load) == "50 requests a second for 3600 s"
    assert words(PROFILES["phase-4"].load) == "0 → 50 → 100 users, 120 s, thinking for 0.25 to 0.75 s"


def test_a_wish_changes_a_profile() -> None:
    assert wished(PROFILES["sustained"].load, Wish(60, 200)) == Open(200, 60)
    changed = wished(PROFILES["phase-4"].load, Wish(60, users=10))
    assert isinstance(changed, Closed)
    assert (changed.most_users, changed.duration_s) == (10, 60)
    changed = wished(PROFILES["baseline"].load, Wish(30, 20))
    assert isinstance(changed, Closed)
    assert (changed.requests, changed.duration_s, changed.rate_cap) == (None, 30, 20)


def test_users_are_held_below_the_gateways_limit() -> None:
    capped = below_limit(PROFILES["spike"].load, 500)
    assert isinstance(capped, Closed)
    assert capped.rate_cap == 450
    assert below_limit(Open(400, 1), 500) == Open(400, 1)


def test_what_may_not_be_asked_is_refused_with_all_reasons() -> None:
    production = make_environment(approval=True)
    with pytest.raises(Rejected) as caught:
        plan_load(production, "agents", {}, wish=Wish(rate=600, users=5))
    assert len(caught.value.problems) == 4
    for text in ("profile 'agents' has a rate and no users", "600 requests a second are asked and the stage lets 500",
                 "give its name as `confirm`", "no [[load.agents]] requests"):  # fmt: skip
        assert text in str(caught.value)
    assert plan_load(production, "sustained", {}, confirm="testing").mix[0]["path"] == "/api/v1/health"


def test_a_release_ends_with_the_load_that_its_environment_names() -> None:
    assert plan_after_release(make_environment(), {}) is None
    quick = make_environment(load_test={"after_release": "quick", "after_release_slack": 4}, approval=True)
    plan = plan_after_release(quick, {})
    assert plan
    assert plan.limits == Thresholds(200, 400, 800, 50, 1)


# --- verdicts and history ---------------------------------------------------------------------------------------------


def told(per_second: float = 60.0, errors: int = 0, **latency: float) -> dict[str, Any]:
    latency = {f"{name}_ms": value for name, value in ({"p50": 10, "p95": 20, "p99": 30, "max": 40} | latency).items()}
    return {"requests": 1000, "errors": errors, "per_second": per_second, "latency": latency}


@pytest.mark.parametrize(("run", "asked", "missed"), [
    (told(), None, []),
    (told(p50=50), None, ["latency p50"]),
    (told(p95=120, p99=250), None, ["latency p95", "latency p99"]),
    (told(per_second=50), None, ["throughput"]),
    (told(per_second=49.8), 50, []),
    (told(per_second=49.8), 60, ["throughput"]),
    (told(per_second=18), 20, ["throughput"]),
    (told(errors=10), None, ["errors"]),
    (told(errors=9), None, []),
    ({"requests": 0, "errors": 0, "per_second": 0.0, "latency": {}}, None,
     ["latency p50", "latency p95", "latency p99", "throughput", "errors"]),
])  # fmt: skip
def test_verdicts(run: dict[str, Any], asked: float | None, missed: list[str]) -> None:
    assert [verdict.name for verdict in judge(run, LIMITS, asked=asked) if not verdict.ok] == missed


def test_only_what_noise_does_not_explain_is_called_worse() -> None:
    """Runs whose p95 is spread normally around 80 ms by 8: three of those deviations off is worse, two are not."""
    spread = [NormalDist(80, 8).inv_cdf(share) for share in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)]
    past = [{"p95_ms": value, "per_second": 100.0} for value in spread]
    for value, worse in ((96.0, False), (110.0, True), (60.0, False)):
        compared = {one.figure: one for one in compare({"p95_ms": value, "per_second": 99.5}, past)}
        assert compared["p95_ms"].worse is worse
        assert not compared["per_second"].worse
    assert compare({"per_second": 80.0}, past)[0].worse
    wild = [*past, {"p95_ms": 4000.0}]
    assert compare({"p95_ms": 130.0}, wild)[0].worse


def test_too_few_runs_and_tiny_differences_prove_nothing() -> None:
    steady = [{"p50_ms": 2.0}] * 10
    assert not compare({"p50_ms": 3.9}, steady)[0].worse  # steady to the bit, and 2 ms are nothing
    assert compare({"p50_ms": 4.1}, steady)[0].worse
    few = compare({"p50_ms": 900.0}, steady[: FEWEST - 1])[0]
    assert not few.worse
    assert "too few" in few.verdict
    assert compare({"p50_ms": 1.0}, []) == []


# --- cold starts, picture, page ---------------------------------------------------------------------------------------

REPORT = (
    "REPORT RequestId: 8f5a\tDuration: 100.00 ms\tBilled Duration: 560 ms\tMemory Size: 512 MB\t"
    "Max Memory Used: 80 MB\tInit Duration: 459.00 ms\t\n"
)


def test_cold_starts_are_read_from_the_log_and_told_apart() -> None:
    start = cold_start(REPORT, 1_000_500)
    assert start == ColdStart("8f5a", 1000.5, 459.0, pytest.approx(0.559))
    assert cold_start(REPORT.partition("Init")[0], 1) is None
    table = lines((0.0, 0.01, 0), (0.0, 0.1, 0), (0.2, 0.01, 0), (0.49, 0.2, 0), (0.6, 0.01, 0))
    assert beside(table, [ColdStart("a", 1000.5, 400, 0.45)], 1000.0).tolist() == [False, True, True, True, False]


def test_the_page_with_its_picture_fits_into_an_artifact() -> None:
    dice = np.random.default_rng(1)
    samples = Samples()
    for number in range(20_000):
        failed = number % 97 == 0
        samples.add(number / 100, float(dice.lognormal(-4, 0.8)), 0, CODES["5xx"] | WRONG if failed else CODES["2xx"])
    table, starts = samples.table(), [ColdStart("a", 1003.0, 400, 0.5)]
    seen = [(float(at), int(dice.integers(5, 90)), 4) for at in range(200)]
    picture = draw(Seen("local, baseline", table, LIMITS, 200.0, 100.0, seen, 100, starts, 1000.0))
    assert picture.startswith(b"\x89PNG")
    run = figures(table, ["GET /"]) | {"partial": False, "late": 1, "busy": 0.1}
    page = Told("local", "baseline", "words", "http://h", run, judge(run, LIMITS), starts=starts, warm=run["latency"],
                warm_up=run, connections="4 of 100", picture=picture, files="x")  # fmt: skip
    text = render(page)
    assert len(text.encode()) < LIMIT
    assert page.outcome == "failed (errors)"
    assert "| errors | < 1 % | 1.03 % (207) | ✗ **missed** |" in text
    assert "Cold starts: 1, initialised in 400 ms" in text
    assert "| 5xx | 207 |" in text
