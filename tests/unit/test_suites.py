"""Smoke suites as data: what a file may say, and that everything wrong with one is said at once, with its line."""

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import Rejected
from tasks.smoke_answers import Answer, differences_of
from tasks.suite_checks import Check, filled_check
from tasks.suites import Suite, chains, load_suite


def suite(folder: Path, text: str) -> Suite:
    (folder / "smoke.yaml").write_text(text)
    return load_suite(folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(Rejected) as caught:
        suite(folder, text)
    return list(caught.value.problems)


def check(path: str = "/x", **said: Any) -> Check:
    return Check.model_validate({"path": path, **said})


def test_a_folder_without_a_suite(tmp_path: Path) -> None:
    assert load_suite(tmp_path) == Suite()


def test_a_check_has_defaults_and_the_budget_of_the_suite(tmp_path: Path) -> None:
    first, second = suite(tmp_path, "budget_ms: 200\nchecks:\n  - path: /a\n  - {path: /b, budget_ms: 5}\n").checks
    assert (first.method, first.status, first.role, first.budget_ms) == ("GET", (200,), None, 200)
    assert second.budget_ms == 5
    assert str(first) == "GET /a → 200"


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    text = """\
checks:
  - path: health
    status: 99
  - path: /a
    role: nobody
    feilds: {}
  - path: /b
    fields:
      a: {matches: "("}
      b: {}
    body: 1
    text: x
pages:
  - name: log in
    steps:
      - click: {role: button, label: Both}
"""
    found = problems(tmp_path, text)
    assert [problem.split(": ")[0] for problem in found] == [
        "smoke.yaml:2", "smoke.yaml:6", "smoke.yaml:9", "smoke.yaml:10", "smoke.yaml:16",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), [
    ("checks:\n  - {path: /a, role: user}\n", "smoke.yaml:2: checks.0.role: 'user' is not among the roles"),
    ("checks:\n  - path: /a\n    path: /b\n", "smoke.yaml:3: 'path' stands there twice"),
    ("checks:\n  - path: /a\n  - path: /a\n", "smoke.yaml:3: checks.1: 'GET /a' stands there twice"),
    ("checks:\n  - path: /a/{thing}\n", "smoke.yaml:2: checks.0: {thing} is captured by no check before"),
    ("checks:\n  - {path: /a, status: 99}\n", "status has to be from 100 to 599"),
    ("checks:\n  - {path: /a, size: 3, text: x}\n", "exclude each other"),
    ("checks:\n  - {path: /a, quick: true, writes: true}\n", "a quick check is asked everywhere"),
    ("checks:\n  - {path: /a, quick: true, headers: {X: '{run}'}}\n", "a quick check is asked as it stands"),
    ("checks: [", "is not YAML"),
    ("checks:\n  - {path: /a, fields: {x: {equal: 1}}}\n", "smoke.yaml:2: checks.0.fields.x.equal"),
    ("pages:\n  - {name: x, steps: [{goto: /, press: Enter}]}\n", "a step is one of"),
    ("pages:\n  - {name: x, steps: [{see: {text: '{thing}'}}]}\n", "{thing} is captured by no check before"),
])  # fmt: skip
def test_a_bad_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in "\n".join(problems(tmp_path, text))


def test_checks_that_share_a_value_are_a_chain_in_the_order_of_the_file() -> None:
    checks = [
        check("/make", capture={"a": "id"}), check("/alone"), check("/other", capture={"b": "id"}), check("/see/{a}"),
        check("/join", method="POST", body={"a": "{a}", "b": ["{b}"]}), check("/end/{b}"), check("/{run}"),
    ]  # fmt: skip
    assert [[each.path for each in chain] for chain in chains(checks)] == [
        ["/alone"], ["/make", "/other", "/see/{a}", "/join", "/end/{b}"], ["/{run}"],
    ]  # fmt: skip


def test_values_are_filled_in_and_escaped_in_paths() -> None:
    wanted = check(
        "/a/{id}?q={id}", method="POST", headers={"X": "{id}"}, body={"n": ["{id}", 1]}, fields={"id": "{id}"}
    )
    ready = filled_check(wanted, {"id": "a b/c"})
    assert ready.path == "/a/a%20b%2Fc?q=a%20b%2Fc"
    assert (ready.headers, ready.body) == ({"X": "a b/c"}, {"n": ["a b/c", 1]})
    assert differences_of(ready, Answer(200, '{"id": "a b/c"}', 1.0)) == []
    assert ready.content == b'{"n": ["a b/c", 1]}'


BODY = '{"id": "7f", "n": 3, "on": true, "none": null, "list": [{"x": 1}, {"x": 2}], "text": "hello"}'
EXPECTATIONS: list[tuple[str, Any, str]] = [
    ("id", "7f", ""),
    ("n", 3, ""),
    ("n", True, "n is 3 instead of True"),
    ("on", 1, "on is True instead of 1"),
    ("none", None, ""),
    ("gone", None, "gone is not there"),
    ("gone", {"present": False}, ""),
    ("id", {"present": False}, "id is there: '7f'"),
    ("id", {"present": True}, ""),
    ("list.1.x", 2, ""),
    ("list.2.x", 2, "list.2.x is not there"),
    ("$", {"type": "object", "length": 6}, ""),
    ("list", {"min_length": 3}, "list is [{'x': 1}, {'x': 2}] and shorter than 3"),
    ("list", {"max_length": 1}, "and longer than 1"),
    ("list", {"length": 2, "contains": {"x": 2}}, ""),
    ("list", {"contains": {"x": 3}}, "does not contain {'x': 3}"),
    ("text", {"contains": "ell", "matches": "^h"}, ""),
    ("text", {"matches": "^e"}, "text is 'hello' and does not match '^e'"),
    ("text", {"type": "integer"}, "and not of type integer"),
    ("on", {"type": "integer"}, "and not of type integer"),
    ("n", {"type": "number", "min": 3, "max": 3}, ""),
    ("n", {"min": 3.5}, "n is 3 and below 3.5"),
    ("n", {"max": 2}, "n is 3 and above 2"),
    ("text", {"min": 1}, "and below 1"),
    ("text", {"one_of": ["a", "hello"]}, ""),
    ("n", {"one_of": [1, 2]}, "and not one of [1, 2]"),
]


@pytest.mark.parametrize(("path", "expected", "problem"), EXPECTATIONS)
def test_expectations(path: str, expected: Any, problem: str) -> None:
    found = "; ".join(differences_of(check(fields={path: expected}), Answer(200, BODY, 1.0)))
    assert (problem in found) if problem else found == ""


def test_headers_are_judged_without_regard_to_case() -> None:
    wanted = check(status=[200, 204], response_headers={"X-Id": {"min_length": 2}, "Gone": {"present": False}})
    assert differences_of(wanted, Answer(204, "", 1.0, headers={"x-id": "ab"})) == []
    assert differences_of(wanted, Answer(201, "", 1.0, headers={"gone": "x"})) == [
        "answered 201 instead of 200 or 204", "header X-Id is not there", "header Gone is there: 'x'",
    ]  # fmt: skip
