"""The diagram's strokes, one after the other. svg.py and png.py bring a pen each, so the two never differ."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from tasks.reporting.diagram import (
    DOTS,
    EDGES,
    FIRST,
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
    Line,
    Zone,
)

INK, SOFT, WHITE = "#212529", "#495057", "#ffffff"
BADGE, BADGE_EDGE, BADGE_INK = "#fff3bf", "#f08c00", "#d9480f"
Place = tuple[int, int, int, int]
"""Left, top, width, height."""
Anchor = Literal["start", "middle", "end"]


class Pen(Protocol):
    """What draws: pixels of the layout, counted from the upper left corner."""

    def group(self, name: str) -> AbstractContextManager[None]:
        """What is drawn meanwhile belongs together."""

    def zone(self, place: Place, colour: str) -> None: ...

    def rectangle(self, place: Place, radius: int, fill: str, *, alpha: float = 1) -> None: ...

    def frame(self, place: Place, radius: int, edge: str, line: Line) -> None:
        """A white box with an edge."""

    def circle(self, x: int, y: int, fill: str, edge: str) -> None: ...

    def badge(self, place: Place, fill: str, edge: str) -> None: ...

    def words(
        self, x: int, y: int, text: str, size: int, colour: str = INK, *, bold: bool = False, anchor: Anchor = "start"
    ) -> None:
        """`y` is the baseline."""

    def arrow(self, points: Sequence[tuple[int, int]], *, dashed: bool, faint: bool) -> None: ...


def paint(layout: Layout, pen: Pen) -> None:
    """All of it, from the back to the front."""
    pen.words(30, 42, layout.title, 22, bold=True)
    pen.words(30, 64, layout.subtitle, 13, SOFT)
    for zone in layout.zones:
        paint_zone(zone, pen)
    for arrow in layout.arrows:
        paint_arrow(arrow, pen)
    for box in layout.boxes:
        with pen.group(box.id):
            paint_box(box, pen)
    paint_legend(pen)
    pen.words(WIDTH - 20, 926, layout.footer, 12, SOFT, anchor="end")


def paint_zone(zone: Zone, pen: Pen) -> None:
    pen.zone((zone.x, zone.y, zone.width, zone.height), zone.colour)
    pen.words(zone.x + 12, zone.y + 21, zone.title, 12, zone.colour, bold=True)


def paint_arrow(arrow: Arrow, pen: Pen) -> None:
    pen.arrow(arrow.points, dashed=arrow.dashed, faint=arrow.faint)
    if arrow.label:
        pen.words(*arrow.label_at, arrow.label, LABEL_SIZE, SOFT, anchor="middle")


def paint_box(box: Box, pen: Pen) -> None:
    pen.frame((box.x, box.y, box.width, box.height), 5 if box.small else 8, EDGES[box.standing], box.line)
    ink = SOFT if box.line != "solid" else INK
    if box.small:
        for index, line in enumerate(box.lines):
            pen.words(box.x + PADDING, box.y + 18 + index * LINE, line, TEXT_SIZE, SOFT if index else ink)
    else:
        paint_icon(box, pen)
        pen.words(box.x + PADDING * 2 + ICON, box.y + 26, box.title, TITLE_SIZE, ink, bold=True)
        for index, line in enumerate(box.lines):
            x = box.x + (PADDING if index else PADDING * 2 + ICON)
            pen.words(x, box.y + FIRST + index * LINE + (4 if index else 0), line, TEXT_SIZE, SOFT)
    if box.id != "people":
        paint_state(box, pen)


def paint_icon(box: Box, pen: Pen) -> None:
    x, y = box.x + PADDING, box.y + PADDING
    pen.rectangle((x, y, ICON, ICON), 6, box.colour, alpha=1 if box.line == "solid" else 0.45)
    size = {1: 20, 2: 13}.get(len(box.icon), 11)
    pen.words(x + ICON // 2, y + ICON // 2 + size // 3 + 1, box.icon, size, WHITE, bold=True, anchor="middle")


def paint_state(box: Box, pen: Pen) -> None:
    """The state's dot, and left of it how many findings there are."""
    x, y = box.x + box.width - 16, box.y + (14 if box.small else 18)
    pen.circle(x, y, DOTS[box.standing], EDGES[box.standing])
    if box.badge:
        paint_badge(x - 30, y - 8, box.badge, pen)


def paint_badge(x: int, y: int, text: str, pen: Pen) -> None:
    pen.badge((x, y, 19, 16), BADGE, BADGE_EDGE)
    pen.words(x + 10, y + 12, text, TEXT_SIZE, BADGE_INK, bold=True, anchor="middle")


def paint_legend(pen: Pen) -> None:
    for index, standing in enumerate(LEGEND):
        x = 30 + index * 165
        pen.circle(x + 5, 922, DOTS[standing], EDGES[standing])
        pen.words(x + 17, 926, SAID[standing], 12, SOFT)
    x = 30 + len(LEGEND) * 165
    paint_badge(x, 914, "n", pen)
    pen.words(x + 26, 926, "security findings", 12, SOFT)
