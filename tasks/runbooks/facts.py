"""What the runbooks' own probes find out, beside what a diagnosis does. Each fact says itself; none holds a secret."""

from dataclasses import dataclass
from math import ceil

from tasks.diagnosing.facts import Facts
from tasks.runbooks.facts_elsewhere import DefinitionsSeen, ServicesSeen, StoppedSeen, TablesSeen, ThrottlesSeen

SLOW_START_MS = 1000.0
"""A start that a person notices; the mission complained of 3 to 5 s."""


@dataclass(frozen=True)
class StartsSeen:
    """Cold starts by the function's own REPORT lines."""

    hours: int
    starts_ms: tuple[float, ...]
    """How long each took, shortest first."""
    memory_mb: int
    used_mb: int
    package_mb: float
    provisioned: int
    """Processes that stand started."""

    @property
    def median_ms(self) -> float:
        return self.within(0.5)

    @property
    def p95_ms(self) -> float:
        return self.within(0.95)

    def within(self, share: float) -> float:
        """The least time within which so many of the starts were done; 0 if there was none."""
        return self.starts_ms[ceil(share * len(self.starts_ms)) - 1] if self.starts_ms else 0.0

    @property
    def odd(self) -> bool:
        return self.p95_ms > SLOW_START_MS

    @property
    def says(self) -> str:
        if not self.starts_ms:
            return f"no start in {self.hours} hours is in the log"
        return f"{self.times}; {self.means}"

    @property
    def times(self) -> str:
        return (
            f"{len(self.starts_ms)} starts in {self.hours} hours: median {self.median_ms:.0f} ms, 95 % within "
            f"{self.p95_ms:.0f} ms, the longest {self.starts_ms[-1]:.0f} ms"
        )

    @property
    def means(self) -> str:
        return (
            f"{self.used_mb} of {self.memory_mb} MB used, package {self.package_mb:.1f} MB, "
            f"{self.provisioned} provisioned"
        )


@dataclass(frozen=True)
class EngineSeen:
    """The database's version: wanted, running, and what RDS offers of that major."""

    wanted: str
    offered: tuple[str, ...]
    """Of the wanted major, oldest first."""
    runs: str = ""
    targets: tuple[str, ...] = ()
    """What the running version can be upgraded to."""

    @property
    def newest(self) -> str:
        return self.offered[-1] if self.offered else ""

    @property
    def lacks(self) -> bool:
        """RDS does not sell what is wanted."""
        return "." in self.wanted and self.wanted not in self.offered

    @property
    def odd(self) -> bool:
        return self.lacks and not self.runs

    @property
    def says(self) -> str:
        runs = f"it runs {self.runs}" if self.runs else "there is no database yet"
        there = f"{self.offered[0]} to {self.newest}" if self.offered else "none"
        return f"{self.wanted} is wanted, {runs}; RDS offers {there} of that major"


@dataclass(frozen=True)
class TermsSeen:
    """How the database wants to be reached, and what happens with TLS and without."""

    sslmode: str
    forced: bool | None
    """`rds.force_ssl`; None where its group could not be read."""
    authority: str
    authority_days: int | None
    """Days until the server's certificate ends."""
    bundle: str
    bundle_there: bool
    without_tls: str
    """'' if it lets clients without TLS in, else what it tells them."""
    with_tls: str
    """'' if it answers with TLS, else why not."""

    @property
    def odd(self) -> bool:
        return bool(self.with_tls) or (self.sslmode == "verify-full" and not self.bundle_there)

    @property
    def says(self) -> str:
        forced = {True: "rds.force_ssl is 1", False: "rds.force_ssl is 0", None: "rds.force_ssl is not known"}
        parts = [
            f"sslmode={self.sslmode}, {forced[self.forced]}",
            f"with TLS: {self.with_tls or 'it answers'}",
            f"without: {self.without_tls or 'it answers'}",
        ]
        if self.authority:
            days = "" if self.authority_days is None else f", {self.authority_days} days left"
            parts.append(f"certificate of {self.authority}{days}")
        return "; ".join(parts)


@dataclass(frozen=True)
class LedgerSeen:
    """What the database says of its migrations, against a folder's files."""

    folder: str
    files: int
    version: int
    bad: tuple[str, ...] = ()
    """What is wrong with the files themselves."""
    dirty: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    """Pending ones older than the newest applied."""
    holder: str = ""
    """Who holds the migrations' lock, if anybody."""

    @property
    def odd(self) -> bool:
        return bool(self.bad or self.dirty or self.changed or self.missing or self.late or self.holder)

    @property
    def says(self) -> str:
        counts = {"dirty": self.dirty, "changed": self.changed, "missing": self.missing, "pending": self.pending}
        parts = [f"{len(found)} {name}" for name, found in counts.items() if found]
        held = f"; the lock is held by {self.holder}" if self.holder else ""
        bad = f"; {len(self.bad)} problems in the files" if self.bad else ""
        state = ", ".join(parts) or "all applied"
        return f"{self.folder}: {self.files} files, the database is at {self.version}: {state}{held}{bad}"


@dataclass(frozen=True)
class BackupsSeen:
    """The instance, and what it could be restored from."""

    status: str
    """'' if there is no instance."""
    latest: str
    """The latest time that RDS can go back to."""
    dump: str
    """The newest one's id."""
    snapshot: str
    rpo_s: float | None
    """Age of the newest backup that is proven; None if none is."""
    rpo_hours: float

    @property
    def odd(self) -> bool:
        return self.rpo_s is None or self.rpo_s > self.rpo_hours * 3600

    @property
    def says(self) -> str:
        proven = "none is proven" if self.rpo_s is None else f"the proven one is {self.rpo_s / 3600:.1f} hours old"
        kept = [f"a dump {self.dump}" if self.dump else "no dump", self.snapshot or "no snapshot"]
        there = f"the database is {self.status}" if self.status else "there is no database"
        return f"{there}; of backups there is {' and '.join(kept)}; {proven}"


@dataclass(frozen=True)
class RunbookFacts(Facts):
    """All that a runbook can find out."""

    starts: StartsSeen | None = None
    engine: EngineSeen | None = None
    terms: TermsSeen | None = None
    ledger: LedgerSeen | None = None
    services: ServicesSeen | None = None
    stopped: StoppedSeen | None = None
    definitions: DefinitionsSeen | None = None
    tables: TablesSeen | None = None
    throttles: ThrottlesSeen | None = None
    backups: BackupsSeen | None = None
