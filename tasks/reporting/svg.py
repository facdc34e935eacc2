"""The diagram as SVG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from xml.sax.saxutils import escape

from tasks.reporting.diagram import HEIGHT, WIDTH, Layout, Line
from tasks.reporting.painting import INK, SOFT, WHITE, Anchor, Place, paint

FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
DASHES = {"solid": "", "dashed": ' stroke-dasharray="7 5"', "dotted": ' stroke-dasharray="2 4"'}
HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    f' font-family="{FONT}">',
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"'
    f' orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{SOFT}"/></marker></defs>',
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{WHITE}"/>',
)


def as_svg(layout: Layout) -> str:
    pen = Elements()
    paint(layout, pen)
    return "\n".join((*HEAD, *pen.made, "</svg>")) + "\n"


class Elements:
    """A pen that writes an element a stroke."""

    def __init__(self) -> None:
        self.made: list[str] = []

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        self.made.append(f'<g id="{name}">')
        yield
        self.made.append("</g>")

    def zone(self, place: Place, colour: str) -> None:
        look = f'fill="{colour}" fill-opacity="0.035" stroke="{colour}" stroke-opacity="0.55" stroke-dasharray="4 4"'
        self._rect(place, 10, look)

    def rectangle(self, place: Place, radius: int, fill: str, *, alpha: float = 1) -> None:
        self._rect(place, radius, f'fill="{fill}"' + (f' fill-opacity="{alpha}"' if alpha < 1 else ""))

    def frame(self, place: Place, radius: int, edge: str, line: Line) -> None:
        self._rect(place, radius, f'fill="{WHITE}" stroke="{edge}" stroke-width="1.6"{DASHES[line]}')

    def badge(self, place: Place, fill: str, edge: str) -> None:
        self._rect(place, 8, f'fill="{fill}" stroke="{edge}"')

    def circle(self, x: int, y: int, fill: str, edge: str) -> None:
        self.made.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{fill}" stroke="{edge}"/>')

    def words(
        self, x: int, y: int, text: str, size: int, colour: str = INK, *, bold: bool = False, anchor: Anchor = "start"
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.made.append(
            f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{weight}{place}>{escape(text)}</text>'
        )

    def arrow(self, points: Sequence[tuple[int, int]], *, dashed: bool, faint: bool) -> None:
        way = " ".join(f"{x},{y}" for x, y in points)
        look = (' stroke-dasharray="5 4"' if dashed else "") + (' opacity="0.4"' if faint else "")
        self.made.append(
            f'<polyline points="{way}" fill="none" stroke="{SOFT}" stroke-width="1.4"{look} marker-end="url(#tip)"/>'
        )

    def _rect(self, place: Place, radius: int, look: str) -> None:
        x, y, width, height = place
        self.made.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" {look}/>')
