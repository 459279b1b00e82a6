"""What is wrong with the body of a dashboard.

Source: Amazon CloudWatch API Reference, "Dashboard Body Structure and Syntax". Widgets of metrics, texts and
alarms are looked at whole; of the others only the place and the members that they need.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from local.aws.cloudwatch import statistics
from local.aws.cloudwatch.queries import SHORT

COLUMNS = 24  # of the grid
HIGHEST = 1000  # rows of a widget
MOST_WIDGETS, MOST_METRICS, MOST_DIMENSIONS, MOST_ALARMS = 500, 500, 30, 100
NEEDED: Mapping[str, Sequence[str]] = {
    "metric": ("region",),
    "text": ("markdown",),
    "log": ("region", "query"),
    "alarm": ("alarms",),
    "explorer": ("metrics",),
}
VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
_RELATIVE = re.compile(r"-P(T\d+[MH]|\d+[DWM])")
_PATTERNS = {
    "color": (re.compile(r"#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?"), "Should be a colour such as #9467bd"),
    "id": (re.compile(r"[a-z][A-Za-z0-9_]*"), "Should begin with a lower-case letter"),
}
_KINDS = (
    (str, "string", ("title", "label", "markdown", "region", "query", "expression")),
    (bool, "boolean", ("stacked", "liveData", "sparkline", "visible")),
)
_ANY_OF: Mapping[str, Sequence[str]] = {
    "view": VIEWS,
    "yAxis": ("left", "right"),
    "position": ("right", "bottom", "hidden"),
    "fill": ("above", "below", "before", "after", "none"),
    "background": ("transparent", "solid"),
    "periodOverride": ("auto", "inherit"),
}


class Problem(NamedTuple):
    """What is wrong.

    Attributes:
        path: in the body, as ``/widgets/0/properties``.
        message: for a person.
    """

    path: str
    message: str


def problems(body: str) -> list[Problem]:
    """Everything that is wrong with a body; empty if CloudWatch can show it."""
    try:
        told = json.loads(body)
    except ValueError as error:
        return [Problem("/", f"The dashboard body is no JSON: {error}")]
    return list(_body(told))


def _body(told: Any) -> Iterator[Problem]:
    if not isinstance(told, dict):
        yield Problem("/", "Should be object")
        return
    yield from _needed(told, "/", ("widgets",))
    yield from _values(told, "")
    start, end = told.get("start"), told.get("end")
    if end is not None and start is None:
        yield Problem("/", "should have property start when property end is present")
    if end is None and start is not None and not _RELATIVE.fullmatch(str(start)):
        yield Problem("/start", "Should be a relative time such as -PT3H or -P7D, or come with end")
    if "widgets" in told:
        yield from _list(told["widgets"], "/widgets", MOST_WIDGETS)
        for number, widget in enumerate(told["widgets"] if isinstance(told["widgets"], list) else ()):
            yield from _widget(widget, f"/widgets/{number}")


def _widget(widget: Any, path: str) -> Iterator[Problem]:
    if not isinstance(widget, dict):
        yield Problem(path, "Should be object")
        return
    yield from _needed(widget, path, ("type", "properties"))
    yield from _place(widget, path)
    kind, properties = widget.get("type"), widget.get("properties")
    if kind is not None and str(kind) not in NEEDED:
        yield Problem(f"{path}/type", f"Should be equal to one of the allowed values: {', '.join(NEEDED)}")
    if not isinstance(properties, dict):
        if properties is not None:
            yield Problem(f"{path}/properties", "Should be object")
        return
    path += "/properties"
    yield from _needed(properties, path, NEEDED.get(str(kind), ()))
    yield from _values(properties, path)
    if kind == "metric":
        yield from _metric_widget(properties, path)
    if kind == "alarm" and "alarms" in properties:
        yield from _list(properties["alarms"], f"{path}/alarms", MOST_ALARMS, least=1)


def _place(widget: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if ("x" in widget) != ("y" in widget):
        yield Problem(path, "Should have both properties x and y, or none of them")
    bounds = {"x": (0, COLUMNS - 1), "y": (0, None), "width": (1, COLUMNS), "height": (1, HIGHEST)}
    for name, (least, most) in bounds.items():
        value = widget.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool):
            yield Problem(f"{path}/{name}", "Should be integer")
        elif value < least:
            yield Problem(f"{path}/{name}", f"Should be >= {least}")
        elif most is not None and value > most:
            yield Problem(f"{path}/{name}", f"Should be <= {most}")
    x, width = widget.get("x", 0), widget.get("width", 6)
    if isinstance(x, int) and isinstance(width, int) and x < COLUMNS and 1 <= width <= COLUMNS < x + width:
        yield Problem(path, f"Should end in the {COLUMNS} columns of the grid: x + width is {x + width}")


def _metric_widget(properties: Mapping[str, Any], path: str) -> Iterator[Problem]:
    metrics, annotations = properties.get("metrics"), properties.get("annotations", {})
    if not isinstance(annotations, dict):
        yield Problem(f"{path}/annotations", "Should be object")
        annotations = {}
    alarms = annotations.get("alarms")
    if metrics is None and not alarms:
        yield Problem(path, "Should have property metrics, or annotations with an alarm")
    if metrics is not None and alarms:
        yield Problem(path, "Should NOT have metrics beside an alarm")
    if alarms is not None:
        yield from _list(alarms, f"{path}/annotations/alarms", 1)
    for side in ("horizontal", "vertical"):
        yield from _lines(annotations.get(side, []), f"{path}/annotations/{side}")
    axis = properties.get("yAxis", {})
    left = axis.get("left") if isinstance(axis, dict) else None
    if properties.get("view") == "gauge" and not {"min", "max"} <= set(left or ()):
        yield Problem(f"{path}/yAxis/left", "Should have properties min and max for a gauge")
    if metrics is not None:
        yield from _metrics(metrics, f"{path}/metrics")


def _lines(lines: Any, path: str) -> Iterator[Problem]:
    if not isinstance(lines, list):
        yield Problem(path, "Should be array")
        return
    for number, line in enumerate(lines):
        band = line if isinstance(line, list) else [line]
        if isinstance(line, list) and len(line) != 2:
            yield Problem(f"{path}/{number}", "Should have 2 items")
        for each in band:
            if not isinstance(each, dict) or "value" not in each:
                yield Problem(f"{path}/{number}", "Should have required property 'value'")
            else:
                yield from _values(each, f"{path}/{number}")


def _metrics(metrics: Any, path: str) -> Iterator[Problem]:
    yield from _list(metrics, path, MOST_METRICS)
    before: list[str] = []
    for number, row in enumerate(metrics if isinstance(metrics, list) else ()):
        place = f"{path}/{number}"
        if not isinstance(row, list):
            yield Problem(place, "Should be array")
            continue
        rendering = row[-1] if row and isinstance(row[-1], dict) else {}
        names = row[:-1] if rendering or (row and row[-1] == {}) else row
        yield from _values(rendering, place)
        if "expression" in rendering and not names:
            continue
        wrong = [position for position, name in enumerate(names) if not isinstance(name, str)]
        for position in wrong:
            yield Problem(f"{place}/{position}", 'Invalid metric field type, only "String" type is allowed')
        if not wrong:
            full = _full(names, before)
            yield from _names(names, full, place)
            before = full


def _full(names: Sequence[str], before: Sequence[str]) -> list[str]:
    """A metric with what its dots stand for, which is in the metric before."""
    if names and names[0] == "...":  # all that does not follow
        return [*before[: max(len(before) - len(names) + 1, 0)], *names[1:]]
    return [
        before[position] if name == "." and position < len(before) else name
        for position, name in enumerate(names)
    ]


def _names(names: Sequence[str], full: Sequence[str], place: str) -> Iterator[Problem]:
    """Namespace, name, and pairs of dimension and value."""
    if "." in full:
        yield Problem(
            f"{place}/{names.index('.')}", "There is nothing before it that the dot could stand for"
        )
    if len(full) < 2:
        yield Problem(place, "Should NOT have fewer than 2 items")
    elif len(full) % 2:
        yield Problem(place, f"Should NOT have more than {len(full) - 1} items")
    elif len(full) > 2 + 2 * MOST_DIMENSIONS:
        yield Problem(place, f"Should NOT have more than {2 + 2 * MOST_DIMENSIONS} items")


def _values(told: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Members that have the same meaning everywhere."""
    for name, value in told.items():
        message = _of_value(name, value)
        if message:
            yield Problem(f"{path}/{name}", message)
        if name == "legend" and isinstance(value, dict):
            yield from _values(value, f"{path}/legend")


def _of_value(name: str, value: Any) -> str:
    """What is wrong with the value of a member; empty if nothing is."""
    if name in _ANY_OF and isinstance(value, str) and value not in _ANY_OF[name]:
        return f"Should be equal to one of the allowed values: {', '.join(_ANY_OF[name])}"
    for kind, what, names in _KINDS:
        if name in names and not isinstance(value, kind):
            return f"Should be {what}"
    pattern, what = _PATTERNS.get(name, (None, ""))
    if pattern is not None and not pattern.fullmatch(str(value)):
        return what
    if name == "period" and not _is_period(value):
        return f"Should be one of {', '.join(map(str, SHORT))} or a multiple of 60"
    if name == "stat" and not statistics.is_known(str(value)):
        return f"{value} is no statistic that the stand-in has"
    return ""


def _is_period(value: Any) -> bool:
    return isinstance(value, int) and value > 0 and (value in SHORT or value % 60 == 0)


def _needed(told: Mapping[str, Any], path: str, names: Sequence[str]) -> Iterator[Problem]:
    for name in names:
        if name not in told:
            yield Problem(path, f"Should have required property '{name}'")


def _list(told: Any, path: str, most: int, least: int = 0) -> Iterator[Problem]:
    if not isinstance(told, list):
        yield Problem(path, "Should be array")
    elif len(told) > most:
        yield Problem(path, f"Should NOT have more than {most} items")
    elif len(told) < least:
        yield Problem(path, f"Should NOT have fewer than {least} items")
