"""A run as a picture: latency, throughput with errors, and the database's connections, over the same seconds."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tasks.loading.apart import ColdStart
from tasks.loading.samples import Floats, Table, percentile
from tasks.loading.verdicts import Thresholds

BUCKETS, LEAST_S = 90, 0.25
"""About so many points along a run, but none of less than this: a percentile needs some requests."""
LEGEND: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "fontsize": 9, "frameon": False}
"""Above its axes, where it covers nothing."""
WIDTH, HEIGHT, DPI, COLOURS = 9.6, 7.6, 100, 96
INK, FAINT = "#343a40", "#ced4da"
LINES = (("p50", 0.5, "#1971c2"), ("p95", 0.95, "#e8590c"), ("p99", 0.99, "#c2255c"))


@dataclass(frozen=True)
class Seen:
    """What is drawn."""

    title: str
    table: Table
    limits: Thresholds
    seconds: float
    asked: float | None = None
    connections: Sequence[tuple[float, int, int]] = ()
    """(second, all, here)"""
    most_connections: int | None = None
    starts: Sequence[ColdStart] = ()
    began_at: float = 0.0


def draw(seen: Seen) -> bytes:
    """A PNG of few colours: some 30 kB, as it has to fit into an artifact."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="white")
    heights = [3.2, 1.6, 1.2] if seen.connections else [3.2, 1.6]
    rows: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    figure.suptitle(seen.title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    step = max(LEAST_S, seen.seconds / BUCKETS)
    draw_latency(rows[0], seen, step)
    draw_rate(rows[1], seen, step)
    if seen.connections:
        draw_connections(rows[2], seen)
    for row in rows:
        dress(row)
    rows[-1].set_xlabel("seconds since the start", color=INK)
    rows[-1].set_xlim(0, seen.seconds)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return few_colours(buffer)


def few_colours(buffer: io.BytesIO) -> bytes:
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def draw_latency(axes: Axes, seen: Seen, step: float) -> None:
    """Percentiles by when requests were due, each with its threshold; the slowest of each moment as a dot."""
    served = seen.table.only(seen.table.served)
    slots = buckets(served.due, step)
    shown = sorted(set(slots.tolist()))
    groups = [np.sort(served.took[slots == slot]) * 1000 for slot in shown]
    middles = [(slot + 0.5) * step for slot in shown]
    for name, share, colour in LINES:
        axes.plot(middles, [percentile(group, share) for group in groups], color=colour, lw=1.6, label=name)
        axes.axhline(getattr(seen.limits, f"{name}_ms"), color=colour, lw=0.9, ls=(0, (4, 3)), alpha=0.7)
    axes.plot(middles, [group[-1] for group in groups], ".", color="#868e96", ms=3, label="slowest")
    for number, start in enumerate(seen.starts):
        at = start.ended_at - seen.began_at
        axes.axvspan(at - start.took_s, at, color="#7048e8", alpha=0.15, lw=0, label=None if number else "cold start")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("latency, ms", color=INK)
    axes.legend(ncols=5, **LEGEND)


def draw_rate(axes: Axes, seen: Seen, step: float) -> None:
    """What was answered well, and what was not, a second; by when it ended."""
    ends, good = seen.table.due + seen.table.took, seen.table.good
    edges = np.linspace(0.0, seen.seconds, max(1, round(seen.seconds / step)) + 1)
    right, wrong = (np.histogram(ends[chosen], edges)[0] / np.diff(edges) for chosen in (good, ~good))
    axes.stairs(right, edges, fill=True, color="#a5d8ff", label="answered")
    axes.stairs(right + wrong, edges, baseline=right, fill=True, color="#e03131", label="errors")
    if seen.asked is not None:
        axes.axhline(seen.asked, color=INK, lw=0.9, ls=(0, (4, 3)), label="asked")
    axes.set_ylim(0, max(1.0, 1.25 * float((right + wrong).max()), 1.25 * (seen.asked or 0)))
    axes.set_ylabel("requests a second", color=INK)
    axes.legend(ncols=3, **LEGEND)


def draw_connections(axes: Axes, seen: Seen) -> None:
    at, everyone, here = zip(*seen.connections, strict=True)
    axes.plot(at, everyone, ".-", color="#495057", lw=1.4, ms=4, label="all")
    axes.plot(at, here, ".-", color="#2f9e44", lw=1.6, ms=4, label="to this database")
    axes.set_ylim(0, 1.15 * max(everyone) + 1)
    limit = "" if seen.most_connections is None else f" of {seen.most_connections}"
    axes.set_ylabel(f"connections{limit}", color=INK)
    axes.legend(ncols=2, **LEGEND)


def dress(axes: Axes) -> None:
    axes.grid(True, axis="y", color=FAINT, lw=0.6)
    axes.tick_params(colors=INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def buckets(times: Floats, step: float) -> Floats:
    return np.floor(times / step)
