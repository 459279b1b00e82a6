"""Bodies of the two CloudWatch dashboards, from the declared values: performance and cost.

A body is a plain document for PutDashboard. Widgets lie on CloudWatch's grid of 24 columns; each section has
a heading and as many rows of charts as it needs. Limits are drawn where a chart has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from include.monitoring.cloudwatch import dimensions
from include.monitoring.declaration import COST, DATA, FLEET, REQUESTS, RUNS, SCORES, SLO_MS, TITLES
from include.monitoring.values import CRITICAL, WARNING, Budget, Value

__all__ = ["CHARTS", "COLOURS", "COLUMNS", "Chart", "cost", "performance"]

COLUMNS = 24  # of CloudWatch's grid
WIDTH, HEIGHT, HEADING = 8, 6, 1
SPAN = "-P14D"  # shown at first
COLOURS = {WARNING: "#d68910", CRITICAL: "#b03a2e", "goal": "#566573"}

Plain = dict[str, Any]


class Chart(NamedTuple):
    """A chart of a dashboard.

    Attributes:
        title: of the chart.
        names: of the values in it.
        goal: a level that is drawn besides the limits, and what it is.
    """

    title: str
    names: tuple[str, ...]
    goal: tuple[float, str] | None = None


CHARTS: Mapping[str, tuple[Chart, ...]] = {
    SCORES: (
        Chart("Skill, by pair", ("skill",), goal=(0.0, "no skill")),
        Chart("R2", ("r2", "r2_no_skill")),
        Chart("MAE, units of s", ("mae_scaled", "mae_scaled_no_skill")),
        Chart("MAE, BQX units", ("mae", "mae_no_skill")),
        Chart("Directional accuracy", ("directional_accuracy", "directional_accuracy_no_skill")),
        Chart("Coverage of the 90% interval", ("coverage",), goal=(0.9, "asked for")),
        Chart("MAE over that of no skill, change", ("mae_change",)),
        Chart("R2 above no skill, fall", ("r2_drop",)),
        Chart("Mean prediction, shift", ("prediction_shift",)),
    ),
    DATA: (
        Chart("Age of the newest bar, minutes", ("data_age",)),
        Chart("Missing features beyond training", ("missing_features",)),
        Chart("Forecasts without what came", ("actuals_missing",)),
        Chart("Drift of the worst column", ("feature_drift",)),
        Chart("Columns that drift", ("features_drifted",)),
        Chart("Largest KL and PSI", ("feature_kl", "feature_psi")),
        Chart("Captured answers", ("captures",)),
        Chart("Share of captures lost", ("captures_lost",)),
    ),
    REQUESTS: (
        Chart("Requests a minute", ("requests",)),
        Chart("Latency, ms", ("latency_p50", "latency_p95", "latency_p99"), goal=(SLO_MS, "P99 asked for")),
        Chart("Share of errors", ("error_rate",)),
    ),
    FLEET: (
        Chart("Models in memory", ("models_loaded",)),
        Chart("Cache hits", ("cache_hits",)),
        Chart("CPU and memory, %", ("cpu", "memory")),
    ),
    RUNS: (
        Chart("Runs of the monitor", ("monitor_runs",)),
        Chart("Last retraining failed", ("retraining_failures",)),
        Chart("Retrainings that succeeded", ("retraining_success",)),
    ),
}
"""Charts of the performance dashboard by section, in their order."""


def performance(values: Mapping[str, Value], endpoint: str, region: str, pairs: Sequence[str]) -> Plain:
    """The performance dashboard.

    Args:
        values: all declared ones.
        endpoint: name of the endpoint.
        region: of its metrics.
        pairs: that have a line of their own.
    """
    sections = [
        (TITLES[name], [_chart(values, chart, endpoint, region, pairs) for chart in charts])
        for name, charts in CHARTS.items()
    ]
    return _body(sections)


def cost(values: Mapping[str, Value], budget: Budget, endpoint: str, region: str) -> Plain:
    """The cost dashboard: the month to date against the budget, each line and its saving against the plan.

    Args:
        values: all declared ones.
        budget: from the project plan.
        endpoint: name of the endpoint.
        region: of its metrics.
    """
    total = _widget("Month to date, $", [_line(values["cost"], endpoint)], _limits(values["cost"]), region)
    lines = []
    for line, planned in budget.lines.items():
        drawn = [
            _line(values[name], endpoint, line=line, label=label)
            for name, label in (("cost_of_line", "cost"), ("saved_of_line", "saved"))
        ]
        goals = [
            _annotation(planned, f"plan, ${planned:,.0f} a month", "goal"),
            _annotation(budget.before[line], f"before, ${budget.before[line]:,.0f}", WARNING),
        ]
        saving = budget.before[line] - planned
        title = f"{line}, $ (planned saving ${saving:,.0f})" if saving else f"{line}, $"
        lines.append(_widget(title, drawn, goals, region))
    return _body([(TITLES[COST], [total]), ("Lines of the plan", lines)])


def _chart(
    values: Mapping[str, Value], chart: Chart, endpoint: str, region: str, pairs: Sequence[str]
) -> Plain:
    drawn: list[list[Any]] = []
    for name in chart.names:
        value = values[name]
        drawn += _scaled(value, endpoint, len(drawn))
        if value.by_pair:
            drawn += [_line(value, endpoint, pair=pair, label=pair.upper()) for pair in pairs]
    goals = [] if chart.goal is None else [_annotation(*chart.goal, "goal")]
    limits = [each for name in chart.names for each in _limits(values[name])]
    return _widget(chart.title, drawn, [*limits, *goals], region)


def _scaled(value: Value, endpoint: str, number: int) -> list[list[Any]]:
    """A value in its own unit: where the metric has another one, it is hidden and divided."""
    if value.metric.scale == 1:
        return [_line(value, endpoint)]
    hidden = _line(value, endpoint)
    hidden[-1] |= {"id": f"m{number}", "visible": False}
    shown = {"expression": f"m{number} / {value.metric.scale:g}", "label": value.title, "id": f"e{number}"}
    return [hidden, [shown]]


def _line(value: Value, endpoint: str, pair: str = "", line: str = "", label: str = "") -> list[Any]:
    """A metric of a chart, in the form of a dashboard: names and values in one list."""
    metric = value.metric
    named = dimensions(metric, endpoint, pair, line)
    told = [text for each in named for text in (each["Name"], each["Value"])]
    options = {"stat": metric.statistic, "period": metric.seconds, "label": label or value.title}
    return [metric.namespace, metric.name, *told, options]


def _limits(value: Value) -> list[Plain]:
    return [_annotation(rule.limit, level, level) for level, rule in value.rules.items()]


def _annotation(limit: float, label: str, colour: str) -> Plain:
    return {"value": limit, "label": label, "color": COLOURS[colour]}


def _widget(title: str, metrics: list[list[Any]], goals: list[Plain], region: str) -> Plain:
    properties = {
        "title": title, "metrics": metrics, "region": region, "view": "timeSeries", "stacked": False,
        **({"annotations": {"horizontal": goals}} if goals else {}),
    }  # fmt: skip
    return {"type": "metric", "width": WIDTH, "height": HEIGHT, "properties": properties}


def _body(sections: Sequence[tuple[str, Sequence[Plain]]]) -> Plain:
    """Headings and charts from the top, as many side by side as there is room for."""
    widgets: list[Plain] = []
    y = 0
    for title, charts in sections:
        heading = {
            "type": "text",
            "width": COLUMNS,
            "height": HEADING,
            "properties": {"markdown": f"## {title}"},
        }
        widgets.append({**heading, "x": 0, "y": y})
        y += HEADING
        across = COLUMNS // WIDTH
        for number, chart in enumerate(charts):
            row, place = divmod(number, across)
            widgets.append({**chart, "x": place * WIDTH, "y": y + row * HEIGHT})
        y += -(-len(charts) // across) * HEIGHT
    return {"start": SPAN, "periodOverride": "inherit", "widgets": widgets}
