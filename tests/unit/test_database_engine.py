"""Which PostgreSQL version is chosen: as numbers, never another major, orderable in two zones."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tasks.changes import Rollout
from tasks.database_engine import candidates, choose, choose_engine, keep_or_upgrade, number
from tasks.errors import Permanent, Rejected
from tests.support import answer_call, make_environment, make_rollout

OFFERED = ["13.22", "14.9", "15.5", "15.9", "15.15", "16.2", "16.11", "17.6"]
SETTINGS = make_environment().database


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout()


def test_versions_are_numbers() -> None:
    assert sorted(["15.4", "15.15", "15.9"], key=number) == ["15.4", "15.9", "15.15"]


@pytest.mark.parametrize(
    ("asked", "expected", "why"),
    [
        ("15.5", ["15.5"], "as the environment asks"),
        ("15.4", ["15.15", "15.9", "15.5"], "15.4 is not offered in the region; 15.15 is the newest 15.x that fits"),
        ("15.99", ["15.15", "15.9", "15.5"], "15.99 is not offered in the region; 15.15 is the newest 15.x that fits"),
        ("15", ["15.15", "15.9", "15.5"], "the environment asks for any 15; 15.15 is the newest 15.x that fits"),
        ("16.1", ["16.11", "16.2"], "16.1 is not offered in the region; 16.11 is the newest 16.x that fits"),
    ],
)
def test_candidates(asked: str, expected: list[str], why: str) -> None:
    found = candidates(asked, OFFERED)
    assert [candidate.version for candidate in found] == expected
    assert found[0].why == why


@pytest.mark.parametrize("asked", ["12.4", "18", "1.5"])
def test_never_another_major(asked: str) -> None:
    with pytest.raises(Permanent, match=r"Offered: 13\.22, 14\.9, 15\.5, 15\.9, 15\.15, 16\.2, 16\.11, 17\.6"):
        candidates(asked, OFFERED)


@pytest.mark.parametrize(
    ("asked", "current", "expected"),
    [
        ("15.4", "15.15", "15.15"),
        ("15.4", "15.9", "15.9"),
        ("15", "15.9", "15.9"),
        ("15.15", "15.9", "15.15"),
        ("15.9", "15.15", "15.15"),
        ("15.99", "15.9", "15.9"),
        ("15.7", "15.7", "15.7"),
    ],
)
def test_an_instance_keeps_its_minor_unless_asked_exactly(asked: str, current: str, expected: str) -> None:
    assert keep_or_upgrade(asked, current, lambda: OFFERED).version == expected


@pytest.mark.parametrize("asked", ["15.4", "15.15", "15"])
def test_what_is_offered_is_not_asked_where_it_decides_nothing(asked: str) -> None:
    assert keep_or_upgrade(asked, "15.15", lambda: pytest.fail("asked")).version == "15.15"


def test_an_instance_of_another_major_is_refused() -> None:
    with pytest.raises(Rejected, match="another major"):
        keep_or_upgrade("16.2", "15.15", lambda: OFFERED)


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"15.15": ("a", "b"), "15.9": ("a", "b")}, "15.15"),
        ({"15.15": ("a",), "15.9": ("a", "b")}, "15.9"),
        ({"15.15": (), "15.9": (), "15.5": ("a", "b", "c")}, "15.5"),
    ],
)
def test_the_newest_that_can_be_ordered_in_two_zones(zones: dict[str, tuple[str, ...]], expected: str) -> None:
    engine = choose(candidates("15.4", OFFERED), lambda version: zones.get(version, ()), SETTINGS)
    assert (engine.version, engine.zones) == (expected, zones[expected])
    assert engine.family == "postgres15"


def test_a_class_that_nobody_offers() -> None:
    with pytest.raises(Permanent, match=r"'db.t3.small'.*PostgreSQL 15.15, 15.9, 15.5"):
        choose(candidates("15.4", OFFERED), lambda _: (), SETTINGS)


def option(storage: str, *zones: str, encrypted: bool = True, smallest: int = 20) -> dict[str, Any]:
    return {
        "StorageType": storage,
        "SupportsStorageEncryption": encrypted,
        "MinStorageSize": smallest,
        "AvailabilityZones": [{"Name": zone} for zone in zones],
    }


def test_engine_is_read_from_the_region(rollout: Rollout) -> None:
    versions = [{"EngineVersion": v, "Status": "deprecated" if v == "15.15" else "available"} for v in OFFERED]
    options = [
        option("gp2", "d"),
        option("gp3", "b", "a"),
        option("gp3", "e", encrypted=False),
        option("gp3", "f", smallest=100),
    ]
    answer_call(rollout, "rds", "DescribeDBEngineVersions", lambda _: {"DBEngineVersions": versions})
    answer_call(rollout, "rds", "DescribeOrderableDBInstanceOptions", lambda _: {"OrderableDBInstanceOptions": options})
    engine = choose_engine.fn(rollout)
    assert (engine.version, engine.zones) == ("15.9", ("a", "b"))
    assert "15.4 is not offered in us-east-1" in engine.why
