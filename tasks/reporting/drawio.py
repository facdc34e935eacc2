"""The diagram as a draw.io file: plain mxGraph XML, with boxes and arrows that stay connected when they are moved."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tasks.reporting.diagram import DOTS, EDGES, HEIGHT, LABEL_SIZE, SAID, TEXT_SIZE, WIDTH, Arrow, Box, Layout, Zone
from tasks.reporting.wording import plural

DASHES = {"solid": "", "dashed": "dashed=1;dashPattern=7 5;", "dotted": "dashed=1;dashPattern=2 4;"}


def as_drawio(layout: Layout) -> str:
    file = Element("mxfile", host="app.diagrams.net", type="device")
    diagram = SubElement(file, "diagram", id="miyabi", name=layout.title)
    model = SubElement(
        diagram, "mxGraphModel", dx=str(WIDTH), dy=str(HEIGHT), grid="1", gridSize="10", guides="1", tooltips="1",
        connect="1", arrows="1", fold="1", page="1", pageScale="1", pageWidth=str(WIDTH), pageHeight=str(HEIGHT),
        math="0", shadow="0",
    )  # fmt: skip
    root = SubElement(model, "root")
    SubElement(root, "mxCell", id="0")
    SubElement(root, "mxCell", {"id": "1", "parent": "0"})
    cell(root, "title", f"<b>{escape(layout.title)}</b>", TEXT + "fontSize=22;fontColor=#212529;", (30, 16, 1200, 34))
    cell(root, "subtitle", escape(layout.subtitle), TEXT + "fontSize=13;fontColor=#495057;", (30, 50, 1400, 22))
    for zone in layout.zones:
        add_zone(root, zone)
    for box in layout.boxes:
        add_box(root, box)
    boxes = {box.id: box for box in layout.boxes}
    for arrow in layout.arrows:
        add_arrow(root, arrow, boxes)
    cell(root, "footer", escape(layout.footer), TEXT + "align=right;fontSize=12;fontColor=#495057;",
         (WIDTH - 920, 908, 900, 22))  # fmt: skip
    cell(root, "legend", LEGEND, TEXT + "fontSize=12;fontColor=#495057;", (30, 908, 660, 22))
    indent(file)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(file, encoding="unicode") + "\n"


TEXT = "text;html=1;strokeColor=none;fillColor=none;align=left;verticalAlign=middle;whiteSpace=wrap;"
LEGEND = "green: as it should be · orange: not as it should be · dashed: missing · dotted: not looked at"


def cell(root: Element, name: str, value: str, style: str, place: tuple[int, int, int, int]) -> None:
    x, y, width, height = map(str, place)
    drawn = {"id": name, "value": value, "style": style, "vertex": "1", "parent": "1"}
    made = SubElement(root, "mxCell", drawn)
    SubElement(made, "mxGeometry", {"x": x, "y": y, "width": width, "height": height, "as": "geometry"})


def add_zone(root: Element, zone: Zone) -> None:
    style = (
        f"rounded=1;arcSize=2;html=1;whiteSpace=wrap;dashed=1;strokeColor={zone.colour};fillColor={zone.colour};"
        f"fillOpacity=4;strokeOpacity=55;verticalAlign=top;align=left;spacingLeft=8;fontStyle=1;fontSize=12;"
        f"fontColor={zone.colour};"
    )
    cell(root, f"zone-{zone.id}", escape(zone.title), style, (zone.x, zone.y, zone.width, zone.height))


def add_box(root: Element, box: Box) -> None:
    style = (
        f"rounded=1;arcSize=7;html=1;whiteSpace=wrap;fillColor=#ffffff;strokeColor={EDGES[box.standing]};"
        f"strokeWidth=1.6;{DASHES[box.line]}align=left;verticalAlign={'middle' if box.small else 'top'};"
        f"spacingLeft=8;spacingTop={0 if box.small else 4};fontSize={TEXT_SIZE};fontColor=#212529;"
    )
    cell(root, box.id, "<br>".join(label(box)), style, (box.x, box.y, box.width, box.height))
    if box.id != "people":
        y = box.y + (14 if box.small else 18) - 5
        dot = f"shape=ellipse;html=1;fillColor={DOTS[box.standing]};strokeColor={EDGES[box.standing]};"
        cell(root, f"{box.id}-state", "", dot, (box.x + box.width - 21, y, 10, 10))


def label(box: Box) -> Iterator[str]:
    count = plural(int(box.badge), "finding") if box.badge else ""
    badge = f' <font color="#d9480f"><b>{count}</b></font>' if count else ""
    if box.small:
        yield escape(box.lines[0]) + badge
        yield from map(escape, box.lines[1:])
        return
    mark = f'<span style="background-color:{box.colour};color:#ffffff"><b>&nbsp;{escape(box.icon)}&nbsp;</b></span>'
    yield f'{mark}&nbsp; <b style="font-size:13px">{escape(box.title)}</b>{badge}'
    if box.standing != "working" and SAID[box.standing] not in " ".join(box.lines):
        yield f"<i>{SAID[box.standing]}</i>"
    yield from map(escape, box.lines)


def add_arrow(root: Element, arrow: Arrow, boxes: Mapping[str, Box]) -> None:
    """Its ends are on the boxes' edges where the layout says, also when a box is moved."""
    style = (
        "edgeStyle=orthogonalEdgeStyle;rounded=1;html=1;endArrow=block;endFill=1;strokeColor=#495057;"
        f"{'opacity=40;' if arrow.faint else ''}{beside(arrow)}"
        f"fontSize={LABEL_SIZE};fontColor=#495057;{'dashed=1;' if arrow.dashed else ''}verticalAlign=bottom;"
        f"{end('exit', boxes[arrow.source], arrow.points[0])}{end('entry', boxes[arrow.target], arrow.points[-1])}"
    )
    ends = {"source": arrow.source, "target": arrow.target}
    drawn = {"id": f"arrow-{arrow.id}", "value": escape(arrow.label), "style": style, "edge": "1", "parent": "1"}
    made = SubElement(root, "mxCell", {**drawn, **ends})
    place = {"x": f"{2 * share_at(arrow.points, arrow.label_at) - 1:.3f}"} if arrow.label else {}
    geometry = SubElement(made, "mxGeometry", {**place, "relative": "1", "as": "geometry"})
    for name, (x, y) in (("sourcePoint", arrow.points[0]), ("targetPoint", arrow.points[-1])):
        SubElement(geometry, "mxPoint", {"x": str(x), "y": str(y), "as": name})
    if len(arrow.points) > 2:
        corners = SubElement(geometry, "Array", {"as": "points"})
        for x, y in arrow.points[1:-1]:
            SubElement(corners, "mxPoint", {"x": str(x), "y": str(y)})


def beside(arrow: Arrow) -> str:
    """The label of an arrow that goes down is on its right."""
    down = len(arrow.points) == 2 and arrow.points[0][0] == arrow.points[1][0]
    return "align=left;spacingLeft=8;" if down else ""


def share_at(points: Sequence[tuple[int, int]], place: tuple[int, int]) -> float:
    """How much of the way along an arrow, whose pieces go straight across or down, is nearest to a place."""
    nearest, total = (float("inf"), 0.0), 0.0
    for (x, y), (next_x, next_y) in pairwise(points):
        near_x = min(max(place[0], min(x, next_x)), max(x, next_x))
        near_y = min(max(place[1], min(y, next_y)), max(y, next_y))
        away = abs(place[0] - near_x) + abs(place[1] - near_y)
        nearest = min(nearest, (away, total + abs(near_x - x) + abs(near_y - y)))
        total += abs(next_x - x) + abs(next_y - y)
    return nearest[1] / total


def end(name: str, box: Box, point: tuple[int, int]) -> str:
    """Where on the box an arrow begins or ends, as shares of its width and height."""
    across, down = (point[0] - box.x) / box.width, (point[1] - box.y) / box.height
    return f"{name}X={across:.3f};{name}Y={down:.3f};{name}Dx=0;{name}Dy=0;"
