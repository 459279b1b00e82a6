"""The pictures: what is drawn is what was computed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from include import charts
from include.plan import figures, schedule
from include.plan.model import load
from tests.include.plan.drafts import draft


def words(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_gantt_has_a_bar_for_every_stage() -> None:
    desired = load().desired
    figure = figures.gantt(desired)
    bars = schedule.timeline(desired).bars
    assert {bar.name for bar in bars if bar.name} <= words(figure)
    drawn = {(round(patch.get_x(), 3), round(patch.get_width(), 3)) for patch in figure.axes[1].patches}
    assert {(round(bar.start, 3), round(bar.hours.low, 3)) for bar in bars if bar.kind == "stage"} <= drawn
    assert "Wall time: 300 h to 81-98 h" in {axes.get_title(loc="left") for axes in figure.axes}


def test_bars_do_not_overlap() -> None:
    axes = figures.gantt(load().desired).axes[1]
    boxes = [patch for patch in axes.patches if patch.get_height() == pytest.approx(0.7)]
    assert len(boxes) == 2 * 17  # stages and the deployment, twice each: at least, up to
    for row in {box.get_y() for box in boxes}:
        edges = sorted((box.get_x(), box.get_x() + box.get_width()) for box in boxes if box.get_y() == row)
        assert all(one[1] <= other[0] + 1e-6 for one, other in itertools.pairwise(edges))


def test_cost_shows_both_totals_and_the_budget() -> None:
    figure = figures.cost(load().desired)
    assert {"$535", "$286", "257", "180", "196", "49", "70", "45", "budget 400", "alert 350"} <= words(figure)
    assert figure.axes[0].get_title(loc="left") == "Running cost a month: $535 to $286 (47% less)"
    ends = [max(patch.get_x() + patch.get_width() for patch in figure.axes[0].patches if patch.get_y() == y)
            for y in sorted({patch.get_y() for patch in figure.axes[0].patches})]  # fmt: skip
    assert ends == pytest.approx([534.841, 285.80925])


def test_figures_follow_the_plan(tmp_path: Path) -> None:
    desired = load(draft(tmp_path, ("phases.yaml", "own_hours: [20, 25]", "own_hours: [60, 70]"))).desired
    assert "60-70 h" in words(figures.gantt(desired))


def test_dollar_signs_are_no_mathematics(tmp_path: Path) -> None:
    edit = ("cost.yaml", "every 4 hours instead of every hour", "from $1 to $2_{x")
    assert charts.png(figures.cost(load(draft(tmp_path, edit)).desired)).startswith(b"\x89PNG")


def test_pictures_are_the_same_every_time() -> None:
    desired = load().desired
    for draw in (figures.gantt, figures.cost):
        assert charts.png(draw(desired)) == charts.png(draw(desired))
