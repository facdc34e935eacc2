"""The diagram as PNG, for where an SVG is not shown. Half as many pixels again as the layout has, of few colours."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon
from PIL import Image

from tasks.reporting.diagram import (
    DOTS,
    EDGES,
    FIRST,
    HEIGHT,
    ICON,
    LABEL_SIZE,
    LEGEND,
    LINE,
    PADDING,
    SAID,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    Arrow,
    Box,
    Layout,
    Zone,
)

DPI, SCALE, COLOURS, TIP = 100, 1.5, 160, 10
INK, SOFT, BADGE = "#212529", "#495057", ("#fff3bf", "#f08c00", "#d9480f")
DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (5, 4)), "dotted": (0, (1.5, 3))}


class Canvas:
    """The layout's pixels, counted from the upper left corner, on a matplotlib figure."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI * SCALE, facecolor="white")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, WIDTH)
        self.axes.set_ylim(HEIGHT, 0)
        self.axes.axis("off")

    def rectangle(self, place: tuple[float, float, float, float], radius: float, **style: Any) -> None:
        x, y, width, height = place
        shape = f"round,pad=0,rounding_size={radius}"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **style))

    def words(self, x: float, y: float, text: str, size: int, colour: str = INK, **style: Any) -> None:
        """`y` is the baseline, as in SVG."""
        points = size * 72 / DPI
        self.axes.text(x, y, text, fontsize=points, color=colour, va="baseline", parse_math=False, **style)

    def circle(self, x: float, y: float, fill: str, edge: str) -> None:
        self.axes.add_patch(Circle((x, y), 5, facecolor=fill, edgecolor=edge, linewidth=0.8))

    def badge(self, x: float, y: float, text: str) -> None:
        fill, edge, ink = BADGE
        self.rectangle((x, y, 19, 16), 8, facecolor=fill, edgecolor=edge, linewidth=0.8)
        self.words(x + 9.5, y + 12, text, TEXT_SIZE, ink, ha="center", fontweight="bold")

    def png(self) -> bytes:
        agg: Any = FigureCanvasAgg(self.figure)
        agg.draw()
        drawn = Image.fromarray(np.asarray(agg.buffer_rgba())[:, :, :3])
        drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer := io.BytesIO(), "PNG")
        return buffer.getvalue()


def as_png(layout: Layout) -> bytes:
    canvas = Canvas()
    canvas.words(30, 42, layout.title, 22, fontweight="bold")
    canvas.words(30, 64, layout.subtitle, 13, SOFT)
    for zone in layout.zones:
        draw_zone(canvas, zone)
    for arrow in layout.arrows:
        draw_arrow(canvas, arrow)
    for box in layout.boxes:
        draw_box(canvas, box)
    draw_legend(canvas)
    canvas.words(WIDTH - 20, 926, layout.footer, 12, SOFT, ha="right")
    return canvas.png()


def draw_zone(canvas: Canvas, zone: Zone) -> None:
    place = (zone.x, zone.y, zone.width, zone.height)
    canvas.rectangle(place, 10, facecolor=zone.colour, alpha=0.035, linewidth=0)
    canvas.rectangle(place, 10, facecolor="none", edgecolor=zone.colour, alpha=0.55, linestyle=(0, (3, 3)),
                     linewidth=0.8)  # fmt: skip
    canvas.words(zone.x + 12, zone.y + 21, zone.title, 12, zone.colour, fontweight="bold")


def draw_box(canvas: Canvas, box: Box) -> None:
    canvas.rectangle(
        (box.x, box.y, box.width, box.height), 5 if box.small else 8, facecolor="white",
        edgecolor=EDGES[box.standing], linestyle=DASHES[box.line], linewidth=1.2,
    )  # fmt: skip
    ink = SOFT if box.line != "solid" else INK
    if box.small:
        for index, line in enumerate(box.lines):
            canvas.words(box.x + PADDING, box.y + 18 + index * LINE, line, TEXT_SIZE, SOFT if index else ink)
    else:
        draw_icon(canvas, box)
        canvas.words(box.x + PADDING * 2 + ICON, box.y + 26, box.title, TITLE_SIZE, ink, fontweight="bold")
        for index, line in enumerate(box.lines):
            x = box.x + PADDING * (1 if index else 2) + (0 if index else ICON)
            canvas.words(x, box.y + FIRST + index * LINE + (4 if index else 0), line, TEXT_SIZE, SOFT)
    if box.id != "people":
        x, y = box.x + box.width - 16, box.y + (14 if box.small else 18)
        canvas.circle(x, y, DOTS[box.standing], EDGES[box.standing])
        if box.badge:
            canvas.badge(x - 30, y - 8, box.badge)


def draw_icon(canvas: Canvas, box: Box) -> None:
    x, y = box.x + PADDING, box.y + PADDING
    alpha = 0.45 if box.line != "solid" else 1
    canvas.rectangle((x, y, ICON, ICON), 6, facecolor=box.colour, linewidth=0, alpha=alpha)
    size = {1: 20, 2: 13}.get(len(box.icon), 11)
    centre = x + ICON / 2, y + ICON / 2 + size / 3 + 1
    canvas.words(*centre, box.icon, size, "white", ha="center", fontweight="bold")


def draw_arrow(canvas: Canvas, arrow: Arrow) -> None:
    style: Any = (0, (4, 3)) if arrow.dashed else "-"
    xs, ys = [point[0] for point in arrow.points], [point[1] for point in arrow.points]
    look: dict[str, Any] = {"color": SOFT, "linewidth": 1.0, "alpha": 0.4 if arrow.faint else 1}
    canvas.axes.add_line(Line2D(xs, ys, linestyle=style, **look))
    before, end = arrow.points[-2:]
    canvas.axes.add_patch(Polygon(tip(before, end), closed=True, **look))
    if arrow.label:
        canvas.words(*arrow.label_at, arrow.label, LABEL_SIZE, SOFT, ha="center")


def tip(before: tuple[int, int], end: tuple[int, int]) -> list[tuple[float, float]]:
    """The triangle at the end of an arrow, whose last piece goes straight across or down."""
    across = (end[0] > before[0]) - (end[0] < before[0])
    down = (end[1] > before[1]) - (end[1] < before[1])
    back = end[0] - TIP * across, end[1] - TIP * down
    side = TIP / 2.4
    return [end, (back[0] + side * down, back[1] + side * across), (back[0] - side * down, back[1] - side * across)]


def draw_legend(canvas: Canvas) -> None:
    for index, standing in enumerate(LEGEND):
        x = 30 + index * 165
        canvas.circle(x + 5, 922, DOTS[standing], EDGES[standing])
        canvas.words(x + 17, 926, SAID[standing], 12, SOFT)
    x = 30 + len(LEGEND) * 165
    canvas.badge(x, 914, "n")
    canvas.words(x + 26, 926, "security findings", 12, SOFT)
