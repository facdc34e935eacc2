"""What a run would change, or has changed; and the run's hold on one environment.

`plan_x` functions return `Change`s. A `Rollout` carries the environment, the door to AWS and the changes collected so
far through a flow's steps; `Rollout.converge` alone decides between planning, doing nothing and applying.
"""

import copy
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from blocks.aws import Aws
from blocks.environment import Environment
from database.approvals import Decision
from tasks.errors import NotOurs

R = TypeVar("R")
logger = logging.getLogger(__name__)

PENDING = "(known after apply)"
"""Stands in a plan for an id that AWS will give."""


@dataclass(frozen=True)
class Change:
    """One line of a plan: `update function miyabi-api-local memory: 256 → 512 (differs from the environment)`."""

    action: Literal["create", "update", "delete", "run"]
    resource: str
    """Kind and name, as a person says it: `database miyabi-postgres-local`."""
    field: str = ""
    before: str = ""
    after: str = ""
    why: str = ""

    def row(self) -> dict[str, str]:
        """The line as the change table shows it."""
        return {
            "change": self.action,
            "what": self.resource,
            "field": self.field,
            "from": self.before,
            "to": self.after,
            "why": self.why,
        }

    def __str__(self) -> str:
        field = f" {self.field}: {self.before or '-'} → {self.after}" if self.field else ""
        return f"{self.action} {self.resource}{field}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Finding:
    """Something that works and that a person should know: it stands in the plan and in the report."""

    subject: str
    text: str


class Rollout:
    """One run's work on one environment: `rollout.aws("rds")`, `rollout.environment`, `rollout.changes`.

    Shared by the steps of a flow, which may run in threads.
    """

    def __init__(self, environment: Environment, aws: Aws, *, release: str = "", adopt: bool = False) -> None:
        self.environment = environment
        self.aws = aws
        self.release = release
        self.adopt = adopt
        self.approval: Decision | None = None
        self.more_tags: dict[str, str] = {}
        self.changes: list[Change] = []
        self.findings: list[Finding] = []
        self.facts: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def planning(self) -> bool:
        return self.aws.planning

    @property
    def approver(self) -> str | None:
        """Who has approved the plan, where they said who they are."""
        return self.approval.approver if self.approval else None

    def at(self, environment: Environment, **tags: str) -> "Rollout":
        """The same run's work on the environment in another form: with its database under another name, say.

        `tags` are for what is made there, besides the usual ones.
        """
        other = copy.copy(self)
        other.environment, other.more_tags = environment, {**self.more_tags, **tags}
        return other

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything we make. `Release` is the release that created the thing; it is not compared later."""
        return {**self.environment.tags, **({"Release": self.release} if self.release else {}), **self.more_tags}

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The tags in the form that most AWS calls want."""
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    def converge(
        self, subject: str, changes: Sequence[Change], *, apply: Callable[[], R], planned: Callable[[], R]
    ) -> R:
        """Do the planned changes, or only note them; say so when there is nothing to do.

        `planned` gives the resource as it stands, or as a plan sees it; it is the answer when nothing is applied.
        """
        if not changes:
            logger.info("%s is as it should be: nothing to do", subject)
            return planned()
        for change in changes:
            logger.info("%s%s", "would " if self.planning else "", change)
        if self.planning:
            self.note(changes)
            return planned()
        result = apply()
        self.note(changes)
        return result

    def note(self, changes: Sequence[Change]) -> None:
        with self._lock:
            self.changes.extend(changes)

    def find(self, subject: str, text: str) -> None:
        """Record a finding once, however often its step is tried."""
        with self._lock:
            if Finding(subject, text) not in self.findings:
                self.findings.append(Finding(subject, text))

    def require_ours(self, subject: str, tags: dict[str, str]) -> None:
        """Refuse to touch what exists without our tags, unless the run was told to adopt it."""
        if not self.adopt and not self.environment.owns(tags):
            raise NotOurs(
                f"{subject} exists and was not made by miyabi-pipelines for {self.environment.name!r} "
                f"(tags: {tags or 'none'}). Rename it in the environment, or run again with adopt=true to take it over."
            )


def differences(
    resource: str,
    wanted: Mapping[str, object],
    actual: Mapping[str, object],
    why: str = "differs from the environment",
) -> list[Change]:
    """One `update` for each wanted value that is not the actual one. Keys are the field names shown to people."""
    return [
        Change("update", resource, field, str(actual.get(field, "")), str(value), why)
        for field, value in wanted.items()
        if actual.get(field) != value
    ]


def adoption(resource: str, environment: Environment, tags: dict[str, str]) -> list[Change]:
    """The change that puts our tags on what this run adopts, so that the next one knows it."""
    if environment.owns(tags):
        return []
    return [Change("update", resource, "tags", _written(tags), _written(environment.tags), "adopted")]


def deletion(rollout: Rollout, resource: str, tags: dict[str, str] | None) -> list[Change]:
    """The change that takes a resource away: none when it is absent (`tags` is None) or not ours."""
    if tags is None:
        return []
    if not rollout.environment.owns(tags):
        logger.warning("%s was not made by miyabi-pipelines for this environment: it stays", resource)
        return []
    return [Change("delete", resource)]


def tags_from(pairs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Tags as AWS lists them, as a mapping."""
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _written(tags: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
