"""A canary: watching a new version at each share of the traffic that it gets (`Canary.bake`).

The alias moves in tasks/aliases.py, which calls `bake` after each share. While it watches, it asks both versions and
the public URL, looks at the figures every `interval_s`, and raises `CanaryFailed` with the figures at the first breach;
what moved is then put back by the undo log. Figures that do not come are waited for, for a bounded time, and then count
as a breach: what is not known to be good is not promoted.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property

import httpx

from database.server_use import Connections
from tasks.canary.connections import Counter
from tasks.canary.figures import Figures, Tally
from tasks.canary.metrics import Metrics
from tasks.canary.probes import prober, repeatable
from tasks.canary.repeating import Repeated
from tasks.canary.traffic import visitor
from tasks.canary.verdict import Seen, breaches, lacking
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.gateway import Api
from tasks.releases import Journal
from tasks.reports import publish_canary
from tasks.smoke_http import http_client
from tasks.suite_checks import Check

logger = logging.getLogger(__name__)

Row = dict[str, str]


class CanaryFailed(Permanent):
    """The new version did worse than it may, or too little is known of it."""

    def __init__(self, version: str, share: int, reasons: Sequence[str], examples: Sequence[str]) -> None:
        first, *others = reasons
        lines = [f"version {version} is taken back at {share} %: {first}", *(f"  - {text}" for text in others)]
        super().__init__("\n".join([*lines, *(f"  - for example: {text}" for text in examples)]))


class Canary:
    """The watching over one version, through all its shares. `rows` is its table, a row for each share."""

    def __init__(
        self,
        rollout: Rollout,
        version: str,
        api: Api,
        checks: Sequence[Check],
        journal: Journal,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rollout, self.version, self.api, self.journal = rollout, version, api, journal
        self.settings = rollout.environment.canary
        self.checks = repeatable(checks, rollout.environment.api.health_path)
        self.rows: list[Row] = []
        self._transport, self._sleep, self._clock = transport, sleep, clock
        said = rollout.environment.function.variables.get("DB_MAX_CONNECTIONS", "")
        pool = int(said) if said.isdecimal() else 1
        self._counter = Counter(journal.store, warm=self.settings.min_requests // 4, pool=pool, clock=clock)
        self._answered = self._started = 0
        """Requests that the new version had, and processes of it that started, at the shares before."""

    @cached_property
    def _metrics(self) -> Metrics:
        """From the first share on."""
        return Metrics(self.rollout, self.api.id)

    def bake(self, old: str, share: int) -> None:
        """Watch for `bake_s` with this share (percent) on the new version. Raises CanaryFailed."""
        logger.info("canary: %d %% of the traffic on version %s, %.0f s", share, self.version, self.settings.bake_s)
        new, other, url, metrics = Tally(), Tally(), Tally(), self._metrics
        self._counter.begin()
        began = self._clock()
        with self._asking(old, new, other, url):
            while True:
                self._sleep(self.settings.interval_s)
                self.journal.require_running()
                elapsed = self._clock() - began
                seen = self._look(share / 100, new.figures, other.figures, url.figures)
                seen = metrics.add_to(seen, self.version, old)
                self._judge(share, seen, elapsed, [*new.examples, *url.examples][:3])
                if elapsed >= self.settings.bake_s and not lacking(self.settings, seen):
                    break
        self._answered += asked(seen)
        self._started += new.figures.cold
        self._note(share, seen, elapsed, "good")

    @contextmanager
    def _asking(self, old: str, new: Tally, other: Tally, url: Tally) -> Iterator[None]:
        """Both versions are asked, and the URL is, as long as this lasts."""
        settings, timeout = self.settings, self.rollout.environment.function.timeout_s + 5.0
        with ExitStack() as stack:
            client = stack.enter_context(http_client(self.api.url, timeout=timeout, transport=self._transport))
            work = [
                ("probe-new", prober(self.rollout, self.version, self.checks, new), settings.probes_per_s, 2),
                ("probe-old", prober(self.rollout, old, self.checks, other), settings.probes_per_s, 2),
                ("visit", visitor(client, self.checks, url), settings.traffic_per_s, 1),
            ]
            for name, function, per_s, threads in work:
                stack.enter_context(Repeated(name, function, per_s=per_s, threads=threads))
            yield

    def _look(self, share: float, new: Figures, other: Figures, url: Figures) -> Seen:
        seen = Seen(share, new, other, url)
        self._counter.sample(self._answered + asked(seen), self._started + new.cold)
        return replace(seen, connections=self._counter.last, leak=self._counter.leak, trouble=self._counter.trouble)

    def _judge(self, share: int, seen: Seen, elapsed: float, examples: Sequence[str]) -> None:
        """Raise CanaryFailed if the version must go back."""
        reasons = breaches(self.settings, seen)
        if not reasons and elapsed >= self.settings.bake_s + self.settings.extension_s:
            reasons = [f"{text}, after {elapsed:.0f} s" for text in lacking(self.settings, seen)]
        if reasons:
            self._note(share, seen, elapsed, "taken back: " + "; ".join(reasons))
            raise CanaryFailed(self.version, share, reasons, examples)

    def _note(self, share: int, seen: Seen, elapsed: float, verdict: str) -> None:
        """The row of a share: in the log, in the table and in the report."""
        row = row_of(share, seen, elapsed, verdict)
        self.rows.append(row)
        logger.info("canary: %s", ", ".join(f"{name} {value}" for name, value in row.items()))
        publish_canary(self.rollout.environment.name, self.rows, f"version {self.version}")


def asked(seen: Seen) -> int:
    """Our requests to the new version, directly and through the URL."""
    return seen.new.requests + round(seen.share * seen.url.requests)


def row_of(share: int, seen: Seen, elapsed: float, verdict: str) -> Row:
    """What was seen at one share, for people."""
    return {
        "share": f"{share} %",
        "seconds": f"{elapsed:.0f}",
        "new": str(seen.new),
        "old": str(seen.old),
        "p95 new / old": f"{written(seen.new.p95_ms)} / {written(seen.old.p95_ms)}",
        "URL": str(seen.url),
        "its traffic": str(seen.new_metrics) if seen.new_metrics.requests else "-",
        "connections": connections(seen.connections),
        "verdict": verdict,
    }


def written(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f} ms"


def connections(seen: Connections | None) -> str:
    return f"{seen.used} of {seen.allowed}" if seen else "-"
