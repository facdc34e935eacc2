"""The diagram as PNG, for where an SVG is not shown. Half as many pixels again as the layout has, of few colours."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon
from PIL import Image

from tasks.reporting.diagram import HEIGHT, WIDTH, Layout, Line
from tasks.reporting.painting import INK, SOFT, WHITE, Anchor, Place, paint

DPI, SCALE, COLOURS, TIP = 100, 1.5, 160, 10
DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (5, 4)), "dotted": (0, (1.5, 3))}
ALIGNED = {"start": "left", "middle": "center", "end": "right"}


def as_png(layout: Layout) -> bytes:
    pen = Canvas()
    paint(layout, pen)
    return pen.png()


class Canvas:
    """A pen on a matplotlib figure."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI * SCALE, facecolor=WHITE)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, WIDTH)
        self.axes.set_ylim(HEIGHT, 0)
        self.axes.axis("off")

    def group(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def zone(self, place: Place, colour: str) -> None:
        self._box(place, 10, facecolor=colour, alpha=0.035, linewidth=0)
        self._box(place, 10, facecolor="none", edgecolor=colour, alpha=0.55, linestyle=(0, (3, 3)), linewidth=0.8)

    def rectangle(self, place: Place, radius: int, fill: str, *, alpha: float = 1) -> None:
        self._box(place, radius, facecolor=fill, linewidth=0, alpha=alpha)

    def frame(self, place: Place, radius: int, edge: str, line: Line) -> None:
        self._box(place, radius, facecolor=WHITE, edgecolor=edge, linestyle=DASHES[line], linewidth=1.2)

    def badge(self, place: Place, fill: str, edge: str) -> None:
        self._box(place, 8, facecolor=fill, edgecolor=edge, linewidth=0.8)

    def circle(self, x: int, y: int, fill: str, edge: str) -> None:
        self.axes.add_patch(Circle((x, y), 5, facecolor=fill, edgecolor=edge, linewidth=0.8))

    def words(
        self, x: int, y: int, text: str, size: int, colour: str = INK, *, bold: bool = False, anchor: Anchor = "start"
    ) -> None:
        self.axes.text(
            x, y, text, fontsize=size * 72 / DPI, color=colour, va="baseline", ha=ALIGNED[anchor],
            fontweight="bold" if bold else "normal", parse_math=False,
        )  # fmt: skip

    def arrow(self, points: Sequence[tuple[int, int]], *, dashed: bool, faint: bool) -> None:
        look: dict[str, Any] = {"color": SOFT, "linewidth": 1.0, "alpha": 0.4 if faint else 1}
        xs, ys = zip(*points, strict=True)
        self.axes.add_line(Line2D(xs, ys, linestyle=(0, (4, 3)) if dashed else "-", **look))
        self.axes.add_patch(Polygon(tip(*points[-2:]), closed=True, **look))

    def png(self) -> bytes:
        agg: Any = FigureCanvasAgg(self.figure)
        agg.draw()
        drawn = Image.fromarray(np.asarray(agg.buffer_rgba())[:, :, :3])
        drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer := io.BytesIO(), "PNG")
        return buffer.getvalue()

    def _box(self, place: Place, radius: int, **look: Any) -> None:
        x, y, width, height = place
        shape = f"round,pad=0,rounding_size={radius}"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **look))


def tip(before: tuple[int, int], end: tuple[int, int]) -> list[tuple[float, float]]:
    """The triangle at the end of an arrow, whose last piece goes straight across or down."""
    across = (end[0] > before[0]) - (end[0] < before[0])
    down = (end[1] > before[1]) - (end[1] < before[1])
    back = end[0] - TIP * across, end[1] - TIP * down
    side = TIP / 2.4
    return [end, (back[0] + side * down, back[1] + side * across), (back[0] - side * down, back[1] - side * across)]
