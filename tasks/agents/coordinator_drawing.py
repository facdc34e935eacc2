"""A coordinator's tasks drawn as a picture: a column for each level, an arrow to each task from those it waits for.

SVG inside the report's markdown, because of Prefect's two UIs only the newer one draws mermaid. It brings its own
background, so that it can be read on a light page and on a dark one.
"""

import base64
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from database.agent_models import CoordinatedTask

FILL: Mapping[str, str] = {
    "completed": "#d3f9d8", "failed": "#ffc9c9", "escalated": "#ffe8cc", "cancelled": "#e9ecef", "skipped": "#e9ecef",
}  # fmt: skip
PLANNED = "#ffffff"
WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 220, 52, 70, 18, 16
"""Of a box, between columns, between boxes, around all; in pixels."""
LETTERS = 32
"""So many of a title fit into a box."""
Place = tuple[int, int]


def image(tasks: Sequence[CoordinatedTask]) -> str:
    """The picture as markdown, complete in itself."""
    return f"![the tasks](data:image/svg+xml;base64,{base64.b64encode(drawing(tasks).encode()).decode()})"


def drawing(tasks: Sequence[CoordinatedTask]) -> str:
    """The picture as SVG."""
    places = placed(tasks)
    wide = max((x for x, _ in places.values()), default=0) + WIDTH + EDGE
    high = max((y for _, y in places.values()), default=0) + HEIGHT + EDGE
    arrows = [arrow(places[other], places[task.id]) for task in tasks for other in task.depends_on if other in places]
    boxes = [box(task, places[task.id]) for task in tasks]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
        ' font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#868e96"/></marker></defs>',
        '<rect width="100%" height="100%" rx="8" fill="#f8f9fa"/>',
        *arrows, *boxes, "</svg>",
    ])  # fmt: skip


def placed(tasks: Sequence[CoordinatedTask]) -> dict[str, Place]:
    """Where each box has its upper left corner."""
    places: dict[str, Place] = {}
    filled: dict[int, int] = {}
    for task in tasks:
        row = filled.get(task.level, 0)
        places[task.id] = (EDGE + task.level * (WIDTH + ACROSS), EDGE + row * (HEIGHT + DOWN))
        filled[task.level] = row + 1
    return places


def box(task: CoordinatedTask, place: Place) -> str:
    x, y = place
    whole = "".join(letter for letter in task.title if letter.isprintable())  # XML has no other control characters
    title = whole if len(whole) <= LETTERS else f"{whole[: LETTERS - 1]}…"
    below = f"{task.id} · {task.agent_type} · {task.status}"
    return (
        f'<g><title>{escape(whole)}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
        f' fill="{FILL.get(task.status, PLANNED)}" stroke="#adb5bd"/>'
        f'<text x="{x + 10}" y="{y + 21}" fill="#212529">{escape(title)}</text>'
        f'<text x="{x + 10}" y="{y + 40}" fill="#495057" font-size="11">{escape(below)}</text></g>'
    )


def arrow(start: Place, end: Place) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT // 2, end[0], end[1] + HEIGHT // 2
    bend = max(ACROSS, x2 - x1) // 2
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" stroke="#868e96"'
        ' stroke-width="1.5" marker-end="url(#tip)"/>'
    )
