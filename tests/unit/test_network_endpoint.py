"""The endpoint for Secrets Manager on paper: made, shared, left alone, given up."""

from dataclasses import replace

import pytest

from tasks.changes import Change
from tasks.errors import NotOurs
from tasks.network_endpoint import SeenEndpoint, Visitor, plan_endpoint, plan_endpoint_away


def shown(changes: list[Change]) -> list[str]:
    return [str(replace(change, why="")) for change in changes]


VISITOR = Visitor("vpc-1", "172.31.0.0/16", "sg-function", "sg-endpoint")


def seen_endpoint(
    *groups: str, managed: bool = True, guests: tuple[str, ...] = (), admits: bool = False
) -> SeenEndpoint:
    return SeenEndpoint("vpce-1", "available", managed, groups, guests, admits)


@pytest.mark.parametrize(
    ("seen", "adopt", "expected"),
    [
        (None, False, ["create VPC endpoint e private DNS: - → secretsmanager"]),
        (seen_endpoint("sg-endpoint"), False, []),
        (seen_endpoint("sg-x"), False, ["update VPC endpoint vpce-1 security groups: sg-x → sg-x, sg-endpoint"]),
        (seen_endpoint("sg-x", managed=False, admits=True), False, []),
        (
            seen_endpoint("sg-x", managed=False),
            True,
            ["update VPC endpoint vpce-1 security groups: sg-x → sg-x, sg-endpoint"],
        ),
    ],
)
def test_plan_of_the_endpoint(seen: SeenEndpoint | None, adopt: bool, expected: list[str]) -> None:
    assert shown(plan_endpoint("e", VISITOR, seen, adopt=adopt)) == expected


def test_a_closed_endpoint_of_someone_else_is_not_touched() -> None:
    with pytest.raises(NotOurs, match="443"):
        plan_endpoint("e", VISITOR, seen_endpoint("sg-x", managed=False))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, []),
        (seen_endpoint("sg-x"), []),
        (seen_endpoint("sg-endpoint"), ["delete VPC endpoint vpce-1"]),
        (
            seen_endpoint("sg-endpoint", "sg-x", guests=("sg-x",)),
            ["update VPC endpoint vpce-1 security groups: sg-endpoint, sg-x → sg-x"],
        ),
        (
            seen_endpoint("sg-endpoint", "sg-x", managed=False),
            ["update VPC endpoint vpce-1 security groups: sg-endpoint, sg-x → sg-x"],
        ),
    ],
)
def test_the_last_one_out_deletes_the_endpoint(seen: SeenEndpoint | None, expected: list[str]) -> None:
    assert shown(plan_endpoint_away(VISITOR, seen)) == expected
