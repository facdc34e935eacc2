"""Security groups on paper: rules to add, strays to remove, EC2's form and back."""

from dataclasses import replace

import pytest

from tasks.changes import Change
from tasks.network_groups import GroupSpec, Rule, SeenGroup, permission_for, plan_groups, rules_in, tcp
from tests.support import make_environment

ENVIRONMENT = make_environment()


def shown(changes: list[Change]) -> list[str]:
    return [str(replace(change, why="")) for change in changes]


SPEC = GroupSpec("g", "what it is for", frozenset({tcp(5432, "10.0.0.0/8"), tcp(5432, "other")}))
OURS = ENVIRONMENT.tags


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            None,
            [
                "create security group g",
                "create security group g ingress: - → tcp 5432 from 10.0.0.0/8",
                "create security group g ingress: - → tcp 5432 from other",
            ],
        ),
        (SeenGroup("sg-1", "g", OURS, SPEC.rules), []),
        (
            SeenGroup("sg-1", "g", OURS, frozenset({tcp(5432, "10.0.0.0/8")})),
            ["create security group g ingress: - → tcp 5432 from other"],
        ),
        (
            SeenGroup("sg-1", "g", OURS, SPEC.rules | {tcp(5432, "0.0.0.0/0"), Rule("-1", -1, -1, "sg-9")}),
            [
                "delete security group g ingress: everything from sg-9 → ",
                "delete security group g ingress: tcp 5432 from 0.0.0.0/0 → ",
            ],
        ),
        (
            SeenGroup("sg-1", "g", {}, SPEC.rules),
            ["update security group g tags: - → Environment=testing, ManagedBy=miyabi-pipelines, Project=miyabi"],
        ),
    ],
)
def test_plan_of_groups(seen: SeenGroup | None, expected: list[str]) -> None:
    assert shown(plan_groups(ENVIRONMENT, [SPEC], {"g": seen} if seen else {})) == expected


@pytest.mark.parametrize(
    "rule",
    [
        tcp(5432, "10.0.0.0/8"),
        tcp(443, "other"),
        tcp(443, "sg-9"),
        Rule("udp", 1, 9, "2001:db8::/32"),
        Rule("tcp", 1, 65535, "pl-1"),
        Rule("-1", -1, -1, "10.0.0.0/8"),
    ],
)
def test_rules_and_permissions_are_each_other_s_reverse(rule: Rule) -> None:
    assert rules_in(permission_for(rule, {"other": "sg-7"}), {"sg-7": "other"}) == [rule]
