"""The pictures of both dashboards: every declared value is drawn, and what has no data says why."""

from __future__ import annotations

import numpy as np
import pytest

from include.charts import days
from include.monitoring import pictures
from include.monitoring.dashboards import CHARTS
from include.monitoring.declaration import declared
from include.monitoring.store import Point
from include.monitoring.values import Reading
from tests.include.monitoring.worlds import BUDGET

VALUES = declared(BUDGET)
START = 28_600_000
WHY = "There are no forecasts in the window."


def history(runs: int, silent: str = "") -> list[Point]:
    """Runs four hours apart; one value of all pairs has no data."""
    rng, found = np.random.default_rng(1), []
    for run in range(runs):
        for name, value in VALUES.items():
            places = [("", "")] + [("eurusd", "")] * value.by_pair
            if "line" in value.dimensions:
                places = [("", line) for line in BUDGET.lines]
            for pair, line in places:
                number = None if name == silent and not pair else float(rng.normal())
                reading = Reading(name, number, pair, 0, line, "" if number is not None else WHY)
                found.append(Point(START + 240 * run, reading))
    return found


def drawn(figure, label: str) -> list[list[float]]:
    """The lines with as many points as there were runs, of the chart with a label."""
    (axes,) = (each for each in figure.get_axes() if each.get_label() == label)
    return [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3]


def test_every_chart_shows_the_values_of_all_runs() -> None:
    told = history(3)
    figure = pictures.performance(VALUES, told)
    assert len(figure.get_axes()) == sum(len(shown) for shown in CHARTS.values())
    for shown in CHARTS.values():
        for chart in shown:
            lines = drawn(figure, chart.names[0])
            for name in chart.names:
                for pair in ("", "eurusd") if VALUES[name].by_pair else ("",):
                    wanted = [
                        point.reading.value
                        for point in told
                        if (point.reading.name, point.reading.pair) == (name, pair)
                    ]
                    assert wanted in lines, (name, pair)
    left, right = figure.get_axes()[0].get_xlim()
    assert left < days(START) < days(START + 480) < right


def test_a_value_without_data_says_why_and_the_rest_is_drawn() -> None:
    figure = pictures.performance(VALUES, history(3, silent="coverage"))
    (axes,) = (each for each in figure.get_axes() if each.get_label() == "coverage")
    assert [text.get_text() for text in axes.texts if "no data" in text.get_text()] == [f"no data\n{WHY}"]
    assert drawn(figure, "coverage") == []
    assert len(drawn(figure, "skill")) == 2


def test_limits_and_the_plan_are_drawn() -> None:
    figure = pictures.cost(VALUES, BUDGET, history(3))
    by_label = {axes.get_label(): [text.get_text() for text in axes.texts] for axes in figure.get_axes()}
    assert by_label == {
        "cost": ["warning 350", "critical 400"],
        "Inference": ["plan $180", "before $257"],
        "Training": ["plan $45", "before $70"],
    }


@pytest.mark.parametrize("runs", [0, 1, 5])
def test_the_page_has_both_pictures_however_many_runs_there_were(runs: int) -> None:
    files = pictures.dashboards(VALUES, BUDGET, history(runs))
    page, *names = files
    assert page == "index.html"
    assert names == ["performance.png", "cost.png"]
    for name in names:
        assert bytes(files[name]).startswith(b"\x89PNG")  # type: ignore[arg-type]
        assert f'src="{name}"' in str(files[page])
