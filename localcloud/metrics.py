"""What happened in the cloud, counted: CloudWatch's metrics, kept by the second and later by the minute.

Each thing that is measured (an alias's version, a stage) has one `Meter` with all sets of dimensions under which AWS
shows it, so a request is noted once, in well under a microsecond; the wider sets are added up when somebody asks.
Seconds stay for a quarter of an hour, minutes for a day. Values are exact; of more than `EXACT` values in one moment
percentiles keep three digits, and sum, least and greatest stay exact.
"""

import math
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

EXACT = 500
SECONDS_KEPT = 900
MINUTES_KEPT = 24 * 3600

Dimensions = frozenset[tuple[str, str]]
"""Name and value of each."""


@dataclass(frozen=True)
class Kind:
    """What a meter measures. `values`: one number an event, by metric and unit; `flags`: 0 or 1 an event."""

    namespace: str
    values: tuple[tuple[str, str], ...]
    flags: tuple[str, ...] = ()
    events: str = ""
    """The metric that is 1 for each event, if there is one: an event has a value in the first of `values`."""

    @property
    def units(self) -> dict[str, str]:
        """Every metric, with its unit."""
        counted = [*self.flags, self.events] if self.events else self.flags
        return {**dict(self.values), **dict.fromkeys(counted, "Count")}


class Values:
    """Numbers: `fresh` ones as they came (anyone may append), and packed ones with their counts."""

    __slots__ = ("counts", "fresh", "greatest", "least", "packed", "total")

    def __init__(self) -> None:
        self.fresh, self.packed, self.counts = array("d"), array("d"), array("L")
        self.total, self.least, self.greatest = 0.0, math.inf, -math.inf

    def pack(self) -> None:
        """Keep three digits of the values so far, each once."""
        taken = self.fresh[:]
        self._add_up(taken)
        packed = dict(zip(self.packed, self.counts, strict=True))
        for value in taken:
            key = float(f"{value:.3g}")
            packed[key] = packed.get(key, 0) + 1
        self.packed, self.counts = array("d", packed), array("L", packed.values())
        del self.fresh[: len(taken)]  # what came meanwhile stays

    def merge(self, other: "Values") -> None:
        """Take over another moment's values."""
        self.fresh.extend(other.fresh)
        if other.counts:
            packed = dict(zip(self.packed, self.counts, strict=True))
            for value, count in zip(other.packed, other.counts, strict=True):
                packed[value] = packed.get(value, 0) + count
            self.packed, self.counts = array("d", packed), array("L", packed.values())
            self.total, self.least = self.total + other.total, min(self.least, other.least)
            self.greatest = max(self.greatest, other.greatest)
        if len(self.fresh) > EXACT:
            self.pack()

    def __len__(self) -> int:
        return len(self.fresh) + sum(self.counts)

    def _add_up(self, taken: "array[float]") -> None:
        if taken:
            self.total, self.least = self.total + math.fsum(taken), min(self.least, min(taken))
            self.greatest = max(self.greatest, max(taken))


class Moment:
    """One second or minute of a meter."""

    __slots__ = ("flags", "values")

    def __init__(self, kind: Kind) -> None:
        self.values = tuple(Values() for _ in kind.values)
        self.flags = [0] * len(kind.flags)

    def merge(self, other: "Moment") -> None:
        for mine, its in zip(self.values, other.values, strict=True):
            mine.merge(its)
        self.flags = [mine + its for mine, its in zip(self.flags, other.flags, strict=True)]


class Meter:
    """What is known of one measured thing. `at(second)` is where its owner notes; no lock is needed for that."""

    def __init__(self, kind: Kind, sets: tuple[Dimensions, ...]) -> None:
        self.kind, self.sets = kind, sets
        self.seconds: dict[int, Moment] = {}
        self.minutes: dict[int, Moment] = {}

    def at(self, second: int) -> Moment:
        """The moment to note something in; `second` is Unix time."""
        moment = self.seconds.get(second)
        if moment is None:
            moment = self.seconds[second] = Moment(self.kind)
        return moment

    def note(self, at: float, value: float) -> None:
        """Note one value, of a meter that has one metric."""
        self.at(int(at)).values[0].fresh.append(value)

    def raise_to(self, at: float, value: float) -> None:
        """Note a level, of which a second keeps the highest."""
        fresh = self.at(int(at)).values[0].fresh
        if not fresh:
            fresh.append(value)
        elif fresh[0] < value:
            fresh[0] = value

    def roll(self, now: float) -> None:
        """Make minutes of old seconds, pack full ones, and forget old minutes."""
        for second, moment in list(self.seconds.items()):
            if second < now - SECONDS_KEPT:
                self._into_minute(second, self.seconds.pop(second))
            elif second < now - 1:
                for values in moment.values:
                    if len(values.fresh) > EXACT:
                        values.pack()
        for minute in [minute for minute in self.minutes if minute < now - MINUTES_KEPT]:
            del self.minutes[minute]

    def moments(self, *, finer_than_minutes: bool) -> list[tuple[int, Moment]]:
        return [*(() if finer_than_minutes else list(self.minutes.items())), *list(self.seconds.items())]

    def in_minutes(self) -> dict[int, Moment]:
        """All of it by the minute, as it is saved."""
        copy = Meter(self.kind, self.sets)
        for at, moment in self.moments(finer_than_minutes=False):
            copy._into_minute(at, moment)
        return copy.minutes

    def _into_minute(self, second: int, moment: Moment) -> None:
        minute = self.minutes.get(second // 60 * 60)
        if minute is None:
            minute = self.minutes[second // 60 * 60] = Moment(self.kind)
        minute.merge(moment)


@dataclass
class Sample:
    """All values of one metric in one period."""

    counts: dict[float, int] = field(default_factory=dict)
    count: int = 0
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    def add(self, value: float, count: int = 1) -> None:
        self.counts[value] = self.counts.get(value, 0) + count
        self._sum_up(count, value * count, value, value)

    def add_values(self, values: Values) -> None:
        for value in values.fresh[:]:
            self.add(value)
        if values.counts:
            for value, count in zip(values.packed, values.counts, strict=True):
                self.counts[value] = self.counts.get(value, 0) + count
            self._sum_up(sum(values.counts), values.total, values.least, values.greatest)

    def statistic(self, name: str) -> float:
        """`SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum` or a percentile such as `p99.9`."""
        match name:
            case "SampleCount":
                return float(self.count)
            case "Sum":
                return self.total
            case "Average":
                return self.total / self.count
            case "Minimum":
                return self.least
            case "Maximum":
                return self.greatest
        return min(max(self._percentile(percentile(name)), self.least), self.greatest)

    def _percentile(self, percent: float) -> float:
        """The smallest value that so many percent do not exceed."""
        rank, seen = math.ceil(percent / 100 * self.count), 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen >= rank:
                return value
        return self.greatest

    def _sum_up(self, count: int, total: float, least: float, greatest: float) -> None:
        self.count, self.total = self.count + count, self.total + total
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)


def percentile(statistic: str) -> float:
    """The number of `p99`. Raises NotImplementedError for statistics that are not percentiles."""
    try:
        number = float(statistic.removeprefix("p")) if statistic.startswith("p") else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise NotImplementedError(f"the statistic {statistic!r}")
    return number


class Metrics:
    """All meters of a cloud. Saved, by the minute, with CloudWatch's state."""

    def __init__(self) -> None:
        self._meters: dict[tuple[Kind, tuple[Dimensions, ...]], Meter] = {}
        self._shown: defaultdict[tuple[str, str], list[Meter]] = defaultdict(list)
        self._lock = threading.RLock()
        """Held by those who read or pack; who notes something needs none."""

    def meter(self, kind: Kind, *sets: Mapping[str, str]) -> Meter:
        """The meter of a thing, made if it is new. `sets`: the dimensions under which it is shown."""
        key = (kind, tuple(frozenset(dimensions.items()) for dimensions in sets))
        with self._lock:
            return self._meters.get(key) or self._add(Meter(*key))

    def samples(
        self, namespace: str, metric: str, dimensions: Dimensions, *, start: int, end: int, period: int
    ) -> dict[int, Sample]:
        """The values in each period from `start` on, by the period's begin; periods without any are left out."""
        samples: defaultdict[int, Sample] = defaultdict(Sample)
        with self._lock:
            for meter in self._shown[namespace, metric]:
                if dimensions not in meter.sets:
                    continue
                for at, moment in meter.moments(finer_than_minutes=period < 60):
                    if start <= at < end:
                        begin = start + (at - start) // period * period
                        _add_to(samples[begin], meter.kind, metric, moment)
        return {at: samples[at] for at in sorted(samples) if samples[at].count}

    def unit(self, namespace: str, metric: str) -> str:
        """The unit of a metric; '' if nothing measures it."""
        with self._lock:
            return next((meter.kind.units[metric] for meter in self._shown[namespace, metric]), "")

    def shown(self) -> Iterator[tuple[str, str, Dimensions]]:
        """Each metric with each set of dimensions that has values; a set may come more than once."""
        with self._lock:
            known = [meter for meter in self._meters.values() if meter.seconds or meter.minutes]
        for meter in known:
            for metric in meter.kind.units:
                yield from ((meter.kind.namespace, metric, dimensions) for dimensions in meter.sets)

    def roll(self, now: float) -> None:
        """Called every now and then."""
        with self._lock:
            for meter in self._meters.values():
                meter.roll(now)

    def __getstate__(self) -> list[tuple[Kind, tuple[Dimensions, ...], dict[int, Moment]]]:
        with self._lock:
            return [(*key, minutes) for key, meter in self._meters.items() if (minutes := meter.in_minutes())]

    def __setstate__(self, saved: Iterable[tuple[Kind, tuple[Dimensions, ...], dict[int, Moment]]]) -> None:
        Metrics.__init__(self)
        for kind, sets, minutes in saved:
            self._add(Meter(kind, sets)).minutes.update(minutes)

    def _add(self, meter: Meter) -> Meter:
        self._meters[meter.kind, meter.sets] = meter
        for metric in meter.kind.units:
            self._shown[meter.kind.namespace, metric].append(meter)
        return meter


def _add_to(sample: Sample, kind: Kind, metric: str, moment: Moment) -> None:
    """Add one metric of a moment."""
    for (name, _), values in zip(kind.values, moment.values, strict=True):
        if name == metric:
            sample.add_values(values)
    events = len(moment.values[0])
    if metric == kind.events and events:
        sample.add(1.0, events)
    for name, ones in zip(kind.flags, moment.flags, strict=True):
        if name == metric and ones:
            sample.add(1.0, ones)
        if name == metric and events > ones:
            sample.add(0.0, events - ones)
