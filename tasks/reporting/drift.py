"""What has changed since the last report: added, gone, or another setting, by name.

The facts of a report are its components' ids and settings. They are kept as an artifact in Prefect, which every worker
reaches, also where the environment's database is gone. What could not be looked at this time keeps its old facts, so
nothing is called gone that was only out of sight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.reporting.model import Component

Facts = Mapping[str, Mapping[str, str]]
"""Component → setting → value."""


@dataclass(frozen=True)
class Drift:
    """One difference from the last report."""

    change: Literal["added", "gone", "changed"]
    component: str
    setting: str = ""
    before: str = ""
    after: str = ""

    def row(self) -> dict[str, str]:
        return {
            "change": self.change,
            "what": self.component,
            "field": self.setting,
            "from": self.before,
            "to": self.after,
        }

    def __str__(self) -> str:
        setting = f" {self.setting}: {self.before or '-'} → {self.after or '-'}" if self.setting else ""
        return f"{self.change} {self.component}{setting}"


def facts_of(components: Sequence[Component], before: Facts | None = None) -> Facts:
    """Of what there is; of what could not be looked at, what was known before."""
    known = {subject(one): {"id": one.id, **one.settings} for one in components if one.standing in THERE}
    hidden = {one.kind for one in components if one.standing == "unknown"}
    kept = {name: facts for name, facts in (before or {}).items() if name not in known and is_hidden(name, hidden)}
    return {**known, **kept}


def drift_between(before: Facts, now: Facts) -> list[Drift]:
    added = [Drift("added", name) for name in now if name not in before]
    gone = [Drift("gone", name) for name in before if name not in now]
    changed = [one for name in now if name in before for one in changes_of(name, before[name], now[name])]
    return [*gone, *added, *changed]


def same_release(before: Facts, now: Facts) -> bool:
    """Both know the last release, and it is the same."""
    last = [facts.get(RELEASES, {}).get("id") for facts in (before, now)]
    return last[0] is not None and last[0] == last[1]


def changes_of(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Drift]:
    for setting in {**before, **now}:
        if before.get(setting, "") != now.get(setting, ""):
            yield Drift("changed", name, setting, before.get(setting, ""), now.get(setting, ""))


def facts_in(rows: Sequence[Mapping[str, str]]) -> Facts:
    """From the rows of the artifact that `fact_rows` made."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if "setting" in row:  # a table that was cut short ends with a row that only says so
            found.setdefault(row["component"], {})[row["setting"]] = row["value"]
    return found


def fact_rows(facts: Facts) -> list[dict[str, str]]:
    return [
        {"component": name, "setting": setting, "value": value}
        for name, settings in facts.items()
        for setting, value in settings.items()
    ]


def subject(component: Component) -> str:
    return f"{component.kind} {component.name}" if component.kind != component.name else component.name


def is_hidden(name: str, kinds: set[str]) -> bool:
    """A kind that could not be looked at may have had components of several kinds: `log groups`, `network`."""
    return any(name.startswith(prefix) for kind in kinds for prefix in PARTS.get(kind, (kind,)))


RELEASES = "releases the record of releases"
THERE = frozenset({"working", "attention"})
PARTS = {
    "database": ("database", "certificate"),
    "network": ("network", "security group", "endpoint"),
    "secrets": ("secret",),
    "log groups": ("log group",),
}
