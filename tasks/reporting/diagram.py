"""The diagram: what is drawn where. One layout, from the components; drawio.py writes it, painting.py draws it.

Tiers from left to right: people, the edge (CloudFront, API Gateway), the function in its VPC, the data; what watches is
below. What is missing is dashed, what could not be looked at dotted. Measures are pixels; boxes are on fixed places, so
two diagrams of one environment can be laid over each other, and text is cut to the width that its font may need.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tasks.reporting.model import Component, Standing

WIDTH, HEIGHT = 1640, 940
COLUMN, BOX = 270, 132
"""Width and height of a usual box."""
PADDING, ICON, LINE, FIRST, STATE = 12, 34, 17, 43, 48
"""`FIRST`: from the top of a box to the first line's foot. `STATE`: what dot and badge take on the right."""
TITLE_SIZE, TEXT_SIZE, LABEL_SIZE = 13, 11, 11
LETTER = 0.59
"""Width of a letter in ems, on average over names and words: DejaVu Sans, the widest font that may be used."""
Line = Literal["solid", "dashed", "dotted"]


@dataclass(frozen=True)
class Box:
    """A component, or people. `icon` are up to three letters on `colour`."""

    id: str
    x: int
    y: int
    width: int
    height: int
    title: str
    lines: Sequence[str]
    icon: str
    colour: str
    standing: Standing = "working"
    badge: str = ""
    """How many security findings."""

    @property
    def line(self) -> Line:
        return LINES[self.standing]

    @property
    def small(self) -> bool:
        """A group that hangs below what it guards: one line, without an icon."""
        return not self.icon


@dataclass(frozen=True)
class Zone:
    """A frame around boxes."""

    id: str
    x: int
    y: int
    width: int
    height: int
    title: str
    colour: str


@dataclass(frozen=True)
class Arrow:
    """From a box to another, along `points`, which begin and end on their edges."""

    id: str
    source: str
    target: str
    points: Sequence[tuple[int, int]]
    label: str = ""
    label_at: tuple[int, int] = (0, 0)
    """The middle of the label."""
    dashed: bool = False
    faint: bool = False
    """One of its ends is missing, or out of sight."""


@dataclass(frozen=True)
class Layout:
    title: str
    subtitle: str
    zones: Sequence[Zone]
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    footer: str = ""


LINES: Mapping[Standing, Line] = {
    "working": "solid", "attention": "solid", "absent": "dashed", "unknown": "dotted", "off": "dashed",
}  # fmt: skip
EDGES: Mapping[Standing, str] = {
    "working": "#adb5bd", "attention": "#e8590c", "absent": "#868e96", "unknown": "#868e96", "off": "#ced4da",
}  # fmt: skip
DOTS: Mapping[Standing, str] = {
    "working": "#2f9e44", "attention": "#e8590c", "absent": "#ffffff", "unknown": "#ced4da", "off": "#ffffff",
}  # fmt: skip
SAID: Mapping[Standing, str] = {
    "working": "as it should be", "attention": "not as it should be", "absent": "missing",
    "unknown": "not looked at", "off": "turned off",
}  # fmt: skip
OUT_OF_SIGHT = ("absent", "unknown")
WHOLES = {"security group": "network", "endpoint": "network", "secret": "secrets", "log group": "log groups"}
"""What stands for components that are looked at together, where they are missing or could not be looked at."""
LEGEND: tuple[Standing, ...] = ("working", "attention", "absent", "unknown")


@dataclass(frozen=True)
class Spot:
    """Where a component is drawn, how, and which of its settings are told."""

    kind: str
    x: int
    y: int
    title: str
    icon: str
    colour: str
    told: Sequence[str] = ()
    height: int = BOX
    width: int = COLUMN
    nth: int = 0
    """Which of the components of this kind."""


SPOTS: Mapping[str, Spot] = {
    "distribution": Spot("distribution", 250, 122, "CloudFront", "CF", "#8c4fff", ("TLS from", "viewers")),
    "bucket": Spot("bucket", 610, 122, "S3 bucket", "S3", "#7aa116", ("versioning", "earlier contents")),
    "releases": Spot("releases", 960, 122, "Releases", "REL", "#495057", ("version", "git", "schema")),
    "api": Spot("API", 250, 345, "API Gateway", "API", "#e7157b", ("requests a second", "routes", "CORS origins"), 132),
    "role": Spot("role", 250, 536, "IAM role", "IAM", "#dd344c", (), 100),
    "function": Spot("function", 610, 345, "Lambda", "λ", "#ed7100", ("runtime", "memory", "package"), 132),
    "function-group": Spot("security group", 610, 481, "function", "", "#dd344c", height=44, nth=1),
    "endpoint": Spot("endpoint", 610, 556, "Endpoint", "EP", "#8c4fff", (), 84),
    "endpoint-group": Spot("security group", 610, 644, "endpoint", "", "#dd344c", height=44, nth=2),
    "database": Spot("database", 960, 345, "RDS", "RDS", "#3b5bdb", ("engine", "class", "storage"), 132),
    "database-group": Spot("security group", 960, 481, "database", "", "#dd344c", height=44),
    "snapshots": Spot("snapshots", 1320, 345, "Snapshots", "SNP", "#3b5bdb", ("kept",), 106),
    "secrets": Spot("secret", 1320, 548, "Secrets Manager", "SM", "#dd344c", (), 100),
    "api-logs": Spot("log group", 265, 765, "Access log", "LOG", "#e7157b", (), 92, 248, 1),
    "function-logs": Spot("log group", 531, 765, "Function log", "LOG", "#e7157b", (), 92, 248),
    "alarms": Spot("alarms", 797, 765, "Alarms", "ALM", "#e7157b", (), 92, 248),
    "topic": Spot("topic", 1063, 765, "SNS topic", "SNS", "#e7157b", (), 92, 248),
    "dashboard": Spot("dashboard", 1329, 765, "Dashboard", "CW", "#e7157b", (), 92, 248),
}
PEOPLE = Box("people", 20, 356, 150, 84, "People", ("of the site, and", "callers of the API"), "☺", "#1c7ed6")


def lay_out(
    title: str,
    subtitle: str,
    components: Sequence[Component],
    flaws: Callable[[Component], int],
    *,
    where: str = "",
    footer: str = "",
) -> Layout:
    """What is drawn where. `flaws` says how many findings are on a component, `where` which account and region."""
    placed = {name: boxed(name, spot, components, flaws) for name, spot in SPOTS.items()}
    boxes = {"people": PEOPLE, **{name: box for name, box in placed.items() if box is not None}}
    arrows = [faded(arrow, boxes) for arrow in arrows_between(components) if {arrow.source, arrow.target} <= set(boxes)]
    return Layout(title, subtitle, list(zones(where, components, boxes)), list(boxes.values()), arrows, footer)


def faded(arrow: Arrow, boxes: Mapping[str, Box]) -> Arrow:
    return replace(arrow, faint=any(boxes[end].line != "solid" for end in (arrow.source, arrow.target)))


def boxed(name: str, spot: Spot, components: Sequence[Component], flaws: Callable[[Component], int]) -> Box | None:
    """The box of a spot; None where the environment does not have such a thing at all."""
    found = [one for one in components if one.kind == spot.kind]
    whole = found if name == "secrets" else found[spot.nth : spot.nth + 1]
    whole = whole or [one for one in components if one.kind == WHOLES.get(spot.kind) and one.standing in OUT_OF_SIGHT]
    if not whole or whole[0].standing == "off":
        return None
    worst = max(whole, key=lambda one: tuple(LINES).index(one.standing))
    count = sum(map(flaws, whole))
    width = spot.width - 2 * PADDING
    aside = ICON + PADDING if spot.icon else STATE
    lines = [cut(text, width - (0 if index else aside)) for index, text in enumerate(told(spot, whole)[: room(spot)])]
    return Box(
        name, spot.x, spot.y, spot.width, spot.height, spot.title, lines, spot.icon, spot.colour, worst.standing,
        str(count) if count else "",
    )  # fmt: skip


def room(spot: Spot) -> int:
    """How many lines fit."""
    return 1 + (spot.height - FIRST - PADDING) // LINE if spot.icon else 2


def told(spot: Spot, components: Sequence[Component]) -> list[str]:
    """The name, the state, and the settings that a person looks for first."""
    one = components[0]
    if one.standing in OUT_OF_SIGHT:
        return [one.name if spot.icon else f"group of the {spot.title}", SAID[one.standing]]
    if spot.kind == "security group":
        return [one.id, ended(f"lets in {without_names(one.settings.get('lets in', ''))}", spot.width - 2 * PADDING)]
    if spot.kind == "secret":
        kept = sum(part.standing == "working" for part in components)
        return [*(part.name for part in components), f"{kept} of {len(components)} kept"]
    return [one.name, one.says, *(f"{name} {one.settings[name]}" for name in spot.told if one.settings.get(name))]


def zones(where: str, components: Sequence[Component], boxes: Mapping[str, Box]) -> Iterator[Zone]:
    network = next((one for one in components if one.kind == "network"), None)
    yield Zone("aws", 220, 80, 1400, 820, f"AWS {where}", "#495057")
    inside = "endpoint" in boxes or "function-group" in boxes
    x = 580 if inside else 930
    shown = f"VPC {network.id} {network.settings.get('range', '')}" if network and network.id else "VPC"
    yield Zone("vpc", x, 300, 1260 - x, 400, shown.strip(), "#8c4fff")
    yield Zone("watching", 245, 722, 1350, 152, "CloudWatch and SNS", "#e7157b")


def arrows_between(components: Sequence[Component]) -> Iterator[Arrow]:
    alias = next((one for one in components if one.kind == "alias"), None)
    version = f"v{alias.settings['version']}" if alias and "version" in alias.settings else ""
    yield Arrow("visit", "people", "distribution", ((95, 356), (95, 188), (250, 188)), "HTTPS", (160, 177))
    yield Arrow("call", "people", "api", ((170, 398), (250, 398)), "HTTPS", (195, 387))
    yield Arrow("read", "distribution", "bucket", ((520, 188), (610, 188)), "signed", (565, 177))
    yield Arrow("invoke", "api", "function", ((520, 398), (610, 398)), version, (548, 387))
    yield Arrow("runs-as", "function", "role", ((610, 455), (560, 455), (560, 585), (520, 585)), "", dashed=True)
    yield Arrow("query", "function", "database", ((880, 398), (960, 398)), "5432", (920, 387))
    yield Arrow("fetch", "function-group", "endpoint", ((745, 525), (745, 556)), "443", (764, 544))
    yield Arrow("secrets", "endpoint", "secrets", ((880, 598), (1320, 598)), "read by ARN", (1100, 586))
    yield Arrow("snapshot", "database", "snapshots", ((1230, 398), (1320, 398)), "", dashed=True)
    yield Arrow("record", "database", "releases", ((1095, 345), (1095, 254)), "", dashed=True)
    yield Arrow("access-log", "api", "api-logs", ((250, 460), (233, 460), (233, 811), (265, 811)), "")
    yield Arrow("function-log", "function", "function-logs", ((610, 470), (594, 470), (594, 765)), "")
    yield Arrow("ring", "alarms", "topic", ((1045, 811), (1063, 811)), "")


def without_names(text: str) -> str:
    """`tcp 5432 from miyabi-function-local` as `5432 from function`: the rest is the same in all of them."""
    return re.sub(r"\bmiyabi-(function|database|endpoint)-[a-z0-9-]+", r"\1", text.replace("tcp ", ""))


def ended(text: str, width: int) -> str:
    """The text, with its end left out if it may be wider."""
    most = int(width / (TEXT_SIZE * LETTER))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cut(text: str, width: int, size: int = TEXT_SIZE) -> str:
    """The text, with its middle left out if it may be wider: the ends of ids and names are what differs."""
    most = int(width / (size * LETTER))
    if len(text) <= most:
        return text
    front = (most - 1) * 2 // 3
    return f"{text[:front]}…{text[len(text) - (most - 1 - front) :]}"
