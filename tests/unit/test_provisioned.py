"""What is planned for provisioned concurrency, and what an environment may ask for."""

import pytest
from pydantic import ValidationError

from blocks.environment import FunctionSettings
from tasks.provisioned import Provisioned, cost, plan_provisioned
from tests.support import make_environment, make_rollout

READY, FAILED = Provisioned(2, "READY"), Provisioned(2, "FAILED", "no capacity")


@pytest.mark.parametrize(
    ("wanted", "seen", "planned"),
    [
        (None, None, ""),
        (2, READY, ""),
        (2, None, "create p sandboxes: none → 2"),
        (3, READY, "update p sandboxes: 2 → 3"),
        (2, FAILED, "update p sandboxes: none → 2"),
        (None, READY, "delete p"),
        (None, FAILED, "delete p"),
    ],
)
def test_as_many_as_wanted(wanted: int | None, seen: Provisioned | None, planned: str) -> None:
    assert "".join(map(str, plan_provisioned("p", wanted, seen))) == planned


def test_what_it_costs_is_said() -> None:
    settings = {"memory_mb": 1024, "architecture": "arm64", "provisioned_concurrency": 3}
    assert cost(make_rollout(make_environment(function=settings)), 3).startswith("about $26.28 a month")


def test_no_more_than_is_reserved() -> None:
    assert FunctionSettings(provisioned_concurrency=2, reserved_concurrency=2)
    with pytest.raises(ValidationError, match="more than"):
        FunctionSettings(provisioned_concurrency=3, reserved_concurrency=2)
