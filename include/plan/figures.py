"""The pictures of the report: the timeline as a Gantt chart, and the cost before and after."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from include.charts import COLOURS, INK, LINE, PALE, SOFT, blank, dress, legend, tidy
from include.plan import schedule
from include.plan.cost import amounts, bill, saving
from include.plan.entries import Desired
from include.plan.texts import shown, whole

__all__ = ["cost", "gantt"]

PROMISED = "#e3f1ea"
NARROW = 3.0  # hours: a bar below this has its number written upwards
HOUR, LETTER = 5.8, 0.66  # points an hour is wide; width of a bold letter per point of its size


def gantt(desired: Desired) -> Figure:
    """The timeline: hours before and after on top, below it every stage on its worker.

    Bars are full for what a stage takes at least and pale up to what it may take; each starts as late
    as it may.
    """
    times = schedule.timeline(desired)
    rows = [(time, row) for time in times.phases for row in range(_rows(time))]
    figure = blank(1.9 + 0.36 * len(rows))
    top, axes = figure.subplots(2, 1, gridspec_kw={"height_ratios": [2.2, len(rows)]})
    _before_and_after(top, desired, times)
    dress(axes, "Stages on their workers, hours since the beginning")
    low, high = desired.numbers["wall_low"], desired.numbers["wall_high"]
    axes.axvspan(low, high, color=PROMISED, zorder=0)
    first_row = {time.phase.number: rows.index((time, 0)) for time in times.phases}
    colours = dict(zip(first_row, _cycle(len(first_row)), strict=True))
    for bar in times.bars:
        _draw(axes, bar, first_row[bar.phase], _rows_of(times, bar.phase), colours[bar.phase])
    axes.set_yticks(range(len(rows)), [_label(time, row) for time, row in rows])
    for number in list(first_row.values())[1:]:
        axes.axhline(number - 0.5, color=LINE, lw=0.8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.02 * max(high, times.wall.high))
    axes.set_xlabel("hours on the clock; a phase begins when the one before has taken as long as it may",
                    color=SOFT, fontsize=9)  # fmt: skip
    tidy(axes, "x")
    keys = [
        Patch(color=SOFT, label="at least"),
        Patch(color=SOFT, alpha=0.35, lw=0, label="up to"),
        Patch(facecolor=PALE, edgecolor=SOFT, hatch="////", lw=0, label="hand-overs, repeats"),
        Patch(color=PROMISED, label=f"promised end: {shown(low)} to {shown(high)} h"),
    ]
    legend(figure, keys, 4)
    return figure


def cost(desired: Desired) -> Figure:
    """Dollars a month before and after: the lines stacked to the totals, with the budget."""
    lines = amounts(desired)
    figure = blank(3.6)
    axes = figure.subplots(1, 1)
    before, after = bill(desired)
    saved = f"${before:,.0f} to ${after:,.0f} ({saving(desired):.0f}% less)"
    dress(axes, f"Running cost a month: {saved}")
    starts = [0.0, 0.0]
    for amount, colour in zip(lines, _cycle(len(lines)), strict=True):
        values = [amount.before, amount.after]
        axes.barh((0, 1), values, left=starts, height=0.56, color=colour, edgecolor="white")
        for row, value in enumerate(values):
            if value > 0.045 * max(before, after):
                axes.text(starts[row] + value / 2, row, f"{value:,.0f}", ha="center", va="center",
                          color="white", fontsize=9, fontweight="bold")  # fmt: skip
        starts = [start + value for start, value in zip(starts, values, strict=True)]
    for row, value in enumerate(starts):
        axes.text(value + 5, row, f"${value:,.0f}", ha="left", va="center", color=INK, fontsize=10,
                  fontweight="bold")  # fmt: skip
    for name in ("cost_budget", "cost_alert"):
        value = desired.numbers[name]
        axes.axvline(value, color=INK, lw=1.1, ls="--" if name == "cost_alert" else "-", zorder=0.9)
        axes.text(value, -0.8, f"{name.removeprefix('cost_')} {shown(value)}", ha="center", va="bottom",
                  color=INK, fontsize=8.5)  # fmt: skip
    axes.set_yticks((0, 1), ("before", "after"))
    axes.set_ylim(1.5, -0.75)
    axes.set_xlim(0, 1.1 * max(*starts, desired.numbers["cost_budget"]))
    axes.set_xlabel("dollars a month, without the database", color=SOFT, fontsize=9)
    tidy(axes, "x")
    keys = [
        Patch(color=colour, label=f"{amount.line.name}: {amount.line.lever or 'as before'}")
        for amount, colour in zip(lines, _cycle(len(lines)), strict=True)
    ]
    legend(figure, keys, 2)
    return figure


def _before_and_after(axes: Axes, desired: Desired, times: schedule.Timeline) -> None:
    """Two bars: the hours of the old plan, and those of this one."""
    before = desired.numbers["wall_before"]
    dress(axes, f"Wall time: {shown(before)} h to {whole(times.wall)} h")
    axes.barh((0,), (before,), height=0.6, color=LINE)
    axes.barh((1,), (times.wall.low,), height=0.6, color=COLOURS[0])
    extra = times.wall.high - times.wall.low
    axes.barh((1,), (extra,), left=times.wall.low, height=0.6, color=COLOURS[0], alpha=0.35)
    for row, value in enumerate((before, times.wall.high)):
        text = shown(before) if row == 0 else whole(times.wall)
        axes.text(value + 2, row, f"{text} h", va="center", color=INK, fontsize=9)
    axes.set_yticks((0, 1), ("before", "after"))
    axes.set_ylim(1.5, -0.5)
    axes.set_xlim(0, 1.1 * max(before, times.wall.high))
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw(axes: Axes, bar: schedule.Bar, first_row: int, rows: int, colour: str) -> None:
    """One bar with its number; hand-overs fill all rows of their phase."""
    low, high = bar.hours
    if bar.kind == "overhead":
        middle = first_row + (rows - 1) / 2
        axes.barh((middle,), (high,), left=bar.start, height=rows - 0.3, facecolor=PALE, edgecolor=SOFT,
                  hatch="////", lw=0)  # fmt: skip
        return
    row = first_row + bar.row
    axes.barh((row,), (low,), left=bar.start, height=0.7, color=colour, edgecolor="white", lw=0.8)
    axes.barh((row,), (high - low,), left=bar.start + low, height=0.7, color=colour, alpha=0.35)
    text, narrow = bar.name or f"{bar.hours} h", low < NARROW
    size = 5.5 if narrow else min(8.5, low * HOUR / (LETTER * len(text)))
    axes.text(bar.start + low / 2, row, text, ha="center", va="center", color="white",
              fontsize=size, fontweight="bold", rotation=90 if narrow else 0)  # fmt: skip


def _rows(time: schedule.PhaseTime) -> int:
    """Rows that a phase needs: one for each worker that has something to do."""
    return 1 + max(bar.row for bar in time.bars)


def _rows_of(times: schedule.Timeline, number: str) -> int:
    return next(_rows(time) for time in times.phases if time.phase.number == number)


def _label(time: schedule.PhaseTime, row: int) -> str:
    """What stands left of a row: the phase, and below it its further workers."""
    if row:
        return f"worker {row + 1}"
    worker = ", worker 1" if _rows(time) > 1 else ""
    return f"{time.phase.number} {time.phase.title}{worker}"


def _cycle(count: int) -> Iterable[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(count)]
