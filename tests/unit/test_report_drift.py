"""What has changed since the last report, by name; and what is only out of sight is not gone."""

import pytest

from tasks.network_groups import tcp
from tasks.reporting.components import components_of
from tasks.reporting.drift import Facts, drift_between, fact_rows, facts_in, facts_of
from tasks.reporting.model import Unseen
from tests.support import make_environment
from tests.unit.reporting import api, function, network, scene

BEFORE: Facts = {"function f": {"id": "1", "memory": "512 MB"}, "bucket b": {"id": "2"}}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BEFORE, []),
        ({**BEFORE, "function f": {"id": "1", "memory": "1024 MB"}}, ["changed function f memory: 512 MB → 1024 MB"]),
        ({**BEFORE, "function f": {"id": "1"}}, ["changed function f memory: 512 MB → -"]),
        ({"function f": BEFORE["function f"]}, ["gone bucket b"]),
        ({**BEFORE, "API a": {"id": "3"}}, ["added API a"]),
    ],
)
def test_differences_are_named(now: Facts, said: list[str]) -> None:
    assert [str(one) for one in drift_between(BEFORE, now)] == said


def test_facts_survive_their_table() -> None:
    facts = facts_of(components_of(scene()))
    rows = fact_rows(facts)
    assert facts_in(rows) == facts
    assert facts_in([*rows, {"component": "… and 3 more"}]) == facts


def test_changes_by_hand_are_named_through_the_components() -> None:
    environment = make_environment()
    before = facts_of(components_of(scene(environment)))
    now = facts_of(components_of(scene(environment, function=function(memory_mb=1024), bucket=None)), before)
    assert [str(one) for one in drift_between(before, now)] == [
        "gone bucket miyabi-site-testing-123456789012",
        "changed function miyabi-api-testing memory: 512 MB → 1024 MB",
    ]


def test_what_is_out_of_sight_is_not_gone_and_is_compared_when_it_is_back() -> None:
    environment = make_environment()
    before = facts_of(components_of(scene(environment)))
    blind = dict.fromkeys(("network", "log_groups", "secrets", "API", "releases"), Unseen("no answer"))
    between = facts_of(components_of(scene(environment, **blind)), before)
    assert drift_between(before, between) == []
    hole = network(environment, tcp(5432, "0.0.0.0/0"))
    after = facts_of(components_of(scene(environment, network=hole)), between)
    (one,) = drift_between(between, after)
    assert (one.change, one.setting) == ("changed", "lets in")
    assert "0.0.0.0/0" in one.after


def test_whom_the_function_s_policy_lets_in_is_drift() -> None:
    environment = make_environment()
    before = facts_of(components_of(scene(environment)))
    everybody = {"Effect": "Allow", "Principal": "*", "Sid": "all"}
    now = facts_of(
        components_of(scene(environment, API=(api(statements=(), other_statements=[everybody]), "https://x")))
    )
    changed = [one for one in drift_between(before, now) if one.component.startswith("API")]
    assert ("may invoke the function", "* (all)") in [(one.setting, one.after) for one in changed]
