"""The diagram as SVG."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

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

FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, SOFT = "#212529", "#495057"
DASHES = {"solid": "", "dashed": ' stroke-dasharray="7 5"', "dotted": ' stroke-dasharray="2 4"'}


def as_svg(layout: Layout) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' font-family="{FONT}">',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"'
        f' orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{SOFT}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        words(30, 42, layout.title, 22, bold=True),
        words(30, 64, layout.subtitle, 13, SOFT),
        *(piece for zone in layout.zones for piece in zone_parts(zone)),
        *(piece for arrow in layout.arrows for piece in arrow_parts(arrow)),
        *(piece for box in layout.boxes for piece in box_parts(box)),
        *legend_parts(),
        words(WIDTH - 20, 926, layout.footer, 12, SOFT, anchor="end"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def zone_parts(zone: Zone) -> Iterator[str]:
    yield (
        f'<rect x="{zone.x}" y="{zone.y}" width="{zone.width}" height="{zone.height}" rx="10" fill="{zone.colour}"'
        f' fill-opacity="0.035" stroke="{zone.colour}" stroke-opacity="0.55" stroke-dasharray="4 4"/>'
    )
    yield words(zone.x + 12, zone.y + 21, zone.title, 12, zone.colour, bold=True)


def box_parts(box: Box) -> Iterator[str]:
    yield f'<g id="{box.id}">'
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="{5 if box.small else 8}"'
        f' fill="#ffffff" stroke="{EDGES[box.standing]}" stroke-width="1.6"{DASHES[box.line]}/>'
    )
    ink = SOFT if box.line != "solid" else INK
    if box.small:
        for index, line in enumerate(box.lines):
            yield words(box.x + PADDING, box.y + 18 + index * LINE, line, TEXT_SIZE, ink if index == 0 else SOFT)
    else:
        yield from icon_parts(box)
        yield words(box.x + PADDING * 2 + ICON, box.y + 26, box.title, TITLE_SIZE, ink, bold=True)
        for index, line in enumerate(box.lines):
            x = box.x + PADDING * (2 if index == 0 else 1) + (ICON if index == 0 else 0)
            yield words(x, box.y + FIRST + index * LINE + (4 if index else 0), line, TEXT_SIZE, SOFT)
    yield from badge_parts(box)
    yield "</g>"


def icon_parts(box: Box) -> Iterator[str]:
    x, y, pale = box.x + PADDING, box.y + PADDING, ' fill-opacity="0.45"' if box.line != "solid" else ""
    yield f'<rect x="{x}" y="{y}" width="{ICON}" height="{ICON}" rx="6" fill="{box.colour}"{pale}/>'
    size = {1: 20, 2: 13}.get(len(box.icon), 11)
    yield words(x + ICON // 2, y + ICON // 2 + size // 3 + 1, box.icon, size, "#ffffff", bold=True, anchor="middle")


def badge_parts(box: Box) -> Iterator[str]:
    """The state's dot, and left of it how many findings there are."""
    if box.id == "people":
        return
    x, y = box.x + box.width - 16, box.y + (14 if box.small else 18)
    yield f'<circle cx="{x}" cy="{y}" r="5" fill="{DOTS[box.standing]}" stroke="{EDGES[box.standing]}"/>'
    if box.badge:
        yield f'<rect x="{x - 30}" y="{y - 8}" width="19" height="16" rx="8" fill="#fff3bf" stroke="#f08c00"/>'
        yield words(x - 20, y + 4, box.badge, TEXT_SIZE, "#d9480f", bold=True, anchor="middle")


def arrow_parts(arrow: Arrow) -> Iterator[str]:
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    dash = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    pale = ' opacity="0.4"' if arrow.faint else ""
    line = f'fill="none" stroke="{SOFT}" stroke-width="1.4"{dash}{pale}'
    yield f'<polyline points="{points}" {line} marker-end="url(#tip)"/>'
    if arrow.label:
        yield words(*arrow.label_at, arrow.label, LABEL_SIZE, SOFT, anchor="middle")


def legend_parts() -> Iterator[str]:
    for index, standing in enumerate(LEGEND):
        x = 30 + index * 165
        yield f'<circle cx="{x + 5}" cy="922" r="5" fill="{DOTS[standing]}" stroke="{EDGES[standing]}"/>'
        yield words(x + 17, 926, SAID[standing], 12, SOFT)
    x = 30 + len(LEGEND) * 165
    yield f'<rect x="{x}" y="914" width="19" height="16" rx="8" fill="#fff3bf" stroke="#f08c00"/>'
    yield words(x + 10, 926, "n", TEXT_SIZE, "#d9480f", bold=True, anchor="middle")
    yield words(x + 26, 926, "security findings", 12, SOFT)


def words(x: int, y: int, text: str, size: int, colour: str = INK, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="600"' if bold else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{weight}{place}>{escape(text)}</text>'
