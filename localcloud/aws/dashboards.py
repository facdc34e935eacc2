"""What CloudWatch refuses in a dashboard's body: its grid, and what each kind of widget must say.

From "Dashboard body structure and syntax" in CloudWatch's API reference. Metrics and logs that do not exist are no
error there, and neither here.
"""

import json
from collections.abc import Iterator
from typing import Any

COLUMNS = 24
TALLEST = 1000
MOST_WIDGETS = 500
REQUIRED = {
    "metric": ("region",),
    "text": ("markdown",),
    "log": ("region", "query"),
    "alarm": ("alarms",),
    "explorer": (),
}
SIZE = {"width": COLUMNS, "height": TALLEST}

Problem = tuple[str, str]
"""Where, and what."""


def problems(body: str) -> list[Problem]:
    """All that is wrong with a dashboard's body; empty if it is right."""
    try:
        dashboard = json.loads(body)
    except (TypeError, ValueError):
        return [("/", "Invalid JSON")]
    if not isinstance(dashboard, dict) or not isinstance(dashboard.get("widgets"), list):
        return [("/", "Should have required property 'widgets', a list")]
    if len(dashboard["widgets"]) > MOST_WIDGETS:
        return [("/widgets", f"Should NOT have more than {MOST_WIDGETS} items")]
    return [found for number, widget in enumerate(dashboard["widgets"]) for found in _of(f"/widgets/{number}", widget)]


def _of(where: str, widget: Any) -> Iterator[Problem]:
    if not isinstance(widget, dict) or widget.get("type") not in REQUIRED:
        yield where, f"Should have a type of {', '.join(sorted(REQUIRED))}"
        return
    yield from _of_place(where, widget)
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield where, "Should have required property 'properties'"
        return
    for name in REQUIRED[widget["type"]]:
        if name not in properties:
            yield f"{where}/properties", f"Should have required property '{name}'"
    if widget["type"] == "metric":
        yield from _of_metrics(f"{where}/properties", properties)


def _of_place(where: str, widget: dict[str, Any]) -> Iterator[Problem]:
    for name in ("x", "y", "width", "height"):
        value = widget.get(name, 1)
        if not isinstance(value, int) or value < (1 if name in SIZE else 0) or value > SIZE.get(name, TALLEST):
            yield f"{where}/{name}", "Should be a whole number on the grid"
    x, width = widget.get("x"), widget.get("width")
    if isinstance(x, int) and isinstance(width, int) and x + width > COLUMNS:
        yield where, f"Should end within {COLUMNS} columns"


def _of_metrics(where: str, properties: dict[str, Any]) -> Iterator[Problem]:
    metrics, annotations = properties.get("metrics"), properties.get("annotations")
    alarms = annotations.get("alarms") if isinstance(annotations, dict) else None
    if not metrics and not alarms:
        yield where, "Should have metrics, or an alarm in its annotations"
    if properties.get("view", "timeSeries") not in ("timeSeries", "singleValue", "gauge", "bar", "pie", "table"):
        yield f"{where}/view", "Should be timeSeries, singleValue, gauge, bar, pie or table"
    for number, row in enumerate(metrics or ()):
        if not _is_row(row):
            yield f"{where}/metrics/{number}", "Invalid metric field"


def _is_row(row: Any) -> bool:
    """`[namespace, metric, dimension, value, …, {options}]`, or `[{"expression": …}]`."""
    if not isinstance(row, list) or not row:
        return False
    options, names = (row[-1], row[:-1]) if isinstance(row[-1], dict) else ({}, row)
    if not all(isinstance(name, str) and name for name in names):
        return False
    return "expression" in options if not names else len(names) >= 2 and len(names) % 2 == 0
