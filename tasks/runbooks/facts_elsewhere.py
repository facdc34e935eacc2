"""Facts of what the mission planned and this product does not make: ECS services and DynamoDB tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Service:
    """An ECS service; `events` are its last messages, newest first."""

    cluster: str
    name: str
    desired: int
    running: int
    pending: int
    definition: str
    events: tuple[str, ...] = ()

    @property
    def lacks(self) -> bool:
        return self.running < self.desired


@dataclass(frozen=True)
class ServicesSeen:
    services: tuple[Service, ...]

    @property
    def odd(self) -> bool:
        return any(one.lacks for one in self.services)

    @property
    def says(self) -> str:
        shown = [f"{one.name} {one.running} of {one.desired} running, {one.pending} pending" for one in self.services]
        return "; ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


@dataclass(frozen=True)
class Stopped:
    """A task that has ended. `reasons` are the task's own and its containers', exit codes are the containers'."""

    task: str
    group: str
    reasons: tuple[str, ...]
    codes: tuple[int, ...] = ()

    def __str__(self) -> str:
        codes = f" (exit code {', '.join(map(str, self.codes))})" if self.codes else ""
        return f"task {self.task[:12]} of {self.group}: {'; '.join(self.reasons) or 'no reason given'}{codes}"


@dataclass(frozen=True)
class StoppedSeen:
    """AWS forgets a stopped task after about an hour."""

    tasks: tuple[Stopped, ...]

    @property
    def odd(self) -> bool:
        return bool(self.tasks)

    @property
    def says(self) -> str:
        return f"{len(self.tasks)} tasks stopped lately" + (f", the last: {self.tasks[0]}" if self.tasks else "")


@dataclass(frozen=True)
class DefinitionsSeen:
    """What the services' task definitions name and AWS does not have."""

    definitions: int
    images: Mapping[str, str] = field(default_factory=dict)
    """Image → why it cannot be pulled."""
    roles: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def odd(self) -> bool:
        return bool(self.images or self.roles or self.groups)

    @property
    def says(self) -> str:
        wrong = [f"{name}: {why}" for part in (self.images, self.roles, self.groups) for name, why in part.items()]
        return f"{self.definitions} task definitions: {'; '.join(wrong) or 'images, roles and log groups are there'}"


@dataclass(frozen=True)
class Table:
    """A DynamoDB table; capacities are None where it is paid by request."""

    name: str
    status: str
    reads: int | None = None
    writes: int | None = None
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TablesSeen:
    tables: tuple[Table, ...]
    absent: str = ""
    """The table that was asked for and is not there."""

    @property
    def odd(self) -> bool:
        return bool(self.absent) or any(one.status != "ACTIVE" for one in self.tables)

    @property
    def says(self) -> str:
        if self.absent:
            return f"there is no table {self.absent!r}"
        paid = {one.name: "by request" if one.reads is None else f"{one.reads} reads/s, {one.writes} writes/s"
                for one in self.tables}  # fmt: skip
        return "; ".join(f"{one.name} {one.status}, {paid[one.name]}" for one in self.tables[:8])


@dataclass(frozen=True)
class Load:
    """What one table had to bear: throttled requests, and the busiest minute a second."""

    table: str
    throttled_reads: int
    throttled_writes: int
    reads: float
    writes: float


@dataclass(frozen=True)
class ThrottlesSeen:
    hours: int
    loads: tuple[Load, ...]

    @property
    def odd(self) -> bool:
        return any(one.throttled_reads or one.throttled_writes for one in self.loads)

    @property
    def says(self) -> str:
        shown = [
            f"{one.table}: {one.throttled_reads} reads and {one.throttled_writes} writes throttled, at most "
            f"{one.reads:.1f} reads/s and {one.writes:.1f} writes/s"
            for one in self.loads[:8]
        ]
        return f"in {self.hours} hours: {'; '.join(shown)}"
