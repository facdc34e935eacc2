"""DynamoDB: tables, how they are paid, and what CloudWatch counted of throttled requests."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.errors import absent_as_none
from tasks.runbooks.elsewhere import asked
from tasks.runbooks.facts import RunbookFacts
from tasks.runbooks.facts_elsewhere import Load, Table, TablesSeen, ThrottlesSeen

HOURS, PERIOD_S, MOST = 3, 60, 100
METRICS = {
    "throttled_reads": "ReadThrottleEvents",
    "throttled_writes": "WriteThrottleEvents",
    "reads": "ConsumedReadCapacityUnits",
    "writes": "ConsumedWriteCapacityUnits",
}
"""The mission looked at `UserErrors`, which counts neither throttled requests nor by table."""


def see_tables(look: Look, facts: Facts) -> TablesSeen:
    """Every table, or the one that is named."""
    client = look.rollout.aws("dynamodb")
    pages = client.get_paginator("list_tables").paginate()
    names = asked("DynamoDB", lambda: [name for page in pages for name in page["TableNames"]])
    if look.target:
        names = [look.target] if look.target in names else []
        if not names:
            return TablesSeen((), look.target)
    if not names:
        raise NothingToAsk("no such resource here: there is no DynamoDB table")
    described = [absent_as_none(partial(client.describe_table, TableName=name)) for name in names[:MOST]]
    return TablesSeen(tuple(table_of(one["Table"]) for one in described if one))


def table_of(described: dict[str, Any]) -> Table:
    by_request = (described.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"
    capacity = described.get("ProvisionedThroughput") or {}
    return Table(
        name=described["TableName"],
        status=described["TableStatus"],
        reads=None if by_request else capacity.get("ReadCapacityUnits", 0),
        writes=None if by_request else capacity.get("WriteCapacityUnits", 0),
        indexes=tuple(one["IndexName"] for one in described.get("GlobalSecondaryIndexes", [])),
    )


def see_throttles(look: Look, facts: Facts) -> ThrottlesSeen:
    """Throttled requests and the busiest minute of each table."""
    assert isinstance(facts, RunbookFacts)
    if facts.tables is None or not facts.tables.tables:
        raise NothingToAsk("no table is known")
    return ThrottlesSeen(HOURS, tuple(load_of(look, one.name) for one in facts.tables.tables))


def load_of(look: Look, table: str) -> Load:
    end = datetime.fromtimestamp(look.now(), UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    answer = look.rollout.aws("cloudwatch").get_metric_data(
        MetricDataQueries=[query(key, name, table) for key, name in METRICS.items()],
        StartTime=end - timedelta(hours=HOURS),
        EndTime=end,
    )
    found = {one["Id"]: one["Values"] for one in answer["MetricDataResults"]}
    busiest = {key: max(found.get(key) or [0.0]) / PERIOD_S for key in ("reads", "writes")}
    return Load(table, int(sum(found.get("throttled_reads") or [])), int(sum(found.get("throttled_writes") or [])),
                **busiest)  # fmt: skip


def query(key: str, name: str, table: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/DynamoDB", "MetricName": name, "Dimensions": [{"Name": "TableName", "Value": table}],
    }  # fmt: skip
    return {"Id": key, "MetricStat": {"Metric": metric, "Period": PERIOD_S, "Stat": "Sum"}}
