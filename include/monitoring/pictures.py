"""Both dashboards as pictures: the charts of the declaration, drawn from the table of values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from include import charts
from include.charts import INK, LINE, SOFT, Drawn
from include.monitoring.dashboards import CHARTS, COLOURS, Chart
from include.monitoring.declaration import TITLES
from include.monitoring.store import Point
from include.monitoring.values import Budget, Value
from include.names import to_datetime
from include.pages import template
from include.reports import INDEX

__all__ = ["cost", "dashboards", "performance"]

ACROSS, ROW, HEADING = 3, 2.1, 0.35  # charts side by side; inches of a row and of a heading
SHARP = 100  # dots per inch
LEAST = 2 * 1440  # minutes that a chart shows, however few runs there were
LONGEST_NOTE = 46  # characters of a line in a chart
LINES = "Lines of the plan"

Points = Sequence[Point]


def dashboards(values: Mapping[str, Value], budget: Budget, history: Points) -> dict[str, str | bytes]:
    """The page and its pictures by name, the page first.

    Args:
        values: all declared ones.
        budget: from the project plan.
        history: what the runs found, the oldest first.
    """
    drawn = (
        Drawn("performance", "Performance", "Grey: single pairs. Black: all pairs together.",
              charts.png(performance(values, history), SHARP)),
        Drawn("cost", "Cost", "Month to date, dollars, beside what the plan says of a whole month.",
              charts.png(cost(values, budget, history), SHARP)),
    )  # fmt: skip
    newest = max((point.minute for point in history), default=0)
    page = template(Path(__file__).parent / "dashboards.html.j2").render(
        pictures=drawn, as_of=f"{to_datetime(newest):%Y-%m-%d %H:%M}"
    )
    return {INDEX: page, **{f"{each.name}.png": each.picture for each in drawn}}


def performance(values: Mapping[str, Value], history: Points) -> Figure:
    """The charts of the performance dashboard, section by section."""
    rows = {name: -(-len(shown) // ACROSS) for name, shown in CHARTS.items()}
    figure = charts.blank(sum(rows.values()) * ROW + len(rows) * HEADING)
    heights = [count * ROW + HEADING for count in rows.values()]
    parts: Any = figure.subfigures(len(rows), 1, height_ratios=heights)
    for part, (section, shown) in zip(parts, CHARTS.items(), strict=True):
        part.suptitle(TITLES[section], x=0.01, ha="left", fontsize=12, color=INK, fontweight="bold")
        grid = part.add_gridspec(rows[section], ACROSS)
        for number, chart in enumerate(shown):
            axes = part.add_subplot(grid[divmod(number, ACROSS)], label=chart.names[0])
            _chart(axes, values, chart, history)
    return figure


def cost(values: Mapping[str, Value], budget: Budget, history: Points) -> Figure:
    """The month to date against the budget; cost and saving of each line against the plan."""
    shown = len(budget.lines) + 1
    figure = charts.blank(-(-shown // ACROSS) * (ROW + 0.3))
    grid = figure.add_gridspec(-(-shown // ACROSS), ACROSS)
    total = charts.panel(figure, grid[0, 0], "cost", values["cost"].title)
    _lines(total, [("cost", _of(history, "cost"), INK)])
    _limits(total, values["cost"])
    _finish(total, history, "cost")
    for number, (line, planned) in enumerate(budget.lines.items(), start=1):
        axes = charts.panel(figure, grid[divmod(number, ACROSS)], line, f"{line}, $")
        found = [
            (label, _of(history, name, line=line), colour)
            for name, label, colour in (
                ("cost_of_line", "cost", INK),
                ("saved_of_line", "saved", charts.COLOURS[2]),
            )
        ]
        _lines(axes, found)
        _level(axes, planned, f"plan ${planned:,.0f}", COLOURS["goal"])
        if budget.before[line] != planned:
            _level(axes, budget.before[line], f"before ${budget.before[line]:,.0f}", COLOURS["warning"])
        _finish(axes, history, "cost_of_line", line)
    return figure


def _chart(axes: Axes, values: Mapping[str, Value], chart: Chart, history: Points) -> None:
    charts.dress(axes, chart.title)
    for name in chart.names:
        if values[name].by_pair:
            pairs = sorted({point.reading.pair for point in history if point.reading.name == name} - {""})
            _lines(axes, [("", _of(history, name, pair), LINE) for pair in pairs])
    inks = (INK, *charts.COLOURS)
    shown = [
        (values[name].title if len(chart.names) > 1 else "", _of(history, name), ink)
        for name, ink in zip(chart.names, inks, strict=False)
    ]
    _lines(axes, shown)
    for name in chart.names:
        _limits(axes, values[name])
    if chart.goal:
        _level(axes, chart.goal[0], chart.goal[1], COLOURS["goal"])
    _finish(axes, history, chart.names[0])


def _of(history: Points, name: str, pair: str = "", line: str = "") -> list[tuple[float, float]]:
    """Times and values of what is known."""
    return [
        (charts.days(point.minute), point.reading.value)
        for point in history
        if point.reading.value is not None
        and (point.reading.name, point.reading.pair, point.reading.line) == (name, pair, line)
    ]


def _lines(axes: Axes, shown: Iterable[tuple[str, list[tuple[float, float]], str]]) -> None:
    for label, points, colour in shown:
        if points:
            times, found = zip(*points, strict=True)
            axes.plot(times, found, "o-", ms=3, lw=1.3, color=colour, label=label or None)


def _limits(axes: Axes, value: Value) -> None:
    for level, rule in value.rules.items():
        _level(axes, rule.limit, f"{level} {rule.limit:g}", COLOURS[level])


def _level(axes: Axes, height: float, label: str, colour: str) -> None:
    axes.axhline(height, color=colour, lw=1, ls="--")
    axes.annotate(label, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  fontsize=7, color=colour, parse_math=False)  # fmt: skip


def _finish(axes: Axes, history: Points, name: str, line: str = "") -> None:
    """Dates, a legend where there are names, and in words why nothing is drawn."""
    minutes = [point.minute for point in history] or [0]
    room = max(max(minutes) - min(minutes), LEAST) * 0.03
    axes.set_xlim(
        charts.days(min(min(minutes), max(minutes) - LEAST) - room), charts.days(max(minutes) + room)
    )
    charts.tidy(axes, "y")
    charts.dated(axes)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))  # whole days, however few they are
    axes.tick_params(labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", fontsize=6.5, labelcolor=INK, framealpha=0.85, edgecolor="none")
    if not _of(history, name, line=line):
        notes = [point.reading.note for point in history if _is(point, name, line)]
        words = f"no data\n{_wrapped(notes[-1]) if notes else 'it was not read yet'}"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=7.5,
                  color=SOFT, parse_math=False)  # fmt: skip
        axes.set_xticks([])


def _is(point: Point, name: str, line: str) -> bool:
    return (point.reading.name, point.reading.pair, point.reading.line) == (name, "", line)


def _wrapped(note: str) -> str:
    return textwrap.fill(note, LONGEST_NOTE, max_lines=3)
