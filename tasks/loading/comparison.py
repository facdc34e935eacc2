"""This run beside the last ones of the same environment and load: is it worse than their noise explains?

Against the median of the earlier runs, a figure is worse if it is off by more than three robust standard deviations
(1.4826 times the median absolute deviation), by more than a tenth of the median, and by more than a floor: two
milliseconds, or one request a second. One wild run among them moves neither median nor deviation much. Fewer than four
earlier runs say nothing about noise, so then nothing is called worse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

FEWEST, KEPT = 4, 10
"""Earlier runs: as many as it takes, and as many as are looked at."""
SPREAD, SHARE = 3 * 1.4826, 0.10
FLOORS = {"p50_ms": 2.0, "p95_ms": 2.0, "p99_ms": 2.0, "per_second": 1.0}
MORE_IS_BETTER = frozenset({"per_second"})


@dataclass(frozen=True)
class Compared:
    """One figure beside its past. `allowed` is the distance from `usual` that noise explains."""

    figure: str
    now: float
    usual: float
    allowed: float
    runs: int

    @property
    def worse(self) -> bool:
        off = self.usual - self.now if self.figure in MORE_IS_BETTER else self.now - self.usual
        return self.runs >= FEWEST and off > self.allowed

    @property
    def verdict(self) -> str:
        if self.runs < FEWEST:
            return f"too few to tell ({self.runs} of {FEWEST})"
        return "**worse than noise explains**" if self.worse else "as usual"


def compare(now: Mapping[str, float], past: Sequence[Mapping[str, float]]) -> list[Compared]:
    """Every figure that this run has, beside `past`, the last runs."""
    return [
        compared(figure, now[figure], [run[figure] for run in past if run.get(figure) is not None])
        for figure in FLOORS
        if past and now.get(figure) is not None
    ]


def compared(figure: str, now: float, before: Sequence[float]) -> Compared:
    usual = median(before)
    deviation = median(abs(value - usual) for value in before)
    return Compared(figure, now, usual, max(SPREAD * deviation, SHARE * usual, FLOORS[figure]), len(before))
