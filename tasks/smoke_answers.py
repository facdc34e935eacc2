"""Judging an answer: everything in which it differs from what a check says, in words."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.changes import Change
from tasks.errors import Permanent, Temporary
from tasks.reports import masked
from tasks.suite_checks import Check, Expectation, JsonType

TOLD = 12
"""Checks that a release's report lists; the smoke table has all of them."""
EXCERPT = 200
"""Characters of a body, or of a log's end, that stand in a result."""
TOKEN = re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]+")
"""A JSON web token."""
MISSING = object()
TYPES: dict[JsonType, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


@dataclass(frozen=True)
class Answer:
    """What came back, from Lambda or by HTTP. `failure` is set when nothing that can be judged came back."""

    status: int | None
    body: str
    ms: float
    failure: str = ""
    log: str = ""
    """What the program logged, where it failed."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case."""


@dataclass(frozen=True)
class Result:
    """A check with its answer and the verdict. `ok` is None for what was not asked; the detail says why."""

    check: str
    status: int | None
    ms: float
    ok: bool | None
    detail: str = ""
    budget_ms: float | None = None

    @property
    def failed(self) -> bool:
        return self.ok is False

    def row(self) -> dict[str, str]:
        """The line as the smoke table shows it."""
        return {
            "verdict": {True: "ok", False: "FAILED", None: "not asked"}[self.ok],
            "check": self.check,
            "status": str(self.status or ""),
            "ms": f"{self.ms:.0f}" if self.ok is not None else "",
            "budget": f"{self.budget_ms:.0f}" if self.budget_ms is not None else "",
            "detail": self.detail,
        }


class SmokeFailed(Permanent):
    """At least one check got another answer than it must."""

    def __init__(self, where: str, results: Sequence[Result], suspects: Sequence[Change] = ()) -> None:
        self.results = tuple(results)
        asked = sum(result.ok is not None for result in results)
        failed = [f"  - {result.check}: {result.detail}" for result in results if result.failed]
        left = Counter(result.detail for result in results if result.ok is None)
        lines = [f"smoke test of {where}: {len(failed)} of {asked} failed", *failed]
        lines += [f"  - {count} not asked: {reason}" for reason, count in left.items()]
        if suspects:
            lines += ["something has changed since the last release; run `release`, which would:"]
            lines += [f"  - {change}" for change in suspects]
        super().__init__("\n".join(lines))


def tally(results: Sequence[Result]) -> str:
    """`135 checks: 130 ok, 5 not asked`."""
    counted = Counter(result.row()["verdict"] for result in results)
    return f"{len(results)} checks: {', '.join(f'{n} {word}' for word, n in counted.items())}"


def told(results: Sequence[Result]) -> list[dict[str, str]]:
    """The rows for a report: all of a few; of many those that failed, and one that counts the others."""
    if len(results) <= TOLD:
        return [result.row() for result in results]
    summary = Result(tally(results), None, 0.0, None)
    failed = [result.row() for result in results if result.failed]
    return [*failed, summary.row() | {"verdict": "FAILED" if failed else "ok", "detail": "the smoke table has all"}]


class CheckFailed(Permanent):
    """One check's task failed."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(f"{result.check}: {result.detail}")


class CheckUnsettled(Temporary):
    """One check's task failed in a way that may pass: it is tried again."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(f"{result.check}: {result.detail}")


def required(result: Result, *, passing: bool = False) -> Result:
    """The result if it is good; else its task fails, for now if that may be `passing`."""
    if not result.failed:
        return result
    raise CheckUnsettled(result) if passing else CheckFailed(result)


def unsigned(text: str) -> str:
    """The text without credentials in URLs and without tokens."""
    return TOKEN.sub("***", masked(text))


def judge(check: Check, answer: Answer, *, budget: bool = True, hide: Callable[[str], str] = unsigned) -> Result:
    """The verdict, with every way in which the answer differs. `hide` blots out secrets, before anything is cut."""
    problems = [answer.failure] if answer.failure else differences_of(check, answer)
    if budget and check.budget_ms is not None and answer.ms > check.budget_ms:
        problems.append(f"took {answer.ms:.0f} ms, allowed are {check.budget_ms:.0f}")
    detail = [unsigned(hide(problem)) for problem in problems]
    if problems and answer.body:
        detail.append(f"body: {unsigned(hide(answer.body))[:EXCERPT]}")
    if problems and answer.log:
        detail.append(f"log: {unsigned(hide(answer.log))[-3 * EXCERPT :]}")
    return Result(check.label, answer.status, answer.ms, not problems, "; ".join(detail), check.budget_ms)


def differences_of(check: Check, answer: Answer) -> list[str]:
    wanted = " or ".join(map(str, check.status))
    problems = [] if answer.status in check.status else [f"answered {answer.status} instead of {wanted}"]
    for name, expected in check.response_headers.items():
        problems += problems_of(f"header {name}", answer.headers.get(name.lower(), MISSING), expected)
    return problems + body_problems(answer.body, check.fields)


def body_problems(text: str, fields: Mapping[str, Expectation]) -> list[str]:
    """How a JSON body differs from what its fields must be."""
    if not fields:
        return []
    try:
        body = json.loads(text)
    except ValueError:
        return ["the body is not JSON"]
    return [problem for path, expected in fields.items() for problem in problems_of(path, reach(body, path), expected)]


def reach(body: Any, path: str) -> Any:
    """The value at `a.b` or `0.id` in nested objects and lists, `$` being the body itself; else MISSING."""
    for key in [] if path == "$" else path.split("."):
        if isinstance(body, dict) and key in body:
            body = body[key]
        elif isinstance(body, list) and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        else:
            return MISSING
    return body


def json_at(text: str, path: str) -> Any:
    """The value at a place of a JSON text; MISSING if that is not there, or the text is not JSON."""
    try:
        return reach(json.loads(text), path)
    except ValueError:
        return MISSING


def problems_of(name: str, value: Any, expected: Expectation) -> list[str]:
    """Everything that the expectation says and the value does not keep."""
    if value is MISSING:
        return [] if expected.present is False else [f"{name} is not there"]
    if expected.present is False:
        return [f"{name} is there: {shown(value)}"]
    said = {rule: getattr(expected, rule) for rule in expected.model_fields_set if rule != "present"}
    return [f"{name} is {shown(value)} {words}" for rule in said if (words := RULES[rule](value, said[rule]))]


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


def same(value: Any, wanted: Any) -> bool:
    """Equal as JSON: `true` is not `1`."""
    return bool(value == wanted) and isinstance(value, bool) is isinstance(wanted, bool)


def is_a(value: Any, kind: JsonType) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | dict) else -1


def is_number(value: Any) -> bool:
    return is_a(value, "number")


def unless(keeps: bool, words: str) -> str:
    return "" if keeps else words


RULES: dict[str, Callable[[Any, Any], str]] = {
    "equals": lambda value, wanted: unless(same(value, wanted), f"instead of {wanted!r}"),
    "one_of": lambda value, wanted: unless(any(same(value, w) for w in wanted), f"and not one of {list(wanted)!r}"),
    "type": lambda value, wanted: unless(is_a(value, wanted), f"and not of type {wanted}"),
    "matches": lambda value, wanted: unless(bool(re.search(wanted, str(value))), f"and does not match {wanted!r}"),
    "contains": lambda value, wanted: unless(
        isinstance(value, str | list | dict) and (str(wanted) if isinstance(value, str) else wanted) in value,
        f"and does not contain {wanted!r}",
    ),
    "length": lambda value, wanted: unless(size(value) == wanted, f"and not {wanted} long"),
    "min_length": lambda value, wanted: unless(size(value) >= wanted, f"and shorter than {wanted}"),
    "max_length": lambda value, wanted: unless(0 <= size(value) <= wanted, f"and longer than {wanted}"),
    "min": lambda value, wanted: unless(is_number(value) and value >= wanted, f"and below {wanted:g}"),
    "max": lambda value, wanted: unless(is_number(value) and value <= wanted, f"and above {wanted:g}"),
}
"""Rule of an expectation → what is wrong with a value, in words; '' when it keeps the rule."""
