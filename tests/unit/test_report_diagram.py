"""The diagram: nothing overlaps, all text fits, what is missing is dashed; and three files of one layout."""

import io
import itertools
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image, ImageFont

from blocks.environment import FunctionSettings
from tasks.reporting.components import components_of
from tasks.reporting.diagram import HEIGHT, PADDING, TEXT_SIZE, WIDTH, Box, Layout, Zone, lay_out
from tasks.reporting.drawio import as_drawio
from tasks.reporting.model import Scene, Unseen
from tasks.reporting.png import as_png
from tasks.reporting.svg import as_svg
from tests.support import make_environment
from tests.unit.reporting import network, scene

OUTSIDE = make_environment(function=FunctionSettings(in_vpc=False))
LONG = make_environment(name="a-long-environments")
BLIND = scene()
BLIND = Scene(BLIND.environment, dict.fromkeys(BLIND.seen, Unseen("no access")))
SCENES = {
    "whole": scene(),
    "nothing": Scene(BLIND.environment, dict.fromkeys(BLIND.seen)),
    "blind": BLIND,
    "outside": scene(OUTSIDE, network=network(OUTSIDE, endpoint=False)),
    "long names": scene(LONG),
    "no site": scene(bucket=None, distribution=None),
}
ZONES = {"watching": ("api-logs", "function-logs", "alarms", "topic", "dashboard"), "vpc": ("database",)}


def drawn(seen: Scene) -> Layout:
    return lay_out("A title", "When", components_of(seen), lambda one: 2 if one.kind == "database" else 0, footer="$5")


def touch(one: Box | Zone, other: Box | Zone) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("name", SCENES)
def test_nothing_overlaps_and_all_is_on_the_page(name: str) -> None:
    layout = drawn(SCENES[name])
    for one, other in itertools.combinations(layout.boxes, 2):
        assert not touch(one, other), (one.id, other.id)
    for box in layout.boxes:
        assert 0 <= box.x <= box.x + box.width <= WIDTH
        assert 0 <= box.y <= box.y + box.height <= HEIGHT


@pytest.mark.parametrize("name", SCENES)
def test_a_box_is_in_its_zone_whole_or_outside(name: str) -> None:
    layout = drawn(SCENES[name])
    boxes = {box.id: box for box in layout.boxes}
    for zone in layout.zones:
        for box in boxes.values():
            inside = (
                zone.x <= box.x
                and box.x + box.width <= zone.x + zone.width
                and zone.y <= box.y
                and box.y + box.height <= zone.y + zone.height
            )
            assert inside or not touch(zone, box), (zone.id, box.id)
            assert inside or box.id not in ZONES.get(zone.id, ()), (zone.id, box.id)


@pytest.mark.parametrize("name", SCENES)
def test_text_fits_in_the_widest_font(name: str) -> None:
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", TEXT_SIZE)
    for box in drawn(SCENES[name]).boxes:
        for index, line in enumerate(box.lines):
            assert font.getlength(line) <= box.width - PADDING - (46 if index == 0 and not box.small else 0), line
        assert box.y + (18 if box.small else 47) + 17 * (len(box.lines) - 1) < box.y + box.height


@pytest.mark.parametrize("name", SCENES)
def test_arrows_run_straight_from_edge_to_edge(name: str) -> None:
    layout = drawn(SCENES[name])
    boxes = {box.id: box for box in layout.boxes}
    for arrow in layout.arrows:
        for (x, y), (next_x, next_y) in itertools.pairwise(arrow.points):
            assert x == next_x or y == next_y, arrow.id
        assert on_edge(boxes[arrow.target], arrow.points[-1]), arrow.id
        assert on_edge(boxes[arrow.source], arrow.points[0]), arrow.id


def on_edge(box: Box, point: tuple[int, int]) -> bool:
    x, y = point
    across, down = x in (box.x, box.x + box.width), y in (box.y, box.y + box.height)
    return (across and box.y <= y <= box.y + box.height) or (down and box.x <= x <= box.x + box.width)


def test_what_is_missing_is_dashed_and_what_nobody_saw_dotted() -> None:
    lines = {box.id: box.line for box in drawn(scene(bucket=None, database=Unseen("no"))).boxes}
    assert (lines["bucket"], lines["database"], lines["function"]) == ("dashed", "dotted", "solid")
    assert {box.line for box in drawn(BLIND).boxes if box.id != "people"} == {"dotted"}


def test_a_function_outside_the_network_has_no_endpoint_and_the_frame_is_around_the_database() -> None:
    layout = drawn(SCENES["outside"])
    assert not {"endpoint", "function-group"} & {box.id for box in layout.boxes}
    assert {arrow.id for arrow in layout.arrows} >= {"query", "invoke"}
    (frame,) = [zone for zone in layout.zones if zone.id == "vpc"]
    assert frame.x > 880


def test_the_drawio_file_is_what_drawio_reads() -> None:
    layout = drawn(scene())
    root = ElementTree.fromstring(as_drawio(layout))
    assert [root.tag, root[0].tag, root[0][0].tag, root[0][0][0].tag] == ["mxfile", "diagram", "mxGraphModel", "root"]
    cells = {cell.get("id"): cell for cell in root.iter("mxCell")}
    assert len(cells) == len(list(root.iter("mxCell")))
    for cell in list(cells.values())[2:]:
        assert cell.get("parent") == "1"
        assert cell.find("mxGeometry") is not None
    edges = [cell for cell in cells.values() if cell.get("edge")]
    assert len(edges) == len(layout.arrows)
    for edge in edges:
        assert {edge.get("source"), edge.get("target")} <= set(cells)
    assert "Lambda" in str(cells["function"].get("value"))


def test_the_svg_is_xml_with_every_box_and_the_png_a_picture() -> None:
    layout = drawn(scene())
    root = ElementTree.fromstring(as_svg(layout))
    groups = {group.get("id") for group in root.iter("{http://www.w3.org/2000/svg}g")}
    assert groups == {box.id for box in layout.boxes}
    picture = Image.open(io.BytesIO(as_png(layout)))
    assert picture.size == (WIDTH * 3 // 2, HEIGHT * 3 // 2)
