"""RPO and RTO of the last verifications as a picture, each with what the environment asks for."""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from PIL import Image

from blocks.backup import BackupSettings
from tasks.backups.proof import Verified, rpo_course

MARGIN = timedelta(hours=6)
WIDTH, HEIGHT, DPI, COLOURS = 9.6, 4.6, 100, 128
INK, FAINT, GOOD, BAD, LINE = "#343a40", "#ced4da", "#2f9e44", "#e03131", "#1971c2"


def draw(past: Sequence[Verified], settings: BackupSettings, title: str) -> bytes:
    """A PNG of few colours: some 20 kB, as it has to fit into an artifact."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="white")
    rows: list[Axes] = list(figure.subplots(2, 1, sharex=True))
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    course = [(at, cost / 3600) for at, cost in rpo_course(past)]
    draw_figure(rows[0], course, [(one, one.age_s / 3600) for one in past], settings.rpo_hours, "RPO, hours")
    timed = [(one, one.rto_s / 60) for one in past if one.rto_s is not None]
    line = [(one.at, minutes) for one, minutes in timed]
    draw_figure(rows[1], line, timed, settings.rto_minutes, "RTO, minutes")
    if past:  # of a single point matplotlib makes four years
        rows[1].set_xlim(past[0].at - MARGIN, past[-1].at + MARGIN)  # type: ignore[arg-type]
    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    rows[1].xaxis.set_major_locator(locator)
    rows[1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    buffer, small = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def draw_figure(
    axes: Axes,
    line: Sequence[tuple[datetime, float]],
    points: Sequence[tuple[Verified, float]],
    wanted: float,
    label: str,
) -> None:
    """The course of a figure, and what each verification came to; one that failed is red."""
    axes.plot([at for at, _ in line], [value for _, value in line], color=LINE, lw=1.2, zorder=1)  # type: ignore[arg-type]
    for passed, colour, name in ((True, GOOD, "restorable"), (False, BAD, "not proven")):
        if chosen := [(one.at, value) for one, value in points if one.passed is passed]:
            at, values = zip(*chosen, strict=True)
            axes.scatter(at, values, s=26, color=colour, label=name, zorder=2)
    axes.axhline(wanted, color=INK, lw=0.9, ls=(0, (4, 3)), label=f"wanted: {wanted:g} at most")
    axes.set_ylim(0, 1.15 * max([wanted, *(value for _, value in points), *(value for _, value in line)]))
    axes.set_ylabel(label, color=INK)
    axes.grid(True, axis="y", color=FAINT, lw=0.6)
    axes.tick_params(colors=INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=9, frameon=False)
