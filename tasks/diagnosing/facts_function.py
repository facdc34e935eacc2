"""Facts of the function: its state, its alias, what CloudWatch counted, what an invocation did, its log."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FunctionSeen:
    """The version that is asked for, as Lambda has it; `exists` False with all else empty where there is none."""

    name: str
    qualifier: str
    exists: bool
    version: str = ""
    state: str = ""
    state_code: str = ""
    state_reason: str = ""
    update: str = ""
    update_code: str = ""
    update_reason: str = ""
    modified: str = ""
    runtime: str = ""
    architecture: str = ""
    handler: str = ""
    memory_mb: int = 0
    timeout_s: int = 0
    role: str = ""
    log_group: str = ""
    code: str = ""
    in_vpc: bool = False
    kms_key: str = ""
    reserved: int | None = None
    variables: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables that name a secret of Secrets Manager by its ARN. An ARN is not secret."""

    @property
    def odd(self) -> bool:
        return not self.exists or self.state != "Active" or self.update not in ("Successful", "") or self.reserved == 0

    @property
    def says(self) -> str:
        if not self.exists:
            return f"there is no {self.name}{f':{self.qualifier}' if self.qualifier else ''}"
        update = f", last update {self.update} at {self.modified}" if self.modified else ""
        codes = ", ".join(filter(None, (self.state_code, self.state_reason, self.update_code, self.update_reason)))
        reserved = "" if self.reserved is None else f"; reserved concurrency {self.reserved}"
        return f"version {self.version} is {self.state}{update}{f' ({codes})' if codes else ''}{reserved}"


@dataclass(frozen=True)
class AliasSeen:
    """Where the alias sends traffic."""

    name: str
    exists: bool
    version: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Versions that it points at and that are gone."""
    newest: str = ""

    @property
    def odd(self) -> bool:
        return not self.exists or bool(self.missing)

    @property
    def says(self) -> str:
        if not self.exists:
            return f"there is no alias {self.name!r}" + (
                f"; the newest version is {self.newest}" if self.newest else ""
            )
        shares = "".join(f", {100 * share:g} % to {version}" for version, share in self.weights.items())
        gone = f"; gone: {', '.join(self.missing)}" if self.missing else ""
        return f"{self.name} → version {self.version}{shares}{gone}"


@dataclass(frozen=True)
class FiguresSeen:
    """CloudWatch, over the last minutes."""

    minutes: int
    invocations: int
    errors: int
    throttles: int
    longest_ms: float | None
    requests: int
    failures: int
    """5xx at the gateway."""

    @property
    def odd(self) -> bool:
        return bool(self.errors or self.throttles or self.failures)

    @property
    def says(self) -> str:
        longest = "" if self.longest_ms is None else f", the longest took {self.longest_ms:.0f} ms"
        return (
            f"in {self.minutes} minutes {self.requests} requests at the API, {self.failures} of them 5xx;"
            f" {self.invocations} invocations, {self.errors} errors, {self.throttles} throttled{longest}"
        )


@dataclass(frozen=True)
class Invoked:
    """What the function did when it was invoked past the gateway."""

    refused: str = ""
    """AWS's error code, where Lambda did not run it."""
    refusal: str = ""
    error: str = ""
    """The error's type, where the function failed."""
    message: str = ""
    tail: tuple[str, ...] = ()
    duration_ms: float | None = None
    init_ms: float | None = None
    used_mb: int | None = None
    size_mb: int | None = None
    status: int | None = None
    misfit: str = ""
    """Why API Gateway cannot make a response of it."""
    body: str = ""

    @property
    def ran(self) -> bool:
        """It ran and returned."""
        return not self.refused and not self.error

    @property
    def well(self) -> bool:
        return self.ran and not self.misfit and (self.status or 0) < 500

    @property
    def odd(self) -> bool:
        return not self.well

    @property
    def text(self) -> str:
        """All that was said about a failure, in one piece."""
        return "\n".join((self.error, self.message, *self.tail))

    @property
    def says(self) -> str:
        if self.refused:
            return f"Lambda refuses: {self.refused}: {self.refusal}"
        if self.error:
            return f"it fails: {self.error}: {self.message}"
        init = f", of which {self.init_ms:.0f} ms to start" if self.init_ms else ""
        fits = f"; its answer is not a response: {self.misfit}" if self.misfit else ""
        return f"it answers {self.status} in {(self.duration_ms or 0) + (self.init_ms or 0):.0f} ms{init}{fits}"


@dataclass(frozen=True)
class LogsSeen:
    """The function's log group, and whether its role may write there."""

    group: str
    exists: bool
    expected: str = ""
    """Where the environment wants its lines."""
    streams: int = 0
    age_s: float | None = None
    """Since the newest event."""
    retention: int | None = None
    role: str = ""
    role_exists: bool = True
    lacking: tuple[str, ...] = ()
    """Actions that the role's policies do not allow."""
    doubt: str = ""
    """Why the rights are not certain."""

    @property
    def odd(self) -> bool:
        return not self.exists or bool(self.lacking) or not self.role_exists or self.elsewhere

    @property
    def elsewhere(self) -> bool:
        return bool(self.expected) and self.group != self.expected

    @property
    def says(self) -> str:
        group = f"{self.group} has {self.streams} streams" if self.exists else f"there is no log group {self.group}"
        age = "" if self.age_s is None else f", the newest line is {self.age_s:.0f} s old"
        if not self.role_exists:
            return f"{group}{age}; role {self.role} does not exist"
        lacks = f"role {self.role} lacks {', '.join(self.lacking)}" if self.lacking else f"role {self.role} may write"
        return f"{group}{age}; {lacks}"
