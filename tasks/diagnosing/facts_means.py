"""Facts of what the function works with: its package, variables, secrets and database; and how quick it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PackageSeen:
    """The deployed package, as it was downloaded: what is wrong with it, by kind."""

    says: str
    entry: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)
    """Variables that its own Python code cannot do without, and where."""

    @property
    def odd(self) -> bool:
        return bool(self.entry or self.machine or self.libraries or self.other)


@dataclass(frozen=True)
class ContractSeen:
    """The environment contract: what the code requires, what the deployment would set, what is set."""

    required: Mapping[str, str]
    """By name: how we know."""
    absent: tuple[str, ...]
    """Required, and not set."""
    unset: tuple[str, ...]
    """The environment would set it, and it is not set."""
    known: frozenset[str] = frozenset()
    """The environment has a value for it."""
    source: str = ""

    @property
    def odd(self) -> bool:
        return bool(self.absent or self.unset)

    @property
    def says(self) -> str:
        if not self.odd:
            return f"all {len(self.required)} required variables are set" + (f" ({self.source})" if self.source else "")
        absent = [f"{name} is required ({self.required[name]}) and not set" for name in self.absent]
        return "; ".join(absent + [f"{name} is what a release sets, and is not set" for name in self.unset])


@dataclass(frozen=True)
class SecretsSeen:
    """The secrets that the function is given by ARN, and whether its role may read them."""

    gone: Mapping[str, str]
    """Variable → why there is no such secret."""
    unreadable: tuple[str, ...]
    """Variables whose secret the role may not read."""
    count: int = 0

    @property
    def odd(self) -> bool:
        return bool(self.gone or self.unreadable)

    @property
    def says(self) -> str:
        if not self.odd:
            return f"{self.count} secrets are there, and the role may read them"
        gone = [f"{variable}: {why}" for variable, why in self.gone.items()]
        return "; ".join(gone + [f"the role may not read {variable}" for variable in self.unreadable])


Trouble = Literal["", "silent", "refused", "tls", "password", "full", "other"]


@dataclass(frozen=True)
class DatabaseSeen:
    """The database as RDS says it, and as it answers here."""

    name: str
    exists: bool
    status: str = ""
    trouble: Trouble = ""
    problem: str = ""
    tls: str = ""
    used: int | None = None
    allowed: int | None = None
    here: int | None = None
    address: str = ""

    @property
    def odd(self) -> bool:
        return not self.exists or self.status != "available" or bool(self.trouble) or self.crowded

    @property
    def crowded(self) -> bool:
        return bool(self.allowed) and (self.used or 0) >= 0.8 * (self.allowed or 1)

    @property
    def says(self) -> str:
        if not self.exists:
            return f"there is no database {self.name!r}"
        if self.trouble:
            return f"{self.name} is {self.status}; from here: {self.problem}"
        connections = f"{self.used} of {self.allowed} connections"
        return f"{self.name} is {self.status} and answers ({self.tls or 'no TLS'}); {connections}"


@dataclass(frozen=True)
class WarmthSeen:
    """A start against requests to what has started, and whether each of these begins anew."""

    init_ms: float | None
    first_ms: float
    warm_ms: tuple[float, ...]
    starts: int
    """Processes that started among the warm requests."""
    grown: int | None
    """Database connections more than before them; None if that was not seen."""
    opened: int | None = None
    """Connections that were opened meanwhile, closed ones too."""

    @property
    def median_ms(self) -> float:
        return sorted(self.warm_ms)[len(self.warm_ms) // 2] if self.warm_ms else 0.0

    @property
    def odd(self) -> bool:
        return (self.init_ms or 0) > 3000 or self.starts > 1 or self.leaks or self.reconnects

    @property
    def leaks(self) -> bool:
        """A connection more for each request."""
        return (self.grown or 0) >= len(self.warm_ms) > 0

    @property
    def reconnects(self) -> bool:
        """Each request opens a connection, and closes it."""
        return not self.leaks and (self.opened or 0) >= len(self.warm_ms) > 0

    @property
    def says(self) -> str:
        start = f"a start {self.init_ms:.0f} ms" if self.init_ms else "it had started"
        grown = "" if self.grown is None else f"; {max(self.grown, 0)} connections more"
        opened = "" if not self.opened else f", {self.opened} opened"
        return f"{start}, then {' '.join(f'{ms:.0f}' for ms in self.warm_ms)} ms{grown}{opened}"
