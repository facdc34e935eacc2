"""Smoke suites: what a backend or a site must answer, as data. `smoke.yaml` beside the manifest; docs/smoke.md.

Everything that is wrong with a file is said at once, each with its line, before anything is asked. This module knows
nothing of HTTP or browsers: tasks/smoke*.py ask and judge.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, ValidationError

from tasks.errors import Rejected
from tasks.suite_checks import GIVEN, Check, Method, Part, SocketCheck
from tasks.suite_lines import BadYaml, Document
from tasks.suite_pages import PageCheck

SUITE = "smoke.yaml"
Place = tuple[str | int, ...]


class Role(Part):
    """How to sign in where the environment has no secret with a token of this role."""

    method: Method = "POST"
    path: str = Field(pattern="^/")
    body: JsonValue = None
    token: str = "access_token"
    """The field of the answer that holds the bearer token."""


class Suite(Part):
    """The whole of `smoke.yaml`."""

    budget_ms: float | None = Field(None, gt=0)
    """For checks that name none of their own."""
    roles: dict[str, Role] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    sockets: tuple[SocketCheck, ...] = ()
    pages: tuple[PageCheck, ...] = ()
    throttle: str | None = Field(None, pattern="^/")
    """A path for the burst beyond the throttle, where the environment allows that exercise."""

    @property
    def quick(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.quick)

    @property
    def has_more(self) -> bool:
        """There is something to ask beyond the quick checks."""
        return len(self.quick) < len(self.checks) or bool(self.sockets or self.pages or self.throttle)


def load_suite(folder: Path) -> Suite:
    """The suite in a folder; an empty one if it has none. Raises Rejected with all problems and their lines."""
    path = folder / SUITE
    if not path.is_file():
        return Suite()
    try:
        document = Document.read(path)
    except BadYaml as error:
        raise Rejected(str(path), [str(error)]) from error
    problems = document.duplicates()
    try:
        suite = Suite.model_validate(document.data)
    except ValidationError as error:
        problems += [
            document.problem(found["loc"], found["msg"].removeprefix("Value error, ")) for found in error.errors()
        ]
        raise Rejected(str(path), problems) from error
    problems += [document.problem(place, text) for place, text in suite_problems(suite)]
    if problems:
        raise Rejected(str(path), problems)
    return with_budget(suite)


def with_budget(suite: Suite) -> Suite:
    """Every check with its budget."""
    if suite.budget_ms is None:
        return suite
    own = {"budget_ms": suite.budget_ms}
    checks = (check if check.budget_ms is not None else check.model_copy(update=own) for check in suite.checks)
    return suite.model_copy(update={"checks": tuple(checks)})


def suite_problems(suite: Suite) -> Iterator[tuple[Place, str]]:
    """What is wrong between the parts: roles and captures that are not there, labels that stand there twice."""
    yield from capture_problems(("checks",), suite.checks, frozenset())
    for number, page in enumerate(suite.pages):
        place: Place = ("pages", number)
        yield from capture_problems((*place, "before"), page.before, frozenset())
        caught = frozenset(name for check in page.before for name in check.capture)
        yield from capture_problems((*place, "after"), page.after, caught)
        for step, part in enumerate(page.steps):
            yield from unknown((*place, "steps", step), part.placeholders() - GIVEN - caught)
    for number, socket in enumerate(suite.sockets):
        yield from unknown(("sockets", number), socket.placeholders() - GIVEN)
    labels: set[str] = set()
    for place, label, role in labelled(suite):
        if role is not None and role not in suite.roles:
            yield (*place, "role"), f"{role!r} is not among the roles: {', '.join(suite.roles) or 'there are none'}"
        if label in labels:
            yield place, f"{label!r} stands there twice: give each a name of its own"
        labels.add(label)


def labelled(suite: Suite) -> Iterator[tuple[Place, str, str | None]]:
    """Place, label and role of everything that is asked."""
    for kind in ("checks", "sockets"):
        for number, check in enumerate(getattr(suite, kind)):
            yield (kind, number), check.label, check.role
    for number, page in enumerate(suite.pages):
        yield ("pages", number), page.label, None
        for part in ("before", "after"):
            for inner, check in enumerate(getattr(page, part)):
                yield ("pages", number, part, inner), f"{page.label}: {part} {inner}", check.role


def capture_problems(place: Place, checks: Sequence[Check], caught: frozenset[str]) -> Iterator[tuple[Place, str]]:
    for number, check in enumerate(checks):
        yield from unknown((*place, number), check.uses - caught)
        if check.quick and check.placeholders():
            yield (*place, number), "a quick check is asked as it stands: it has no {placeholders}"
        caught |= frozenset(check.capture)


def unknown(place: Place, names: frozenset[str]) -> Iterator[tuple[Place, str]]:
    for name in sorted(names):
        yield place, f"{{{name}}} is captured by no check before; given are {', '.join(sorted(GIVEN))}"


def chains(checks: Sequence[Check]) -> list[list[Check]]:
    """Checks that share a captured value, in the order of the file; every other one is a chain of its own."""
    found: list[tuple[set[str], list[Check]]] = []
    for check in checks:
        names, linked = set(check.uses) | set(check.capture), [check]
        for other in [entry for entry in found if entry[0] & names]:
            found.remove(other)
            names |= other[0]
            linked = sorted([*other[1], *linked], key=checks.index)
        found.append((names, linked))
    return [linked for _, linked in found]
