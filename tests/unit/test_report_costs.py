"""The cost table, and the mission's tables beside it: exact figures, line by line."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from blocks.reporting import Assumptions
from tasks.errors import Rejected
from tasks.reporting.assuming import assumptions_of
from tasks.reporting.costs import cost_rows, costs_of
from tasks.reporting.mission import Judged, judged_tables
from tasks.reporting.model import Unseen
from tasks.reporting.prices import read_book
from tasks.reporting.setup import setup_of
from tasks.reporting.wording import dollars
from tests.support import make_environment
from tests.unit.reporting import database, function, network, scene

BOOK = read_book()
SETUP = setup_of(scene())


def amounts(assumed: dict[str, float] | None = None, **changed: Any) -> dict[str, Decimal]:
    costs = costs_of(replace(SETUP, **changed), Assumptions(**(assumed or {})), BOOK)
    return {f"{line.use.component} {line.use.what}": line.amount for line in costs.lines}


@pytest.mark.parametrize(
    ("line", "changed", "assumed", "amount"),
    [
        ("Lambda requests", {}, {}, "0.20"),
        ("Lambda compute", {}, {}, "8.33335"),
        ("Lambda compute", {}, {"ms_per_request": 24}, "0.2000004"),
        ("Lambda compute", {"memory_mb": 1024, "architecture": "arm64"}, {"ms_per_request": 100}, "1.33334"),
        ("Lambda provisioned", {"provisioned": 3}, {}, "16.4251314"),
        ("API Gateway requests", {}, {"requests": 5e6}, "5"),
        ("Data transfer to the internet", {}, {}, "0.90"),
        ("RDS db.t3.small", {}, {}, "26.28"),
        ("RDS db.t3.small", {"multi_az": True}, {}, "52.56"),
        ("RDS storage gp3", {"storage_gb": 100, "multi_az": True}, {}, "23"),
        ("RDS backups and snapshots", {}, {"backup_gb": 20}, "0"),
        ("RDS backups and snapshots", {}, {"backup_gb": 50.5}, "2.8975"),
        ("RDS public address", {"public": True}, {}, "3.65"),
        ("VPC endpoint Secrets Manager", {}, {}, "14.60"),
        ("CloudWatch logs kept", {"log_days": 30}, {"log_gb": 10}, "0.30"),
        ("CloudWatch logs kept", {"log_days": None}, {"log_gb": 10}, "3.60"),
        ("X-Ray traces", {}, {"traces_percent": 10}, "0.50"),
        ("CloudFront to people", {}, {"site_gb": 100}, "8.5"),
    ],
)
def test_each_line_is_a_quantity_times_a_price(
    line: str, changed: dict[str, Any], assumed: dict[str, float], amount: str
) -> None:
    assert amounts(assumed, **changed)[line] == Decimal(amount)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("RDS public address", {"public": False}),
        ("VPC endpoint Secrets Manager", {"endpoint_zones": 0}),
        ("Lambda provisioned", {"provisioned": 0}),
        ("X-Ray traces", {"tracing": False}),
        ("CloudFront to people", {"site": False}),
        ("CloudWatch dashboard", {"dashboards": 0}),
    ],
)
def test_what_there_is_not_costs_nothing(line: str, changed: dict[str, Any]) -> None:
    assert line not in amounts({}, **changed)


def test_the_total_is_of_what_is_not_rounded() -> None:
    costs = costs_of(SETUP, Assumptions(), BOOK)
    assert costs.total == sum(amounts().values())
    assert costs.after_free < costs.total
    assert cost_rows(costs)[-1]["a month"] == dollars(costs.total)


def test_a_class_without_a_price_is_said_and_not_guessed() -> None:
    costs = costs_of(replace(SETUP, instance_class="db.x9.huge"), Assumptions(), BOOK)
    rows = cost_rows(costs)
    assert [row["a month"] for row in rows if row["what"] == "db.x9.huge"] == ["?"]
    assert rows[-1]["what"] == "without db.x9.huge"


def test_free_allowances_are_taken_off_once() -> None:
    costs = costs_of(SETUP, Assumptions(), BOOK)
    left = {f"{line.use.component} {line.use.what}": line.after_free for line in costs.lines}
    assert left["Lambda requests"] == 0
    assert left["Lambda compute"] == Decimal("1.66667")
    assert left["API Gateway requests"] == 1


def test_what_stands_counts_before_what_is_written() -> None:
    environment = make_environment()
    seen = scene(environment, database=database(DBInstanceClass="db.t4g.large", MultiAZ=True), function=function(
        memory_mb=1769), network=network(environment, endpoint=False))  # fmt: skip
    setup = setup_of(seen)
    assert (setup.instance_class, setup.multi_az, setup.memory_mb) == ("db.t4g.large", True, 1769)
    assert setup.endpoint_zones == 0
    unseen = setup_of(scene(environment, database=Unseen("no"), function=None, network=Unseen("no")))
    assert (unseen.instance_class, unseen.multi_az, unseen.memory_mb) == ("db.t3.small", False, 512)
    assert unseen.endpoint_zones == 2


def test_every_price_has_its_source_and_date() -> None:
    assert len(BOOK.prices) > 40
    for price in BOOK.prices.values():
        assert price.source.startswith("https://aws.amazon.com/")
        assert price.noted.year >= 2026
        assert price.usd > 0


def test_assumptions_that_are_none_are_refused_all_at_once() -> None:
    with pytest.raises(Rejected) as caught:
        assumptions_of(make_environment(), {"requsts": 5, "ms_per_request": -1})
    assert "there is no 'requsts'" in str(caught.value)
    assert "ms_per_request" in str(caught.value)
    assert assumptions_of(make_environment(), {"requests": 5}).requests == 5


def mission_line(table: str, item: str) -> Judged:
    (found,) = [one for one in judged_tables(BOOK) if table in one.name]
    return next(line for line in found.lines if line.item == item)


@pytest.mark.parametrize(
    ("table", "item", "verdict", "amount"),
    [
        ("status", "Lambda compute", "differs", "8.33335"),
        ("status", "Lambda requests", "agrees", "0.20"),
        ("status", "API Gateway", "agrees", "1"),
        ("status", "RDS instance", "differs", "26.28"),
        ("status", "RDS storage", "agrees", "2.30"),
        ("status", "Data transfer", "agrees", "0.90"),
        ("status", "CloudWatch logs", "agrees", "0.50"),
        ("(ECS", "ECS Fargate", "differs", "36.0401"),
        ("(ECS", "Application Load Balancer", "differs", "16.505"),
        ("(ECS", "NAT gateway", "nearly", "34.20"),
        ("(ECS", "ElastiCache Redis", "nearly", "12.41"),
        ("(ECS", "CloudWatch", "cannot be priced", None),
        ("(ECS", "VPC", "agrees", "0"),
        ("(ECS", "RDS (later)", "nearly", "15.44"),
        ("Phase 0", "RDS, production", "differs", "28.58"),
        ("Phase 0", "Provisioned concurrency, perhaps", "differs", "5.4750438"),
    ],
)
def test_the_mission_line_by_line(table: str, item: str, verdict: str, amount: str | None) -> None:
    line = mission_line(table, item)
    assert line.verdict == verdict
    assert line.amount == (amount if amount is None else Decimal(amount))
    assert bool(line.why) == (verdict != "agrees")


def test_the_mission_adds_up_and_the_difference_for_mysql_is_real() -> None:
    totals = {table.name: (table.total, table.summed) for table in judged_tables(BOOK)}
    assert list(totals.values()) == [
        (Decimal("29.92"), Decimal("29.92")),
        (Decimal("103.00"), Decimal("103.00")),
        (None, Decimal("245.00")),
        (Decimal("52.00"), Decimal("49.00")),
    ]
    assert BOOK.prices["mysql db.t3.small"].usd * BOOK.hours == mission_line("status", "RDS instance").said
